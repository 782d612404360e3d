"""Google service-account keys: the JSON file that the console gives out, read and judged. Pure.

Facts: google-auth's service_account module. Types other than service_account are refused: some of them name
commands to run and files to read.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105  (an address)
_TYPE = "service_account"
_REQUIRED = ("type", "project_id", "private_key_id", "private_key", "client_email", "token_uri")
# A key that isn't JSON is an API key for Vertex AI's express mode.
_API_KEY = re.compile(r"[A-Za-z0-9_.-]{8,200}")
_WHOLE_FILE = "Paste the whole JSON file of the service account's key, from { to }."


class InvalidServiceAccount(ValueError):
    """The text is no usable key; the message says what is wrong and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """What is needed of a key file to ask for tokens."""

    project_id: str
    client_email: str
    key_id: str
    private_key: str = field(repr=False)  # PEM
    token_uri: str = GOOGLE_TOKEN_URI


def is_key_file(secret: str) -> bool:
    """Tell whether a secret is meant to be a key file, and not an API key."""
    return secret.lstrip().startswith("{")


def read_service_account(text: str) -> ServiceAccount:
    """Read a key file; its private key isn't looked into. Raises InvalidServiceAccount."""
    try:
        found = msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError):
        raise InvalidServiceAccount(f"This isn't valid JSON. {_WHOLE_FILE}") from None
    kind = found.get("type")
    if kind is not None and kind != _TYPE:
        raise InvalidServiceAccount('Only keys of the type "service_account" can be used.')
    missing = [name for name in _REQUIRED if not (isinstance(found.get(name), str) and found[name])]
    if missing:
        raise InvalidServiceAccount(f"The service-account key lacks {', '.join(missing)}. {_WHOLE_FILE}")
    values = {name: str(found[name]) for name in _REQUIRED}
    return ServiceAccount(
        project_id=values["project_id"],
        client_email=values["client_email"],
        key_id=values["private_key_id"],
        private_key=values["private_key"],
        token_uri=values["token_uri"],
    )


def load_key(account: ServiceAccount, *, checked: bool) -> RSAPrivateKey:
    """Return the private key. Raises InvalidServiceAccount.

    `checked`: its arithmetic was verified when it was saved, which is the slow part and isn't done again.
    """
    try:
        key = load_pem_private_key(
            account.private_key.encode(), password=None, unsafe_skip_rsa_key_validation=checked
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise InvalidServiceAccount("The service-account key's private_key is not an RSA key in PEM format.")
    return key


def check_secret(secret: str) -> str | None:
    """Return what is wrong with a secret for Vertex AI: a key file, or an API key for express mode."""
    if not is_key_file(secret):
        return None if _API_KEY.fullmatch(secret) else f"This is no API key. {_WHOLE_FILE}"
    try:
        load_key(read_service_account(secret), checked=False)
    except InvalidServiceAccount as problem:
        return str(problem)
    return None


def token_uri_of(secret: str) -> str:
    """Return the address at which a key file is exchanged for tokens; empty for other secrets."""
    try:
        return read_service_account(secret).token_uri
    except InvalidServiceAccount:
        return ""


def is_token_uri_allowed(token_uri: str, hosts: Collection[str]) -> bool:
    """Tell whether a signed request may go to this address: Google's own, or on one of the operator's hosts.

    `hosts` are names as in an address, with the port where it has one. A key file may be made up by whoever
    enters it, so that its token_uri could name any machine.
    """
    if token_uri == GOOGLE_TOKEN_URI:
        return True
    try:
        parts = urlsplit(token_uri)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc.lower() in {host.lower() for host in hosts}
