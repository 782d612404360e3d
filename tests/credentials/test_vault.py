from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from axiom.lib.redaction import Secret
from credentials import vault
from credentials.models import OrganizationKey, ProviderCredential, SecretVersion
from credentials.services import credential_create, credential_rotate
from credentials.vault import VaultError, fingerprint_of, open_secret, seal_secret
from tenants.actors import Actor
from tenants.models import Organization
from tests.credentials.conftest import NEW_KEY, OLD_KEY, OTHER_SECRET, SECRET

pytestmark = pytest.mark.django_db


def active(credential: ProviderCredential) -> SecretVersion:
    version = ProviderCredential.objects.get(pk=credential.pk).active_secret
    assert version is not None
    return version


def reopened(credential: ProviderCredential) -> Secret | None:
    return open_secret(ProviderCredential.objects.get(pk=credential.pk))


def refusal(credential: ProviderCredential) -> str:
    with pytest.raises(VaultError, match=r"^Cannot decrypt") as caught:
        reopened(credential)
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def second(owner: Actor, acme: Organization) -> ProviderCredential:
    """Another credential of acme."""
    return credential_create(
        actor=owner, organization=acme, provider="openai", name="second", secret=OTHER_SECRET
    )


@pytest.fixture
def foreign(stranger: Actor, globex: Organization) -> ProviderCredential:
    """A credential of globex."""
    return credential_create(
        actor=stranger, organization=globex, provider="openai", name="theirs", secret=SECRET
    )


def test_what_was_sealed_opens(credential: ProviderCredential) -> None:
    opened = reopened(credential)
    assert opened == Secret(SECRET)
    assert SECRET not in f"{opened} {opened!r}"


def test_a_credential_without_a_secret_opens_to_none(owner: Actor, acme: Organization) -> None:
    bare = credential_create(actor=owner, organization=acme, provider="sandbox", name="sandbox")
    assert reopened(bare) is None
    assert not OrganizationKey.objects.exists()


def test_the_database_holds_no_byte_of_the_secret(credential: ProviderCredential) -> None:
    version = active(credential)
    sealed = bytes(version.ciphertext)
    assert SECRET.encode() not in sealed
    assert len(sealed) == 1 + 12 + len(SECRET) + 16
    assert sealed[:1] == b"\x01"


def test_sealing_twice_gives_different_bytes(credential: ProviderCredential) -> None:
    first, second = (seal_secret(credential, 5, SECRET) for _ in range(2))
    assert first.ciphertext != second.ciphertext
    assert first.fingerprint == second.fingerprint
    assert SECRET not in repr(first)
    assert first.ciphertext.hex() not in repr(first)


def test_every_flipped_byte_of_a_secret_is_noticed(credential: ProviderCredential) -> None:
    version = active(credential)
    whole = bytes(version.ciphertext)
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 0x01
        SecretVersion.objects.filter(pk=version.pk).update(ciphertext=bytes(changed))
        assert f"version 1 of credential {credential.pk}" in refusal(credential)


def test_every_flipped_byte_of_a_data_key_is_noticed(credential: ProviderCredential) -> None:
    row = OrganizationKey.objects.get()
    whole = bytes(row.wrapped_key)
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 0x80
        OrganizationKey.objects.filter(pk=row.pk).update(wrapped_key=bytes(changed))
        assert "doesn't open with the key test of AXIOM_KEYS" in refusal(credential)


@pytest.mark.parametrize("length", [0, 1, 5, 12, 13, 20])
def test_a_secret_that_was_cut_short_is_noticed(credential: ProviderCredential, length: int) -> None:
    version = active(credential)
    SecretVersion.objects.filter(pk=version.pk).update(ciphertext=bytes(version.ciphertext)[:length])
    assert "Enter the secret again." in refusal(credential)


def test_a_ciphertext_copied_to_another_credential_does_not_open(
    credential: ProviderCredential, second: ProviderCredential
) -> None:
    SecretVersion.objects.filter(credential=second).update(ciphertext=active(credential).ciphertext)
    assert "moved here from another row" in refusal(second)
    assert reopened(credential) == Secret(SECRET)


def test_a_version_row_moved_to_another_credential_does_not_open(
    credential: ProviderCredential, second: ProviderCredential
) -> None:
    SecretVersion.objects.filter(credential=second).delete()
    SecretVersion.objects.filter(credential=credential).update(credential=second)
    refusal(second)


def test_a_ciphertext_given_another_version_number_does_not_open(credential: ProviderCredential) -> None:
    SecretVersion.objects.filter(credential=credential).update(version=2)
    refusal(credential)


def test_a_ciphertext_copied_to_another_organization_does_not_open(
    credential: ProviderCredential, foreign: ProviderCredential
) -> None:
    SecretVersion.objects.filter(credential=foreign).update(ciphertext=active(credential).ciphertext)
    refusal(foreign)


def test_a_credential_moved_to_another_organization_does_not_open(
    credential: ProviderCredential, foreign: ProviderCredential, globex: Organization
) -> None:
    ProviderCredential.objects.filter(pk=credential.pk).update(organization=globex)
    refusal(credential)


def test_a_data_key_copied_to_another_organization_does_not_open(
    credential: ProviderCredential, foreign: ProviderCredential, acme: Organization, globex: Organization
) -> None:
    stolen = OrganizationKey.objects.get(organization=acme).wrapped_key
    OrganizationKey.objects.filter(organization=globex).update(wrapped_key=stolen)
    assert f"the data key of organization {globex.pk} doesn't open" in refusal(foreign)


def test_a_credential_moved_with_its_data_key_does_not_open(
    credential: ProviderCredential, acme: Organization, globex: Organization
) -> None:
    OrganizationKey.objects.filter(organization=acme).update(organization=globex)
    ProviderCredential.objects.filter(pk=credential.pk).update(organization=globex)
    refusal(credential)


def test_even_with_one_data_key_for_all_a_secret_stays_in_its_organization(
    credential: ProviderCredential, foreign: ProviderCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "_unwrap", lambda row: bytes(32))
    sealed = seal_secret(credential, 1, SECRET)
    SecretVersion.objects.filter(credential=credential).update(ciphertext=sealed.ciphertext)
    assert reopened(credential) == Secret(SECRET)
    ProviderCredential.objects.filter(pk=credential.pk).update(organization=foreign.organization)
    assert f"version 1 of credential {credential.pk}" in refusal(credential)


def test_each_organization_has_its_own_data_key_and_fingerprints(
    credential: ProviderCredential, foreign: ProviderCredential, acme: Organization, globex: Organization
) -> None:
    assert OrganizationKey.objects.count() == 2
    assert active(credential).fingerprint == fingerprint_of(acme.pk, SECRET)
    assert active(foreign).fingerprint == fingerprint_of(globex.pk, SECRET)
    assert active(credential).fingerprint != active(foreign).fingerprint


def test_a_fingerprint_is_16_hex_digits_that_tell_secrets_apart(
    credential: ProviderCredential, second: ProviderCredential
) -> None:
    fingerprint = active(credential).fingerprint
    assert len(fingerprint) == 16
    assert int(fingerprint, 16) >= 0
    assert fingerprint != active(second).fingerprint


@pytest.mark.parametrize(("secret", "shown"), [("abcd", ""), ("a" * 11, ""), ("0123456789ab", "89ab")])
def test_a_short_secret_shows_nothing_of_itself(
    credential: ProviderCredential, secret: str, shown: str
) -> None:
    assert seal_secret(credential, 2, secret).last_four == shown


def test_one_data_key_serves_all_secrets_of_an_organization(
    credential: ProviderCredential, second: ProviderCredential, owner: Actor
) -> None:
    credential_rotate(actor=owner, credential=credential, secret="sk-another-secret-0000")
    assert OrganizationKey.objects.count() == 1


def test_a_new_ring_key_in_front_keeps_old_secrets_open_and_wraps_new_data_keys(
    credential: ProviderCredential, stranger: Actor, globex: Organization, settings: Any
) -> None:
    settings.AXIOM_KEYS = f"{NEW_KEY},{OLD_KEY}"
    assert reopened(credential) == Secret(SECRET)
    newer = credential_create(actor=stranger, organization=globex, provider="openai", name="n", secret=SECRET)
    assert OrganizationKey.objects.get(organization=globex).wrapping_key_id == "newer"
    assert reopened(newer) == Secret(SECRET)
    settings.AXIOM_KEYS = NEW_KEY
    assert reopened(newer) == Secret(SECRET)


def test_a_ring_that_lacks_the_wrapping_key_says_which_to_put_back(
    credential: ProviderCredential, settings: Any
) -> None:
    settings.AXIOM_KEYS = NEW_KEY
    assert "wrapped by the key test, which AXIOM_KEYS lacks. Put that key back" in refusal(credential)


def test_a_ring_with_another_key_of_the_same_name_says_so(
    credential: ProviderCredential, settings: Any
) -> None:
    settings.AXIOM_KEYS = NEW_KEY.replace("newer:", "test:")
    assert "doesn't open with the key test of AXIOM_KEYS" in refusal(credential)


@pytest.mark.parametrize("ring", ["", "nonsense"])
def test_without_a_usable_ring_nothing_is_sealed(
    credential: ProviderCredential, settings: Any, ring: str
) -> None:
    settings.AXIOM_KEYS = ring
    with pytest.raises(VaultError, match="AXIOM_KEYS"):
        seal_secret(credential, 2, SECRET)


def test_a_lost_data_key_is_named(credential: ProviderCredential, acme: Organization) -> None:
    OrganizationKey.objects.all().delete()
    assert f"organization {acme.pk} has lost its data key" in refusal(credential)


def test_the_ring_is_used_once_per_data_key(
    credential: ProviderCredential, second: ProviderCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    reopened(credential)
    opened: list[bytes] = []
    plain_open = vault._open

    def counted(key: bytes, sealed: bytes, binding: bytes) -> bytes:
        opened.append(binding)
        return plain_open(key, sealed, binding)

    monkeypatch.setattr(vault, "_open", counted)
    reopened(credential)
    reopened(second)
    assert [binding for binding in opened if b"organizationkey" in binding] == []
    assert len(opened) == 2


def test_opening_takes_prefetched_versions(credential: ProviderCredential) -> None:
    (prefetched,) = ProviderCredential.objects.for_organization(credential.organization_id).prefetch_related(
        "secret_versions"
    )
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert open_secret(prefetched) == Secret(SECRET)
    assert len(queries) == 1
