"""AWS Signature Version 4, in headers. Pure: the time is an argument.

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. The path is signed
encoded twice: what is already an escape in the URL is escaped once more (all services but S3).
"""

import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from msgspec.structs import replace

from gateway.types import WireRequest

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SAFE_IN_PATH = "/~"


@dataclass(frozen=True, slots=True)
class Keys:
    """What requests are signed with; `session_token` comes with temporary keys."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


class Scope(NamedTuple):
    """What a signature is good for."""

    region: str
    service: str


def sign(wire: WireRequest, keys: Keys, scope: Scope, now: float) -> WireRequest:
    """Return the request with `x-amz-date`, `x-amz-security-token` and `authorization` headers.

    `now` is in seconds since the epoch. Signed are the method, the URL, the host, the content type and the
    body, each exactly as it will be sent.
    """
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    added = [("x-amz-date", stamp)]
    if keys.session_token:
        added.append(("x-amz-security-token", keys.session_token))
    authorization = _authorization(wire, keys, scope, added)
    return replace(wire, headers=(*wire.headers, *added, ("authorization", authorization)))


def _authorization(wire: WireRequest, keys: Keys, scope: Scope, added: list[tuple[str, str]]) -> str:
    stamp = added[0][1]
    request, signed = canonical_request(wire, added)
    date = stamp[:8]
    credential = f"{date}/{scope.region}/{scope.service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{credential}\n{sha256(request.encode()).hexdigest()}"
    key = f"AWS4{keys.secret_access_key}".encode()
    for part in (date, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return (
        f"AWS4-HMAC-SHA256 Credential={keys.access_key_id}/{credential}, "
        f"SignedHeaders={signed}, Signature={signature}"
    )


def canonical_request(wire: WireRequest, added: list[tuple[str, str]]) -> tuple[str, str]:
    """Return the text that is hashed and signed, and the names of its headers.

    `added` are the `x-amz-` headers. Others than host and content type aren't signed: a proxy may touch them.
    """
    parts = urlsplit(wire.url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if parts.port not in (None, _DEFAULT_PORTS.get(parts.scheme)):
        host = f"{host}:{parts.port}"
    headers = [("content-type", value) for name, value in wire.headers if name == "content-type"]
    headers += [("host", host), *added]
    signed = ";".join(name for name, _ in headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers)
    path = quote(parts.path or "/", safe=_SAFE_IN_PATH)
    query = "&".join(sorted(parts.query.split("&")))
    return (
        f"{wire.method}\n{path}\n{query}\n{lines}\n{signed}\n{sha256(wire.body).hexdigest()}",
        signed,
    )
