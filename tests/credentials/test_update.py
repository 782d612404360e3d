from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from axiom.lib.redaction import Secret
from credentials.models import ProviderCredential, SecretVersion
from credentials.services import (
    credential_create,
    credential_update,
)
from tenants.actors import Actor
from tenants.models import Organization, Team, User
from tests.credentials.conftest import OTHER_SECRET, SECRET, LastEvent, fields_of, secret_of
from tests.unchanged import nothing_changes

pytestmark = pytest.mark.django_db


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
