from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from audit.models import AuditEvent
from axiom.lib.redaction import Secret
from credentials.models import OrganizationKey, ProviderCredential, SecretVersion
from credentials.services import (
    credential_create,
    credential_delete,
    credential_rotate,
    credential_set_enabled,
    credential_update,
)
from tenants.actors import Actor
from tenants.models import Organization, Team, User
from tests.credentials.conftest import OTHER_SECRET, SECRET, LastEvent, fields_of, secret_of
from tests.unchanged import nothing_changes

pytestmark = pytest.mark.django_db


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
