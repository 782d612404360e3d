from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from audit.models import AuditEvent
from axiom.lib.redaction import Secret
from credentials.models import ProviderCredential, SecretVersion
from credentials.services import (
    VaultError,
    credential_create,
    credential_delete,
    credential_rotate,
    credential_set_enabled,
    holds_secret,
)
from tenants.actors import Actor
from tenants.models import Organization
from tests.credentials.conftest import NEW_KEY, OTHER_SECRET, SECRET, LastEvent, fields_of, secret_of
from tests.unchanged import nothing_changes

pytestmark = pytest.mark.django_db


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
