"""The only cryptography of the project: provider secrets, sealed with AES-256-GCM.

Envelope: each organization has a data key, wrapped by a key of the operator's ring (AXIOM_KEYS). A sealed
text is one format byte, a 12-byte random nonce, and the ciphertext with its tag. What it belongs to
(organization, table, row, version) is authenticated with it: moved elsewhere, it doesn't open.
"""

import hashlib
import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from axiom.lib.redaction import Secret
from credentials.keyring import KEY_BYTES, InvalidKeyRing, KeyRing, parse_key_ring
from credentials.models import OrganizationKey, ProviderCredential, SecretVersion

FORMAT = b"\x01"
NONCE_BYTES = 12
FINGERPRINT_LENGTH = 16
SHOWN_CHARACTERS = 4
SHORTEST_SHOWN = 12  # characters; of a shorter secret, four would give away too much
_FINGERPRINT_PURPOSE = b"axiom fingerprint v1"


class VaultError(Exception):
    """A secret cannot be sealed or opened; the message says what to do and holds no secret."""


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """What is stored of a secret."""

    ciphertext: bytes = field(repr=False)
    fingerprint: str
    last_four: str


def seal_secret(credential: ProviderCredential, version: int, secret: str) -> SealedSecret:
    """Seal a secret for one version of a saved credential. Raises VaultError."""
    key = _data_key_of(credential.organization_id)
    return SealedSecret(
        ciphertext=_seal(key, secret.encode(), _secret_binding(credential, version)),
        fingerprint=_fingerprint(key, secret),
        last_four=secret[-SHOWN_CHARACTERS:] if len(secret) >= SHORTEST_SHOWN else "",
    )


def open_secret(credential: ProviderCredential) -> Secret | None:
    """Return the credential's active secret, None if it has none. Raises VaultError.

    Takes `secret_versions` as prefetched, when they are.
    """
    active = _active(credential.secret_versions.all())
    if active is None:
        return None
    row = OrganizationKey.objects.filter(organization_id=credential.organization_id).first()
    if row is None:
        raise VaultError(
            f"Cannot decrypt: organization {credential.organization_id} has lost its data key. "
            "Restore it from a backup, or enter the secrets again."
        )
    try:
        text = _open(_unwrap(row), bytes(active.ciphertext), _secret_binding(credential, active.version))
    except InvalidTag:
        raise VaultError(
            f"Cannot decrypt version {active.version} of credential {credential.pk}: it was changed, or "
            "moved here from another row. Enter the secret again."
        ) from None
    return Secret(text.decode())


def fingerprint_of(organization_id: int, secret: str) -> str:
    """Return the fingerprint that this secret has in the organization. Raises VaultError."""
    return _fingerprint(_data_key_of(organization_id), secret)


def _active(versions: Iterable[SecretVersion]) -> SecretVersion | None:
    return next((version for version in versions if version.retired_at is None), None)


def _data_key_of(organization_id: int) -> bytes:
    """Return the organization's data key, made on first use."""
    ring = _parse(settings.AXIOM_KEYS)

    def wrap() -> bytes:
        return _seal(ring.keys[ring.newest], os.urandom(KEY_BYTES), _key_binding(organization_id))

    row, _ = OrganizationKey.objects.get_or_create(
        organization_id=organization_id, defaults={"wrapping_key_id": ring.newest, "wrapped_key": wrap}
    )
    return _unwrap(row)


def _unwrap(row: OrganizationKey) -> bytes:
    return _unwrapped(settings.AXIOM_KEYS, bytes(row.wrapped_key), row.wrapping_key_id, row.organization_id)


@lru_cache(maxsize=4096)
def _unwrapped(ring: str, wrapped: bytes, wrapping_key_id: str, organization_id: int) -> bytes:
    key = _parse(ring).keys.get(wrapping_key_id)
    if key is None:
        raise VaultError(
            f"Cannot decrypt: the data key of organization {organization_id} is wrapped by the key "
            f"{wrapping_key_id}, which AXIOM_KEYS lacks. Put that key back, behind the newest one."
        )
    try:
        return _open(key, wrapped, _key_binding(organization_id))
    except InvalidTag:
        raise VaultError(
            f"Cannot decrypt: the data key of organization {organization_id} doesn't open with the key "
            f"{wrapping_key_id} of AXIOM_KEYS. Give the key that it was made with, or restore the row."
        ) from None


def _parse(ring: str) -> KeyRing:
    try:
        return parse_key_ring(ring)
    except InvalidKeyRing as problem:
        raise VaultError(str(problem)) from problem


def _key_binding(organization_id: int) -> bytes:
    return f"axiom:{OrganizationKey._meta.db_table}:{organization_id}".encode()


def _secret_binding(credential: ProviderCredential, version: int) -> bytes:
    table = SecretVersion._meta.db_table
    return f"axiom:{credential.organization_id}:{table}:{credential.pk}:{version}".encode()


def _seal(key: bytes, plaintext: bytes, binding: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return FORMAT + nonce + AESGCM(key).encrypt(nonce, plaintext, binding)


def _open(key: bytes, sealed: bytes, binding: bytes) -> bytes:
    """Raises InvalidTag for whatever wasn't sealed with this key and binding."""
    if sealed[:1] != FORMAT:
        raise InvalidTag
    nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    if len(nonce) < NONCE_BYTES:
        raise InvalidTag
    return AESGCM(key).decrypt(nonce, ciphertext, binding)


def _fingerprint(data_key: bytes, secret: str) -> str:
    key = hmac.digest(data_key, _FINGERPRINT_PURPOSE, hashlib.sha256)
    return hmac.new(key, secret.encode(), hashlib.sha256).hexdigest()[:FINGERPRINT_LENGTH]
