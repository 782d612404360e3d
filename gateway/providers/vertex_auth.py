"""How a Vertex AI credential becomes a Bearer token: by a signed assertion, the metadata server, or a file.

Wire facts: google-auth 2.62.2 (service_account, _client, compute_engine), RFC 7523, and
developers.google.com/identity/protocols/oauth2/service-account. Signing is RS256 with PKCS #1 v1.5, which
draws no random numbers; the time is an argument.
"""

import base64
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from axiom.lib.redaction import redact
from credentials.service_accounts import (
    InvalidServiceAccount,
    ServiceAccount,
    is_token_uri_allowed,
    load_key,
    read_service_account,
)
from gateway.errors import MESSAGE_LIMIT, Failure, FailureClass, ProviderFailure
from gateway.types import Token, TokenSource, WireRequest

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_SECONDS = 3600  # the longest that Google takes
METADATA_URL = "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token"
# The token cache renews 300 s before the end: a file is read again after a minute.
FILE_TOKEN_SECONDS = 360.0
_CLOCK_SKEW = ("short-lived token", "reasonable timeframe")
_VISIBLE_ASCII = range(0x21, 0x7F)


def service_account_source(secret: str, token_hosts: Collection[str]) -> TokenSource:
    """Return the source for a key file.

    One that cannot be used gives a source whose requests fail with class auth: a snapshot is always built.
    """
    try:
        account = read_service_account(secret)
        if not is_token_uri_allowed(account.token_uri, token_hosts):
            raise InvalidServiceAccount("The operator doesn't allow the service-account key's token_uri.")
    except InvalidServiceAccount as problem:
        return broken_source(str(problem))
    return TokenSource(
        parse=parse_token, build=partial(build_assertion_request, account), key=_digest(secret)
    )


def broken_source(message: str) -> TokenSource:
    """Return a source that gives no tokens, but this message."""

    def build(now: float) -> WireRequest:
        del now
        raise ProviderFailure(Failure(FailureClass.AUTH, message))

    return TokenSource(parse=parse_token, build=build)


def metadata_source() -> TokenSource:
    """Return the source for the machine's own account, for gateways that run at Google."""
    return TokenSource(parse=parse_token, build=_build_metadata_request, key=METADATA_URL)


def file_source(path: str) -> TokenSource:
    """Return the source for a token that something else writes into a file."""
    return TokenSource(parse=parse_file, path=path, key=path)


def build_assertion_request(account: ServiceAccount, now: float) -> WireRequest:
    """Return the request that exchanges a signed assertion for a token. `now`: seconds since the epoch.

    Raises ProviderFailure (auth) when the private key cannot be used.
    """
    issued = int(now)
    header = {"alg": "RS256", "typ": "JWT", "kid": account.key_id}
    claims = {
        "iss": account.client_email,
        "scope": SCOPE,
        "aud": account.token_uri,
        "iat": issued,
        "exp": issued + ASSERTION_SECONDS,
    }
    signed = b".".join(_base64url(msgspec.json.encode(part)) for part in (header, claims))
    try:
        key = load_key(account, checked=True)
    except InvalidServiceAccount as problem:
        raise ProviderFailure(Failure(FailureClass.AUTH, str(problem))) from None
    signature = _base64url(key.sign(signed, PKCS1v15(), SHA256()))
    form = urlencode({"grant_type": GRANT, "assertion": (signed + b"." + signature).decode()})
    headers = (("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json"))
    return WireRequest(account.token_uri, headers, form.encode())


def _build_metadata_request(now: float) -> WireRequest:
    del now
    return WireRequest(METADATA_URL, (("metadata-flavor", "Google"),), b"", method="GET")


def parse_token(status: int, body: bytes, now: float) -> Token:
    """Read the answer of a token endpoint. Raises ProviderFailure."""
    document = _decode(body)
    if not 200 <= status < 300:
        raise ProviderFailure(_refusal(status, document))
    token, seconds = _access_token(document), _seconds(document.get("expires_in"))
    if not token or seconds is None:
        raise ProviderFailure(
            Failure(FailureClass.SERVER_ERROR, "The token endpoint's answer cannot be read.")
        )
    return Token(token, now + seconds)


def parse_file(status: int, body: bytes, now: float) -> Token:
    """Read a token file: the bare token, or JSON with `access_token` and maybe `expiry`.

    It is read again after a minute, whatever it says. Raises ProviderFailure (auth).
    """
    del status
    document = _decode(body)
    token = _access_token(document) if document else _printable(body.decode("ascii", "replace").strip())
    if not token:
        raise ProviderFailure(Failure(FailureClass.AUTH, "The credential's token file holds no token."))
    expiry = _moment(document.get("expiry"))
    if expiry is not None and expiry <= now:
        raise ProviderFailure(Failure(FailureClass.AUTH, "The token in the credential's file has expired."))
    end = now + FILE_TOKEN_SECONDS
    return Token(token, end if expiry is None else min(end, expiry))


def put_token(wire: WireRequest, token: Token | None, now: float) -> WireRequest:
    """Return the request with the token in its authorization header."""
    del now
    assert token is not None
    headers = (*wire.headers, ("authorization", f"Bearer {token.value}"))
    return msgspec.structs.replace(wire, headers=headers)


def _refusal(status: int, document: Mapping[str, Any]) -> Failure:
    error, description = document.get("error"), document.get("error_description")
    error = error if isinstance(error, str) else ""
    description = description if isinstance(description, str) else ""
    kind = _class_of(status, description.lower())
    said = ": ".join(filter(None, (error, description))) or f"HTTP {status}"
    return Failure(kind, redact(f"No access token for this credential: {said}")[:MESSAGE_LIMIT])


def _class_of(status: int, description: str) -> FailureClass:
    if status >= 500 or status == 408 or any(text in description for text in _CLOCK_SKEW):
        return FailureClass.SERVER_ERROR
    return FailureClass.RATE_LIMIT if status == 429 else FailureClass.AUTH


def _decode(body: bytes) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _access_token(document: Mapping[str, Any]) -> str:
    found = document.get("access_token")
    return _printable(found) if isinstance(found, str) else ""


def _printable(text: str) -> str:
    """Return a text that may be in a header, else nothing."""
    return text if all(ord(character) in _VISIBLE_ASCII for character in text) else ""


def _seconds(value: Any) -> float | None:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    return float(value) if type(value) is int and 0 < value <= 86400 else None


def _moment(text: Any) -> float | None:
    """Return an ISO date with a zone as seconds since the epoch."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment.timestamp() if moment.tzinfo is not None else None


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
