"""A directory with a manifest in it, and the command that applies it."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

OPENAI_KEY = "sk-test-0123456789abcdefghij"
# As it stands in the issue that asked for it: the long line is part of it.
EXAMPLE = """\
organizations:
  - slug: acme
    name: Acme Inc
    members: [{email: admin@acme.example, role: admin}]
    credentials:
      - {name: openai-primary, provider: openai, secret: {env: OPENAI_API_KEY}, default_model: gpt-4o, weight: 0.7, base_url: "http://127.0.0.1:9101/v1"}
    tokens:
      - {name: app, models: ["*"]}
"""  # noqa: E501

FULL = """\
organizations:
  - slug: acme
    name: Acme Inc
    active: true
    teams:
      - {slug: red, name: Red Team}
      - {slug: blue}
    members:
      - {email: Owner@acme.example, role: owner, teams: [red]}
      - {email: dev@acme.example}
    credentials:
      - name: azure-eu
        provider: azure
        secret: {file: secrets/azure}
        default_model: gpt-4o
        model_list: [gpt-4o-mini, o3]
        weight: 0.25
        enabled: false
        base_url: https://acme.openai.azure.com
        config: {surface: deployments, api_version: "2024-10-21", deployments: {gpt-4o: four-o}}
        environment: staging
        residency: eu
        rotation_owner: platform@acme.example
        rotate_by: 2031-01-31
        notes: |
          Two
          lines.
        teams: [red]
        users: [dev@acme.example]
      - {name: play, provider: sandbox, default_model: sandbox}
    tokens:
      - name: app
        models: ["gpt-4o*"]
        scopes: [chat.completions]
        team: red
        user: dev@acme.example
        expires_at: 2031-01-31T12:00:00Z
"""


class Applied:
    """What one run of the command printed."""

    def __init__(self, out: str, err: str) -> None:
        self.out = out
        self.err = err

    @property
    def json(self) -> dict[str, Any]:
        """Return the JSON object, which must be all there is."""
        found: dict[str, Any] = json.loads(self.out)
        return found


Apply = Callable[..., Applied]


@pytest.fixture
def openai_key(monkeypatch: pytest.MonkeyPatch) -> str:
    """The secret that the example refers to."""
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI_KEY)
    return OPENAI_KEY


@pytest.fixture
def azure_key(tmp_path: Path) -> str:
    """The secret in the file that FULL refers to."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/azure").write_text("azure-0123456789abcdef\n")
    return "azure-0123456789abcdef"


@pytest.fixture
def apply(db: None, tmp_path: Path) -> Apply:
    """Write a manifest and apply it."""

    def run(text: str, *options: str) -> Applied:
        path = tmp_path / "acme.yaml"
        path.write_text(text, encoding="utf-8")
        out, err = StringIO(), StringIO()
        call_command("apply", str(path), *options, stdout=out, stderr=err)
        return Applied(out.getvalue(), err.getvalue())

    return run
