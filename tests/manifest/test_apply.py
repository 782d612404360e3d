"""`apply`: what it makes, what it changes, what it leaves, and what it says."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.core.management.base import CommandError
from django.db import connection

from audit.models import AuditEvent
from credentials.models import ProviderCredential
from credentials.services import credential_update, holds_secret
from tenants.actors import command_actor
from tenants.models import AccessToken, Membership, Organization, Team, User
from tenants.services import token_revoke
from tenants.tokens import SCOPES, digest_of
from tests.manifest.conftest import EXAMPLE, FULL, Apply


def counts() -> tuple[int, ...]:
    """How many rows of each kind there are."""
    models = (Organization, Team, User, Membership, ProviderCredential, AccessToken, AuditEvent)
    return tuple(model._default_manager.count() for model in models)


def test_makes_what_the_example_says(apply: Apply, openai_key: str) -> None:
    applied = apply(EXAMPLE, "--json")
    assert applied.err == ""
    assert list(applied.json) == ["created", "updated", "unchanged", "tokens"]
    assert applied.json["created"] == [
        "organization acme",
        "member acme/admin@acme.example",
        "credential acme/openai-primary",
        "token acme/app",
    ]
    assert (applied.json["updated"], applied.json["unchanged"]) == ([], [])
    organization = Organization.objects.get()
    assert (organization.slug, organization.name, organization.is_active) == ("acme", "Acme Inc", True)
    assert Membership.objects.get().role == "admin"
    assert Membership.objects.get().user.email == "admin@acme.example"
    credential = ProviderCredential.objects.get()
    assert credential.provider == "openai"
    assert credential.default_model == "gpt-4o"
    assert credential.weight == Decimal("0.7")
    assert credential.base_url == "http://127.0.0.1:9101/v1"
    assert holds_secret(credential, openai_key)
    token = AccessToken.objects.get()
    assert applied.json["tokens"].keys() == {"acme/app"}
    assert token.digest == digest_of(applied.json["tokens"]["acme/app"])
    assert (token.allowed_models, token.scopes) == (["*"], list(SCOPES))


def test_second_time_nothing_changes(apply: Apply, openai_key: str) -> None:
    created = apply(EXAMPLE, "--json").json["created"]
    before, version = counts(), Organization.objects.get().snapshot_version
    applied = apply(EXAMPLE, "--json").json
    assert applied == {"created": [], "updated": [], "unchanged": created, "tokens": {}}
    assert counts() == before
    assert Organization.objects.get().snapshot_version == version


def test_sets_every_field(apply: Apply, azure_key: str) -> None:
    apply(FULL)
    assert dict(Team.objects.values_list("slug", "name")) == {"red": "Red Team", "blue": "blue"}
    owner = Membership.objects.get(role="owner")
    assert owner.user.email == "owner@acme.example"
    assert [team.slug for team in owner.teams.all()] == ["red"]
    assert Membership.objects.get(user__email="dev@acme.example").role == "member"
    credential = ProviderCredential.objects.get(name="azure-eu")
    assert holds_secret(credential, azure_key)
    assert credential.model_list == ["gpt-4o-mini", "o3"]
    assert credential.weight == Decimal("0.25")
    assert credential.enabled is False
    assert credential.config == {
        "surface": "deployments",
        "api_version": "2024-10-21",
        "deployments": {"gpt-4o": "four-o"},
    }
    assert (credential.environment, credential.residency) == ("staging", "eu")
    assert (credential.rotation_owner, credential.rotate_by) == ("platform@acme.example", date(2031, 1, 31))
    assert credential.notes == "Two\nlines.\n"
    assert [team.slug for team in credential.teams.all()] == ["red"]
    assert [user.email for user in credential.users.all()] == ["dev@acme.example"]
    token = AccessToken.objects.get()
    assert (token.allowed_models, token.scopes) == (["gpt-4o*"], ["chat.completions"])
    assert token.team is not None
    assert token.team.slug == "red"
    assert token.user is not None
    assert token.user.email == "dev@acme.example"
    assert token.expires_at == datetime(2031, 1, 31, 12, tzinfo=UTC)


def test_every_field_is_unchanged_the_second_time(apply: Apply, azure_key: str) -> None:
    apply(FULL)
    applied = apply(FULL, "--json").json
    assert (applied["created"], applied["updated"], len(applied["unchanged"])) == ([], [], 8)


def test_says_in_words_what_has_changed(apply: Apply, openai_key: str) -> None:
    first = apply(EXAMPLE)
    token = AccessToken.objects.get()
    assert first.out.splitlines()[:5] == [
        "+ organization acme",
        "+ member acme/admin@acme.example",
        "+ credential acme/openai-primary",
        "+ token acme/app",
        "= unchanged: 0",
    ]
    assert first.out.splitlines()[-1].startswith(f"  acme/app  axm_{token.key_id}_")
    changed = EXAMPLE.replace("weight: 0.7", "weight: 1, enabled: false, notes: Second choice")
    changed = changed.replace("name: Acme Inc", "name: Acme").replace("role: admin", "role: owner")
    changed = changed.replace('models: ["*"]', 'models: ["gpt-4o", "o3"]')
    assert apply(changed).out.splitlines() == [
        '~ organization acme name "Acme Inc" -> Acme',
        "~ member acme/admin@acme.example role admin -> owner",
        "~ credential acme/openai-primary "
        'weight 0.7 -> 1, enabled true -> false, notes "" -> "Second choice"',
        "~ token acme/app models [*] -> [gpt-4o, o3]",
        "= unchanged: 0",
    ]


def test_what_the_file_leaves_out_stays(apply: Apply, azure_key: str) -> None:
    apply(FULL)
    applied = apply(
        "organizations:\n  - slug: acme\n    credentials: [{name: azure-eu, provider: azure}]\n", "--json"
    )
    assert applied.json == {
        "created": [],
        "updated": [],
        "unchanged": ["organization acme", "credential acme/azure-eu"],
        "tokens": {},
    }
    assert ProviderCredential.objects.count() == 2
    assert ProviderCredential.objects.get(name="azure-eu").notes == "Two\nlines.\n"


def test_a_list_or_a_null_replaces_what_was_there(apply: Apply, azure_key: str) -> None:
    apply(FULL)
    applied = apply(
        FULL.replace("teams: [red]}", "teams: []}")
        .replace("        teams: [red]\n", "        teams: [blue]\n")
        .replace("rotate_by: 2031-01-31", "rotate_by: null")
        .replace("team: red", "team: null")
        .replace("expires_at: 2031-01-31T12:00:00Z", "expires_at: null")
    )
    assert applied.out.splitlines()[:3] == [
        "~ member acme/owner@acme.example teams [red] -> []",
        "~ credential acme/azure-eu rotate_by 2031-01-31 -> none, teams [red] -> [blue]",
        "~ token acme/app team red -> none, expires_at 2031-01-31T12:00:00+00:00 -> none",
    ]


def test_another_secret_is_a_rotation_and_the_same_one_is_not(
    apply: Apply, openai_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(EXAMPLE)
    monkeypatch.setenv("OPENAI_API_KEY", f" {openai_key}\n")
    assert apply(EXAMPLE, "--json").json["updated"] == []
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-0123456789abcdef")
    applied = apply(EXAMPLE)
    assert applied.out.splitlines()[0] == "~ credential acme/openai-primary secret rotated"
    assert holds_secret(ProviderCredential.objects.get(), "sk-another-0123456789abcdef")


def test_a_change_made_elsewhere_is_put_right(apply: Apply, openai_key: str) -> None:
    apply(EXAMPLE)
    credential_update(
        actor=command_actor("test"),
        credential=ProviderCredential.objects.get(),
        enabled=False,
        weight=Decimal(3),
    )
    # `enabled` is not in the file: it stays as it is.
    assert apply(EXAMPLE).out.splitlines()[0] == "~ credential acme/openai-primary weight 3 -> 0.7"
    assert ProviderCredential.objects.get().enabled is False


def test_records_who_did_it(apply: Apply, openai_key: str) -> None:
    apply(EXAMPLE)
    events = AuditEvent.objects.all()
    assert {(event.actor_type, event.actor_label) for event in events} == {("command", "apply")}
    assert {"organization.create", "membership.create", "credential.create", "token.create"} <= {
        event.action for event in events
    }


def test_dry_run_shows_the_plan_and_changes_nothing(apply: Apply, openai_key: str) -> None:
    before = counts()
    applied = apply(EXAMPLE, "--dry-run")
    assert applied.out.splitlines() == [
        "+ organization acme",
        "+ member acme/admin@acme.example",
        "+ credential acme/openai-primary",
        "+ token acme/app",
        "= unchanged: 0",
        "",
        "A dry run: nothing was changed.",
    ]
    assert counts() == before
    assert apply(EXAMPLE, "--dry-run", "--json").json["tokens"] == {}


def test_dry_run_needs_no_secret(apply: Apply) -> None:
    before = counts()
    applied = apply(EXAMPLE, "--dry-run", "--json")
    assert "credential acme/openai-primary" in applied.json["created"]
    assert "line 6: The environment variable OPENAI_API_KEY is not set." in applied.err
    assert counts() == before


def test_dry_run_finds_that_a_moved_address_needs_the_secret(
    apply: Apply, openai_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(EXAMPLE)
    monkeypatch.delenv("OPENAI_API_KEY")
    moved = EXAMPLE.replace(":9101", ":9102")
    applied = apply(moved, "--dry-run")
    assert applied.out.splitlines()[0] == (
        "~ credential acme/openai-primary base_url http://127.0.0.1:9101/v1 -> http://127.0.0.1:9102/v1, "
        "secret rotated"
    )
    with pytest.raises(CommandError, match=r"acme\.yaml:6: .* OPENAI_API_KEY is not set"):
        apply(moved)
    assert ProviderCredential.objects.get().base_url == "http://127.0.0.1:9101/v1"


def test_a_stored_secret_is_kept_while_its_variable_is_not_set(
    apply: Apply, openai_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(EXAMPLE)
    monkeypatch.delenv("OPENAI_API_KEY")
    applied = apply(EXAMPLE, "--json")
    assert len(applied.json["unchanged"]) == 4
    assert applied.err.strip().endswith(
        "acme.yaml: line 6: The environment variable OPENAI_API_KEY is not set. The stored secret is kept."
    )
    assert holds_secret(ProviderCredential.objects.get(), openai_key)


def test_a_revoked_token_stays_revoked(apply: Apply, openai_key: str) -> None:
    apply(EXAMPLE)
    token_revoke(actor=command_actor("test"), token=AccessToken.objects.get())
    applied = apply(EXAMPLE, "--json")
    assert applied.json["tokens"] == {}
    assert "token acme/app was revoked and stays so" in applied.err
    assert AccessToken.objects.get().revoked_at is not None


def test_an_inactive_organization_can_be_made_and_switched_on(apply: Apply) -> None:
    apply("organizations: [{slug: acme, active: false}]")
    assert Organization.objects.get().is_active is False
    applied = apply("organizations: [{slug: acme, active: true}]")
    assert applied.out.splitlines()[0] == "~ organization acme active false -> true"
    assert Organization.objects.get().is_active is True


def test_no_secret_is_printed_or_stored_in_the_clear(apply: Apply, openai_key: str) -> None:
    first = apply(EXAMPLE)
    assert openai_key not in first.out + first.err
    with connection.cursor() as cursor:
        cursor.execute("SELECT ciphertext FROM credentials_secretversion")
        assert all(openai_key.encode() not in bytes(row[0]) for row in cursor.fetchall())
    assert all(openai_key not in str(event.after) for event in AuditEvent.objects.all())
