from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from audit.models import AuditEvent
from axiom.lib.redaction import Secret
from credentials.models import OrganizationKey, ProviderCredential, SecretVersion
from credentials.services import (
    VaultError,
    credential_create,
    credential_delete,
    credential_rotate,
    credential_set_enabled,
    credential_update,
    holds_secret,
)
from credentials.vault import open_secret
from tenants.actors import Actor
from tenants.models import Organization, Team, User
from tests.credentials.conftest import NEW_KEY, OTHER_SECRET, SECRET
from tests.unchanged import nothing_changes

pytestmark = pytest.mark.django_db

LastEvent = Callable[[], AuditEvent]


def secret_of(credential: ProviderCredential) -> Secret | None:
    return open_secret(ProviderCredential.objects.get(pk=credential.pk))


def fields_of(error: pytest.ExceptionInfo[ValidationError]) -> set[str]:
    return set(error.value.message_dict)


@pytest.mark.parametrize("who", ["owner", "admin", "platform"])
def test_owners_admins_and_operators_create_a_credential(
    who: str, acme: Organization, request: pytest.FixtureRequest, last_event: LastEvent
) -> None:
    actor: Actor = request.getfixturevalue(who)
    version = acme.snapshot_version
    credential = credential_create(
        actor=actor, organization=acme, provider="openai", name="primary", secret=f" {SECRET}\n"
    )
    credential.refresh_from_db()
    acme.refresh_from_db()
    assert (credential.organization, credential.provider, credential.name) == (acme, "openai", "primary")
    assert (credential.weight, credential.enabled, credential.environment) == (Decimal(1), True, "production")
    assert (credential.base_url, credential.config, credential.model_list) == ("", {}, [])
    assert secret_of(credential) == Secret(SECRET)
    secret = credential.active_secret
    assert secret is not None
    assert (secret.version, secret.last_four, secret.created_by_id) == (1, "abcd", actor.user_id)
    assert acme.snapshot_version == version + 1
    event = last_event()
    assert (event.action, event.organization_id, event.actor_id) == (
        "credential.create",
        acme.pk,
        actor.user_id,
    )
    assert (event.target_type, event.target_id, event.target_label) == (
        "credential",
        str(credential.pk),
        "primary",
    )
    assert event.before == {}
    assert event.after == {
        "provider": "openai",
        "name": "primary",
        "base_url": "",
        "config": {},
        "secret": "version 1, ends in abcd",
    }


def test_a_credential_holds_all_that_was_given(
    owner: Actor, acme: Organization, blue: Team, bob: User, last_event: LastEvent
) -> None:
    credential = credential_create(
        actor=owner,
        organization=acme,
        provider="azure",
        name="Azure EU",
        secret=SECRET,
        default_model="gpt-4o",
        model_list=("o3", "gpt-4.1"),
        weight=Decimal("0.7"),
        enabled=False,
        base_url="https://acme.openai.azure.com/",
        config={"surface": "deployments", "api_version": "2024-10-21", "deployments": {"gpt-4o": "prod"}},
        environment="staging",
        residency="eu",
        rotation_owner="ops@acme.example",
        rotate_by=date(2027, 1, 31),
        notes="two\nlines",
        teams=[blue],
        users=[bob],
    )
    credential.refresh_from_db()
    assert (credential.default_model, credential.model_list) == ("gpt-4o", ["o3", "gpt-4.1"])
    assert (credential.weight, credential.enabled) == (Decimal("0.7"), False)
    assert credential.base_url == "https://acme.openai.azure.com"
    assert credential.config == {
        "surface": "deployments",
        "api_version": "2024-10-21",
        "deployments": {"gpt-4o": "prod"},
    }
    assert (credential.environment, credential.residency) == ("staging", "eu")
    assert (credential.rotation_owner, credential.rotate_by) == ("ops@acme.example", date(2027, 1, 31))
    assert credential.notes == "two\nlines"
    assert (list(credential.teams.all()), list(credential.users.all())) == ([blue], [bob])
    after = last_event().after
    assert (after["weight"], after["rotate_by"]) == ("0.7", "2027-01-31")
    assert (after["teams"], after["users"]) == (["Blue"], ["bob@acme.example"])


def test_a_provider_without_keys_needs_no_secret(
    owner: Actor, acme: Organization, last_event: LastEvent
) -> None:
    credential = credential_create(actor=owner, organization=acme, provider="sandbox", name="sandbox")
    assert secret_of(credential) is None
    assert not SecretVersion.objects.exists()
    assert last_event().after["secret"] is None


@pytest.mark.parametrize("who", ["member", "stranger"])
def test_members_and_strangers_change_no_credential(
    who: str, acme: Organization, credential: ProviderCredential, request: pytest.FixtureRequest
) -> None:
    actor: Actor = request.getfixturevalue(who)
    with nothing_changes():
        with pytest.raises(PermissionDenied):
            credential_create(actor=actor, organization=acme, provider="openai", name="x", secret=SECRET)
        with pytest.raises(PermissionDenied):
            credential_update(actor=actor, credential=credential, name="x", secret=OTHER_SECRET)
        with pytest.raises(PermissionDenied):
            credential_set_enabled(actor=actor, credentials=[credential], enabled=False)
        with pytest.raises(PermissionDenied):
            credential_rotate(actor=actor, credential=credential, secret=OTHER_SECRET)
        with pytest.raises(PermissionDenied):
            credential_delete(actor=actor, credential=credential)


def test_the_organization_of_a_credential_is_taken_from_the_database(
    stranger: Actor, credential: ProviderCredential, globex: Organization
) -> None:
    credential.organization = globex
    with nothing_changes(), pytest.raises(PermissionDenied):
        credential_rotate(actor=stranger, credential=credential, secret=OTHER_SECRET)


def test_all_that_is_wrong_is_said_at_once_and_nothing_is_kept(
    owner: Actor, acme: Organization, red: Team, charlie: User
) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        credential_create(
            actor=owner,
            organization=acme,
            provider="openai",
            name=" ",
            secret="",
            weight=Decimal(-1),
            base_url="http://10.0.0.1/v1",
            config={"region": "eu"},
            environment="moon",
            teams=[red],
            users=[charlie],
        )
    assert fields_of(caught) == {
        "name",
        "secret",
        "weight",
        "base_url",
        "config",
        "environment",
        "teams",
        "users",
    }
    assert caught.value.message_dict["secret"] == ["This provider needs one."]


@pytest.mark.parametrize("weight", [Decimal("NaN"), Decimal("Infinity"), Decimal("0.00001"), Decimal(1001)])
def test_a_weight_is_a_number_up_to_a_thousand_with_four_decimals(
    owner: Actor, acme: Organization, weight: Decimal
) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        credential_create(actor=owner, organization=acme, provider="sandbox", name="s", weight=weight)
    assert fields_of(caught) == {"weight"}


def test_an_unknown_provider_is_refused(owner: Actor, acme: Organization) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        credential_create(actor=owner, organization=acme, provider="skynet", name="x", secret=SECRET)
    assert "provider" in fields_of(caught)


def test_a_name_is_free_once_per_organization(
    owner: Actor, stranger: Actor, acme: Organization, globex: Organization, credential: ProviderCredential
) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        credential_create(
            actor=owner, organization=acme, provider="groq", name="primary", secret=OTHER_SECRET
        )
    assert caught.value.message_dict == {
        "name": ["This organization already has a provider credential with this name."]
    }
    same = credential_create(
        actor=stranger, organization=globex, provider="openai", name="primary", secret=SECRET
    )
    assert same.organization == globex


def test_without_a_key_ring_nothing_is_kept(owner: Actor, acme: Organization, settings: Any) -> None:
    settings.AXIOM_KEYS = ""
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        credential_create(actor=owner, organization=acme, provider="openai", name="x", secret=SECRET)
    assert fields_of(caught) == {"secret"}
    assert "AXIOM_KEYS is not set" in str(caught.value)


def test_the_secret_is_in_no_row_but_the_sealed_one(
    owner: Actor, credential: ProviderCredential, last_event: LastEvent
) -> None:
    credential_rotate(actor=owner, credential=credential, secret=OTHER_SECRET)
    rows = [
        str(row)
        for model in (AuditEvent, ProviderCredential, SecretVersion, OrganizationKey)
        for row in model._base_manager.values()
    ]
    assert not [row for row in rows if SECRET in row or OTHER_SECRET in row or "canary" in row]


def test_only_what_differs_is_changed_and_recorded(
    admin: Actor, acme: Organization, credential: ProviderCredential, blue: Team, last_event: LastEvent
) -> None:
    acme.refresh_from_db()
    version, updated_at = acme.snapshot_version, credential.updated_at
    changed = credential_update(
        actor=admin,
        credential=credential,
        name="primary",
        default_model="gpt-4o",
        weight=Decimal("0.50"),
        teams=[blue],
        users=[],
    )
    credential.refresh_from_db()
    acme.refresh_from_db()
    assert changed == credential
    assert (credential.default_model, credential.weight) == ("gpt-4o", Decimal("0.5"))
    assert list(credential.teams.all()) == [blue]
    assert credential.updated_at > updated_at
    assert acme.snapshot_version == version + 1
    event = last_event()
    assert event.action == "credential.update"
    assert event.before == {"default_model": "", "weight": "1", "teams": []}
    assert event.after == {"default_model": "gpt-4o", "weight": "0.5", "teams": ["Blue"]}
    assert secret_of(credential) == Secret(SECRET)


def test_the_same_values_again_leave_no_trace(owner: Actor, credential: ProviderCredential) -> None:
    with nothing_changes():
        credential_update(
            actor=owner,
            credential=credential,
            secret=SECRET,
            provider="openai",
            name="primary",
            base_url="",
            config={},
            weight=Decimal("1.0000"),
            model_list=(),
            enabled=True,
            rotate_by=None,
            teams=[],
            users=[],
        )
        credential_update(actor=owner, credential=credential, secret="")
        credential_update(actor=owner, credential=credential)


def test_what_the_caller_did_to_its_instance_is_not_believed(
    owner: Actor, credential: ProviderCredential
) -> None:
    credential.base_url = "https://evil.example"  # as a form does before it is refused
    credential_update(actor=owner, credential=credential, notes="n")
    credential.refresh_from_db()
    assert (credential.base_url, credential.notes) == ("", "n")


def test_switching_alone_is_recorded_as_that(
    owner: Actor, credential: ProviderCredential, last_event: LastEvent
) -> None:
    credential_update(actor=owner, credential=credential, enabled=False)
    assert (last_event().action, last_event().after) == ("credential.disable", {"enabled": False})
    credential_update(actor=owner, credential=credential, enabled=True)
    assert last_event().action == "credential.enable"
    credential_update(actor=owner, credential=credential, enabled=False, notes="why")
    assert last_event().action == "credential.update"


@pytest.mark.parametrize("changes", [{"base_url": "https://proxy.example/v1"}, {"provider": "groq"}])
def test_another_address_or_provider_voids_the_stored_secret(
    owner: Actor, credential: ProviderCredential, changes: dict[str, Any]
) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        credential_update(actor=owner, credential=credential, **changes)
    assert fields_of(caught) == {"secret"}
    assert "enter it again" in str(caught.value)


def test_another_address_with_a_new_secret_is_fine(
    owner: Actor, credential: ProviderCredential, last_event: LastEvent
) -> None:
    credential_update(
        actor=owner, credential=credential, base_url="https://proxy.example/v1", secret=OTHER_SECRET
    )
    assert secret_of(credential) == Secret(OTHER_SECRET)
    assert last_event().before == {"base_url": "", "secret": "version 1, ends in abcd"}
    assert last_event().after == {
        "base_url": "https://proxy.example/v1",
        "secret": "version 2, ends in wxyz",
    }


def test_another_address_with_the_same_secret_given_again_is_fine(
    owner: Actor, credential: ProviderCredential
) -> None:
    credential_update(actor=owner, credential=credential, base_url="https://proxy.example/v1", secret=SECRET)
    assert secret_of(credential) == Secret(SECRET)
    assert SecretVersion.objects.count() == 1


def test_writing_out_the_providers_own_address_keeps_the_secret(
    owner: Actor, credential: ProviderCredential
) -> None:
    credential_update(actor=owner, credential=credential, base_url="https://api.openai.com/v1/")
    credential.refresh_from_db()
    assert credential.base_url == "https://api.openai.com/v1"
    assert secret_of(credential) == Secret(SECRET)


def test_another_provider_judges_the_settings_anew(owner: Actor, credential: ProviderCredential) -> None:
    credential_update(actor=owner, credential=credential, config={"project": "p1"})
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        credential_update(actor=owner, credential=credential, provider="groq", secret=OTHER_SECRET)
    assert fields_of(caught) == {"config"}
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        credential_update(
            actor=owner, credential=credential, provider="azure", config={}, secret=OTHER_SECRET
        )
    assert fields_of(caught) == {"base_url"}
    credential_update(actor=owner, credential=credential, provider="groq", config={}, secret=OTHER_SECRET)
    credential.refresh_from_db()
    assert (credential.provider, credential.config) == ("groq", {})


def test_a_provider_that_needs_a_secret_gets_one_with_the_change(owner: Actor, acme: Organization) -> None:
    credential = credential_create(actor=owner, organization=acme, provider="sandbox", name="s")
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        credential_update(actor=owner, credential=credential, provider="openai")
    assert caught.value.message_dict == {"secret": ["This provider needs one."]}
    credential_update(actor=owner, credential=credential, provider="openai", secret=SECRET)
    assert secret_of(credential) == Secret(SECRET)


def test_a_secret_is_removed_only_where_none_is_needed(
    owner: Actor, acme: Organization, credential: ProviderCredential, last_event: LastEvent
) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        credential_update(actor=owner, credential=credential, clear_secret=True)
    assert fields_of(caught) == {"secret"}
    local = credential_create(
        actor=owner,
        organization=acme,
        provider="ollama",
        name="local",
        base_url="http://127.0.0.1:11434/v1",
        secret=OTHER_SECRET,
    )
    with nothing_changes(), pytest.raises(ValidationError):
        credential_update(actor=owner, credential=local, base_url="http://127.0.0.2:11434/v1")
    credential_update(actor=owner, credential=local, base_url="http://127.0.0.2:11434/v1", clear_secret=True)
    assert secret_of(local) is None
    assert last_event().after == {"base_url": "http://127.0.0.2:11434/v1", "secret": None}


def test_an_address_is_judged_when_it_changes_and_not_when_notes_do(
    owner: Actor, acme: Organization, settings: Any
) -> None:
    local = credential_create(
        actor=owner, organization=acme, provider="ollama", name="l", base_url="http://127.0.0.1:1/v1"
    )
    settings.AXIOM_EGRESS_ALLOW = []
    assert credential_update(actor=owner, credential=local, notes="still editable").notes == "still editable"
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        credential_update(actor=owner, credential=local, base_url="http://127.0.0.1:2/v1")
    assert "AXIOM_EGRESS_ALLOW" in str(caught.value)


def test_teams_and_users_of_another_organization_are_refused(
    owner: Actor, credential: ProviderCredential, red: Team, charlie: User
) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        credential_update(actor=owner, credential=credential, teams=[red], users=[charlie])
    assert caught.value.message_dict == {
        "teams": ["Choose teams of this organization."],
        "users": ["Choose members of this organization."],
    }


def test_columns_that_are_not_options_are_out_of_reach(
    owner: Actor, credential: ProviderCredential, globex: Organization
) -> None:
    with nothing_changes(), pytest.raises(TypeError, match="organization"):
        credential_update(actor=owner, credential=credential, organization=globex)  # type: ignore[call-arg]


def test_a_rotation_replaces_the_secret_and_forgets_the_old_one(
    owner: Actor, acme: Organization, credential: ProviderCredential, last_event: LastEvent
) -> None:
    acme.refresh_from_db()
    version = acme.snapshot_version
    credential_rotate(actor=owner, credential=credential, secret=f"{OTHER_SECRET}\n")
    acme.refresh_from_db()
    new, old = SecretVersion.objects.order_by("-version")
    assert secret_of(credential) == Secret(OTHER_SECRET)
    assert (new.version, new.retired_at, new.last_four) == (2, None, "wxyz")
    assert (old.version, bytes(old.ciphertext), old.last_four) == (1, b"", "abcd")
    assert old.retired_at is not None
    assert acme.snapshot_version == version + 1
    event = last_event()
    assert (event.action, event.before, event.after) == (
        "credential.rotate",
        {"secret": "version 1, ends in abcd"},
        {"secret": "version 2, ends in wxyz"},
    )


@pytest.mark.parametrize("secret", ["", "  ", SECRET, f"{SECRET} ", "sk with spaces"])
def test_a_rotation_to_nothing_to_the_same_or_to_nonsense_is_refused(
    owner: Actor, credential: ProviderCredential, secret: str
) -> None:
    with nothing_changes(), pytest.raises(ValidationError) as caught:
        credential_rotate(actor=owner, credential=credential, secret=secret)
    assert fields_of(caught) == {"secret"}
    assert SECRET not in str(caught.value)


def test_a_rotation_gives_a_first_secret_where_there_was_none(owner: Actor, acme: Organization) -> None:
    credential = credential_create(actor=owner, organization=acme, provider="sandbox", name="s")
    credential_rotate(actor=owner, credential=credential, secret=SECRET)
    assert secret_of(credential) == Secret(SECRET)


def test_a_rotation_under_a_lost_key_ring_says_what_to_do(
    owner: Actor, credential: ProviderCredential, settings: Any
) -> None:
    settings.AXIOM_KEYS = NEW_KEY
    with nothing_changes(), pytest.raises(ValidationError, match="Put that key back"):
        credential_rotate(actor=owner, credential=credential, secret=OTHER_SECRET)


def test_switching_many_touches_those_that_differ(
    owner: Actor, acme: Organization, credential: ProviderCredential
) -> None:
    others = [
        credential_create(
            actor=owner, organization=acme, provider="sandbox", name=f"s{number}", enabled=number == 0
        )
        for number in range(2)
    ]
    events = AuditEvent.objects.count()
    assert credential_set_enabled(actor=owner, credentials=[credential, *others], enabled=False) == 2
    assert not ProviderCredential.objects.filter(enabled=True).exists()
    assert AuditEvent.objects.count() == events + 2
    latest = AuditEvent.objects.latest("id")
    assert (latest.action, latest.before, latest.after) == (
        "credential.disable",
        {"enabled": True},
        {"enabled": False},
    )
    with nothing_changes():
        assert credential_set_enabled(actor=owner, credentials=[credential, *others], enabled=False) == 0
        assert credential_set_enabled(actor=owner, credentials=[], enabled=True) == 0


def test_switching_many_is_all_or_none(
    owner: Actor, stranger: Actor, globex: Organization, credential: ProviderCredential
) -> None:
    theirs = credential_create(actor=stranger, organization=globex, provider="sandbox", name="s")
    with nothing_changes(), pytest.raises(PermissionDenied):
        credential_set_enabled(actor=owner, credentials=[credential, theirs], enabled=False)


def test_switching_off_is_always_possible(
    owner: Actor, credential: ProviderCredential, settings: Any
) -> None:
    ProviderCredential.objects.filter(pk=credential.pk).update(name="", provider="gone")
    assert credential_set_enabled(actor=owner, credentials=[credential], enabled=False) == 1


def test_deleting_takes_every_version_along(
    owner: Actor, acme: Organization, credential: ProviderCredential, last_event: LastEvent
) -> None:
    credential_rotate(actor=owner, credential=credential, secret=OTHER_SECRET)
    acme.refresh_from_db()
    version, credential_id = acme.snapshot_version, str(credential.pk)
    credential_delete(actor=owner, credential=credential)
    acme.refresh_from_db()
    assert not ProviderCredential.objects.exists()
    assert not SecretVersion.objects.exists()
    assert acme.snapshot_version == version + 1
    event = last_event()
    assert (event.action, event.target_id, event.target_label) == (
        "credential.delete",
        credential_id,
        "primary",
    )
    assert event.before == {"provider": "openai", "base_url": "", "secret": "version 2, ends in wxyz"}


def test_a_secret_is_recognized_without_opening_it(
    owner: Actor, acme: Organization, credential: ProviderCredential, settings: Any
) -> None:
    bare = credential_create(actor=owner, organization=acme, provider="sandbox", name="s")
    assert holds_secret(credential, SECRET) is True
    assert holds_secret(credential, f"{SECRET}\n") is True
    assert holds_secret(credential, OTHER_SECRET) is False
    assert holds_secret(bare, SECRET) is False
    settings.AXIOM_KEYS = NEW_KEY
    with pytest.raises(VaultError):
        holds_secret(credential, SECRET)
