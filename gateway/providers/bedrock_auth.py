"""How requests to Amazon Bedrock are authorized: an API key, access keys, or an assumed role.

An API key goes into a header. Access keys sign every request, its exact bytes and URL; temporary ones come
with a session token. A role is assumed with access keys at STS, whose temporary keys then sign.
Source: docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html and STS API reference, AssumeRole.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from gateway.errors import MESSAGE_LIMIT, Failure, FailureClass, ProviderFailure
from gateway.providers.bedrock_errors import decode_or_none, is_refusal_of_keys, presentable
from gateway.providers.sigv4 import Keys, Scope, sign
from gateway.types import CredentialSettings, Token, TokenSource, WireRequest

SERVICE = "bedrock"  # in signatures, although the host says bedrock-runtime
_SESSION_NAME = "axiom-llm-gateway"
_SESSION_SECONDS = 3600  # what every role allows
_FORM = (
    ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
    ("accept", "application/json"),  # STS answers XML otherwise
)
_STS_KINDS: Mapping[str, FailureClass] = {"Throttling": FailureClass.RATE_LIMIT}
_XML_MEMBER = re.compile(r"<(AccessKeyId|SecretAccessKey|SessionToken|Expiration|Code|Message)>([^<]*)</")
_HTTP_OK = 200


def read_keys(settings: CredentialSettings) -> Keys:
    """Return the credential's own keys; its secret is the secret access key, maybe with `:SESSION_TOKEN`."""
    secret, _, session_token = (settings.secret.reveal() if settings.secret else "").partition(":")
    return Keys(str(settings.config.get("access_key_id") or ""), secret, session_token)


def sign_with_own_keys(
    keys: Keys, scope: Scope, wire: WireRequest, token: Token | None, now: float
) -> WireRequest:
    """Sign a request with the credential's own keys. `now`: seconds since the epoch."""
    del token  # there is none
    return sign(wire, keys, scope, now)


def sign_with_role(scope: Scope, wire: WireRequest, token: Token | None, now: float) -> WireRequest:
    """Sign a request with the assumed role's keys. `now`: seconds since the epoch."""
    assert token is not None
    return sign(wire, token.value, scope, now)


def role_source(settings: CredentialSettings, region: str, domain: str) -> TokenSource:
    """Return how the credential's role is assumed, at the region's STS unless the credential names another.

    `domain` is AWS' own, which differs in China.
    """
    config, keys = settings.config, read_keys(settings)
    url = str(config.get("sts_url") or f"https://sts.{region}.{domain}").rstrip("/") + "/"
    form = {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": str(config.get("role_arn") or ""),
        "RoleSessionName": _SESSION_NAME,
        "DurationSeconds": str(_SESSION_SECONDS),
    }
    if external_id := config.get("external_id"):
        form["ExternalId"] = str(external_id)
    wire = WireRequest(url, _FORM, urlencode(form).encode())
    scope = Scope(region, "sts")
    named = "\n".join((url, wire.body.decode(), region, keys.access_key_id, keys.secret_access_key))
    return TokenSource(
        parse=_parse_role,
        build=lambda now: sign(wire, keys, scope, now),
        is_refusal=is_refusal_of_keys,
        key=sha256(f"{named}\n{keys.session_token}".encode()).hexdigest(),
    )


def _parse_role(status: int, body: bytes, now: float) -> Token:
    """Read STS' answer. Raises ProviderFailure."""
    del now  # STS says when the keys expire, not how long they last
    if status != _HTTP_OK:
        raise ProviderFailure(_sts_failure(status, body))
    found = _members(body, "AssumeRoleResponse", "AssumeRoleResult", "Credentials")
    texts = [found.get(name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
    expires_at = _moment(found.get("Expiration"))
    if expires_at is None or not all(isinstance(text, str) and text for text in texts):
        raise ProviderFailure(
            Failure(FailureClass.SERVER_ERROR, "The answer of AWS STS could not be read.", status)
        )
    return Token(Keys(*map(str, texts)), expires_at)


def _sts_failure(status: int, body: bytes) -> Failure:
    """Class an error of STS: whatever is wrong with the keys or the role is the credential's fault."""
    found = _members(body, "Error")
    code, message = found.get("Code"), found.get("Message")
    text = presentable(message if isinstance(message, str) else "", status)
    kind = _STS_KINDS.get(code) if isinstance(code, str) else None
    if kind is None:
        kind = FailureClass.AUTH if 400 <= status < 500 else FailureClass.SERVER_ERROR
    return Failure(kind, f"The role could not be assumed. {text}"[:MESSAGE_LIMIT], status)


def _members(body: bytes, *path: str) -> Mapping[str, Any]:
    """Return an object of STS' answer by its path, empty when it isn't there.

    Stand-ins for STS answer XML whatever is asked for; there the members' names are enough.
    """
    if body.lstrip().startswith(b"<"):
        return dict(_XML_MEMBER.findall(body.decode(errors="replace")))
    found = decode_or_none(body)
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _moment(value: Any) -> float | None:
    """Return seconds since the epoch: JSON has a number, XML a time in ISO 8601."""
    if type(value) in (int, float):
        return float(value)
    try:
        return datetime.fromisoformat(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
