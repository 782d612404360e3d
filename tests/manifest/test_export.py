"""`export`: what `apply` takes back without a change, and nothing that should stay where it is."""

from io import StringIO
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.core.management.base import CommandError

from tenants.actors import command_actor
from tenants.models import AccessToken, Organization
from tenants.services import token_revoke
from tests.manifest.conftest import EXAMPLE, FULL, Apply
from tests.manifest.test_apply import counts


def export(*options: str) -> str:
    """Return what the command writes."""
    out = StringIO()
    call_command("export", *options, stdout=out)
    return out.getvalue()


def test_writes_the_example_with_a_reference_for_the_secret(apply: Apply, openai_key: str) -> None:
    apply(EXAMPLE)
    assert export() == (
        "# Secrets are not exported. Where this is applied to another gateway, or to change a secret, set:\n"
        "#   ACME_OPENAI_PRIMARY_SECRET\n"
        "# A credential that is there already keeps its secret while its variable is not set.\n"
        "organizations:\n"
        "  - slug: acme\n"
        "    name: Acme Inc\n"
        "    members:\n"
        "      - {email: admin@acme.example, role: admin}\n"
        "    credentials:\n"
        "      - name: openai-primary\n"
        "        provider: openai\n"
        "        secret: {env: ACME_OPENAI_PRIMARY_SECRET}\n"
        "        default_model: gpt-4o\n"
        "        weight: 0.7\n"
        "        base_url: http://127.0.0.1:9101/v1\n"
        "    tokens:\n"
        "      - name: app\n"
        "        models: ['*']\n"
    )


@pytest.mark.parametrize("text", [EXAMPLE, FULL])
def test_apply_takes_it_back_without_a_change(
    apply: Apply, openai_key: str, azure_key: str, text: str
) -> None:
    apply(text)
    before = counts()
    applied = apply(export(), "--json").json
    assert (applied["created"], applied["updated"], applied["tokens"]) == ([], [], {})
    assert counts() == before


def test_apply_makes_the_same_on_an_empty_gateway(
    apply: Apply, azure_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(FULL)
    written = export()
    AccessToken.objects.all().delete()
    Organization.objects.all().delete()
    monkeypatch.setenv("ACME_AZURE_EU_SECRET", azure_key)
    applied = apply(written, "--json").json
    assert len(applied["created"]) == 8
    assert export() == written


def test_holds_no_secret_and_no_token(apply: Apply, openai_key: str) -> None:
    (token,) = apply(EXAMPLE, "--json").json["tokens"].values()
    written = export()
    assert openai_key not in written
    assert openai_key[-4:] not in written
    assert token not in written


def test_leaves_out_revoked_tokens(apply: Apply, openai_key: str) -> None:
    apply(EXAMPLE)
    token_revoke(actor=command_actor("test"), token=AccessToken.objects.get())
    assert "tokens" not in yaml.safe_load(export())["organizations"][0]


def test_writes_one_organization_alone(apply: Apply) -> None:
    apply("organizations: [{slug: acme}, {slug: globex, active: false}]")
    assert export("--organization", "globex") == (
        "organizations:\n  - {slug: globex, name: globex, active: false}\n"
    )


def test_refuses_an_organization_that_is_not_there(apply: Apply) -> None:
    apply("organizations: [{slug: acme}]")
    with pytest.raises(CommandError, match=r"^There is no organization globex\.$"):
        export("--organization", "globex")


def test_an_empty_gateway_is_an_empty_list(apply: Apply) -> None:
    assert export() == "organizations: []\n"
    assert apply(export(), "--json").json["created"] == []


def test_no_two_credentials_share_a_variable(apply: Apply, openai_key: str) -> None:
    def named(name: str) -> str:
        return f"      - {{name: {name}, provider: openai, secret: {{env: OPENAI_API_KEY}}}}\n"

    apply("organizations:\n  - slug: acme\n    credentials:\n" + named("a-b") + named("a_b") + named("ü"))
    names = [entry["secret"]["env"] for entry in yaml.safe_load(export())["organizations"][0]["credentials"]]
    assert names == ["ACME_A_B_SECRET", "ACME_A_B_2_SECRET", "ACME_SECRET"]


def test_text_that_looks_like_something_else_comes_back_as_text(apply: Apply) -> None:
    texts: dict[str, Any] = {"name": "1.10", "provider": "sandbox", "default_model": "yes", "notes": "null"}
    apply(yaml.safe_dump({"organizations": [{"slug": "acme", "name": "2027-01-31", "credentials": [texts]}]}))
    assert yaml.safe_load(export())["organizations"][0]["credentials"] == [texts]
    assert apply(export(), "--json").json["updated"] == []
