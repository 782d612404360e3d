"""Who is calling: the first credential header that is present, looked up in the snapshot by digest."""

from collections.abc import Mapping
from hashlib import sha256

from gateway.errors import Forbidden, Unauthenticated
from gateway.types import Caller

_BEARER = b"bearer "


def authenticate(headers: Mapping[bytes, bytes], callers: Mapping[bytes, Caller], now: float) -> Caller:
    """Return the caller of a request; `now` is in seconds since the epoch.

    Raises Unauthenticated for a missing, unknown, revoked or expired token.
    """
    token = find_token(headers)
    if token is None:
        raise Unauthenticated(
            "You didn't provide an access token. Send it as 'Authorization: Bearer axm_...'."
        )
    caller = callers.get(sha256(token).digest())
    if caller is None:
        raise Unauthenticated("The access token is unknown, revoked or belongs to an inactive organization.")
    if caller.expires_at is not None and now >= caller.expires_at:
        raise Unauthenticated("The access token has expired.")
    return caller


def find_token(headers: Mapping[bytes, bytes]) -> bytes | None:
    """Return the token of the first header that is present.

    Our own header wins: coding agents also send their vendor's login in Authorization.
    """
    if token := headers.get(b"x-axiom-api-key"):
        return token.strip()
    if authorization := headers.get(b"authorization"):
        is_bearer = authorization[:7].lower() == _BEARER
        return authorization[7:].strip() if is_bearer else b""
    for name in (b"x-api-key", b"x-goog-api-key", b"api-key"):
        if token := headers.get(name):
            return token.strip()
    return None


def require_scope(caller: Caller, scope: str) -> None:
    """Raise Forbidden unless the token carries the scope."""
    if scope not in caller.scopes:
        raise Forbidden(f"This access token lacks the scope '{scope}'.")
