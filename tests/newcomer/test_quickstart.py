"""`quickstart`: what a new gateway gets, once, and what is said about it."""

import json
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from audit.models import AuditEvent
from credentials.models import ProviderCredential
from gateway.management.commands import quickstart
from tenants.models import AccessToken, Membership, Organization, User
from tenants.tokens import SCOPES, digest_of

pytestmark = pytest.mark.django_db
KEYS = ["admin_url", "base_url", "admin_email", "admin_password", "token", "metrics_token", "organization"]


def run() -> str:
    """Run the command without serving; return what it prints."""
    out = StringIO()
    call_command("quickstart", "--no-serve", stdout=out)
    return out.getvalue()


@pytest.fixture
def file(settings: Any) -> Path:
    """Where the facts are written, for an instance on port 18123."""
    settings.HOST, settings.PORT = "127.0.0.1", 18123
    path: Path = settings.AXIOM_VAR / "quickstart.json"
    return path


def facts(file: Path) -> dict[str, str]:
    """Return what the file says."""
    found: dict[str, str] = json.loads(file.read_text())
    return found


def test_makes_an_admin_an_organization_a_token_and_a_credential(file: Path) -> None:
    run()
    found = facts(file)
    assert sorted(found) == sorted(KEYS)
    admin = User.objects.get()
    assert admin.email == found["admin_email"]
    assert admin.check_password(found["admin_password"])
    assert admin.is_superuser
    assert admin.is_staff
    organization = Organization.objects.get()
    assert organization.slug == found["organization"] == "demo"
    membership = Membership.objects.get()
    assert (membership.user, membership.organization, membership.role) == (admin, organization, "owner")
    token = AccessToken.objects.get()
    assert token.organization == organization
    assert token.digest == digest_of(found["token"])
    assert (token.allowed_models, token.scopes) == (["*"], list(SCOPES))
    credential = ProviderCredential.objects.get()
    assert (credential.organization, credential.provider) == (organization, "sandbox")
    assert (credential.default_model, credential.enabled) == ("sandbox", True)
    assert {event.actor_label for event in AuditEvent.objects.all()} == {"quickstart"}


def test_writes_the_facts_for_this_user_only(file: Path, settings: Any) -> None:
    run()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = facts(file)
    assert found["admin_url"] == "http://127.0.0.1:18123/admin/"
    assert found["base_url"] == "http://127.0.0.1:18123/rest/v1/llm-gateway/v1"
    assert found["metrics_token"] == settings.AXIOM_METRICS_TOKEN


def test_prints_what_a_newcomer_needs(file: Path) -> None:
    printed, found = run(), facts(file)
    for key in ("admin_url", "admin_email", "admin_password", "base_url", "token"):
        assert found[key] in printed
    assert f"curl -N {found['base_url']}/chat/completions" in printed
    assert f'-H "Authorization: Bearer {found["token"]}"' in printed
    assert '"stream": true' in printed
    assert '"model": "sandbox"' in printed


def test_second_start_reuses_everything_and_prints_no_secret(file: Path) -> None:
    run()
    before, events = facts(file), AuditEvent.objects.count()
    printed = run()
    assert facts(file) == before
    assert AuditEvent.objects.count() == events
    for key in ("admin_password", "token", "metrics_token"):
        assert before[key] not in printed
    assert str(file) in printed
    assert before["admin_url"] in printed
    assert before["base_url"] in printed


def test_the_file_follows_the_address(file: Path, settings: Any) -> None:
    run()
    before = facts(file)
    settings.HOST, settings.PORT = "0.0.0.0", 18124
    run()
    assert facts(file) == before | {
        "admin_url": "http://127.0.0.1:18124/admin/",
        "base_url": "http://127.0.0.1:18124/rest/v1/llm-gateway/v1",
    }


def test_a_file_that_was_removed_stays_removed(file: Path) -> None:
    run()
    file.unlink()
    printed = run()
    assert not file.exists()
    assert "manage.py changepassword" in printed
    assert User.objects.count() == 1


def test_leaves_an_instance_that_has_an_operator_alone(file: Path, operator: User) -> None:
    run()
    assert not file.exists()
    assert Organization.objects.count() == 0
    assert list(User.objects.all()) == [operator]


def test_joins_what_apply_has_made_already(file: Path, acme: Organization) -> None:
    run()
    assert sorted(Organization.objects.values_list("slug", flat=True)) == ["acme", "demo"]
    assert "admin_password" in facts(file)


def test_nothing_is_made_when_the_file_cannot_be_written(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quickstart, "write_private", refuse)
    with pytest.raises(CommandError, match=r"quickstart\.json cannot be written: No space left on device\."):
        run()
    assert User.objects.count() == 0
    assert Organization.objects.count() == 0


def test_a_busy_port_is_one_line_and_nothing_is_made(file: Path, busy_port: int, settings: Any) -> None:
    settings.PORT = busy_port
    with pytest.raises(CommandError, match=rf"^Port {busy_port} on 127\.0\.0\.1 is in use: .*\.$"):
        call_command("quickstart")
    assert not file.exists()
    assert User.objects.count() == 0
