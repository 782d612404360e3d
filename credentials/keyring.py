"""The operator's key ring, as written in AXIOM_KEYS: `id:base64key,older:base64key`, newest first."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

KEY_BYTES = 32
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,32}")
EXAMPLE = "AXIOM_KEYS is a list of id:key, newest first; a key is 32 random bytes in base64."


class InvalidKeyRing(ValueError):
    """AXIOM_KEYS cannot be used; the message says which entry and why, without the key."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The wrapping keys by id; `newest` is the id of the one that new data keys are wrapped with."""

    newest: str
    keys: Mapping[str, bytes] = field(repr=False)


def parse_key_ring(text: str) -> KeyRing:
    """Read the setting. Raises InvalidKeyRing."""
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    if not entries:
        raise InvalidKeyRing(f"AXIOM_KEYS is not set. {EXAMPLE}")
    keys: dict[str, bytes] = {}
    for position, entry in enumerate(entries, start=1):
        key_id, separator, encoded = entry.partition(":")
        if not separator or not _KEY_ID.fullmatch(key_id):
            raise InvalidKeyRing(f"Entry {position} of AXIOM_KEYS has no id before a colon. {EXAMPLE}")
        if key_id in keys:
            raise InvalidKeyRing(f"AXIOM_KEYS has two keys with the id {key_id}.")
        keys[key_id] = _decode(key_id, encoded)
    return KeyRing(newest=next(iter(keys)), keys=keys)


def _decode(key_id: str, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidKeyRing(f"The key {key_id} of AXIOM_KEYS is not base64. {EXAMPLE}") from None
    if len(key) != KEY_BYTES:
        raise InvalidKeyRing(f"The key {key_id} of AXIOM_KEYS is not {KEY_BYTES} bytes long. {EXAMPLE}")
    return key
