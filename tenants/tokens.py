"""Access tokens: how one is made, what is stored of it, and what it may be allowed to do.

A token reads `axm_<id>_<secret>`: 12 characters [a-z0-9] that name it, then 256 random bits as base64url.
Only the SHA-256 digest of the whole text is stored; with 256 random bits a slow hash would add nothing.
"""

import hashlib
import secrets
import string
from datetime import datetime
from typing import NamedTuple

from django.core.exceptions import ValidationError

from axiom.lib import clock

PREFIX = "axm_"
KEY_ID_LENGTH = 12
SECRET_BYTES = 32
SCOPES: tuple[str, ...] = (
    "chat.completions", "embeddings", "audio.speech", "audio.transcriptions", "models",
)  # fmt: skip
DEFAULT_SCOPES = SCOPES
MODEL_LENGTH = 200
_KEY_ID_ALPHABET = string.ascii_lowercase + string.digits


class IssuedToken(NamedTuple):
    """A new token. `plaintext` is shown to its owner once and kept nowhere."""

    key_id: str
    plaintext: str
    digest: str


def issue() -> IssuedToken:
    """Make a new token."""
    key_id = "".join(secrets.choice(_KEY_ID_ALPHABET) for _ in range(KEY_ID_LENGTH))
    plaintext = f"{PREFIX}{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
    return IssuedToken(key_id, plaintext, digest_of(plaintext))


def digest_of(plaintext: str) -> str:
    """Return what is stored of a token: the SHA-256 of its text, in hex."""
    return hashlib.sha256(plaintext.encode()).hexdigest()


def clean_scopes(scopes: object) -> list[str]:
    """Return the scopes in the vocabulary's order. Raises ValidationError."""
    wanted = _texts(scopes, "Give a list of scopes.")
    unknown = sorted(set(wanted) - set(SCOPES))
    if unknown:
        raise ValidationError(f"Unknown scope: {', '.join(unknown)}. There are: {', '.join(SCOPES)}.")
    if not wanted:
        raise ValidationError("A token needs at least one scope.")
    return [scope for scope in SCOPES if scope in wanted]


def clean_models(models: object) -> list[str]:
    """Return the model allow-list without repetitions. Raises ValidationError."""
    wanted = [text.strip() for text in _texts(models, "Give a list of model names.")]
    if not wanted:
        raise ValidationError("Name at least one model; * stands for any text.")
    if any(not text.isprintable() or not 0 < len(text) <= MODEL_LENGTH for text in wanted):
        raise ValidationError(f"A model name is 1 to {MODEL_LENGTH} printable characters.")
    return list(dict.fromkeys(wanted))


def clean_expiry(moment: object) -> datetime | None:
    """Return when the token ends, None for never. Raises ValidationError."""
    if moment is None:
        return None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValidationError("Give a date and time with its time zone.")
    if moment <= clock.now():
        raise ValidationError("This moment has passed.")
    return moment


def _texts(value: object, complaint: str) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(entry, str) for entry in value):
        raise ValidationError(complaint)
    return list(value)
