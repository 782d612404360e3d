"""Errors of ElevenLabs, mapped to failure classes by table.

Shapes: `{"detail": {"status", "message", "code"}}`, FastAPI's `{"detail": [{"loc", "msg"}]}`, or a string.
The code outranks the status word, both outrank the HTTP status: a 401 may mean an empty quota.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from axiom.lib.redaction import redact
from gateway.errors import MESSAGE_LIMIT, Failure, FailureClass
from gateway.providers.retry_after import retry_after

Kind = FailureClass

_BY_WORD: Mapping[str, Kind] = {
    "invalid_api_key": Kind.AUTH,
    "missing_api_key": Kind.AUTH,
    "needs_authorization": Kind.AUTH,
    "quota_exceeded": Kind.BILLING,
    "payment_required": Kind.BILLING,
    "insufficient_credits": Kind.BILLING,
    "missing_permissions": Kind.PERMISSION,
    "detected_unusual_activity": Kind.PERMISSION,
    "only_for_creator+": Kind.PERMISSION,
    "subscription_required": Kind.PERMISSION,
    "voice_not_found": Kind.NOT_FOUND,
    "model_not_found": Kind.NOT_FOUND,
    "max_character_limit_exceeded": Kind.CONTEXT_LENGTH,
    "text_too_long": Kind.CONTEXT_LENGTH,
    "blocked_generation": Kind.CONTENT_FILTER,
    "too_many_concurrent_requests": Kind.RATE_LIMIT,
    "concurrent_limit_exceeded": Kind.RATE_LIMIT,
    "rate_limit_exceeded": Kind.RATE_LIMIT,
    "system_busy": Kind.OVERLOADED,
}
_BY_STATUS: Mapping[int, Kind] = {
    401: Kind.AUTH,
    402: Kind.BILLING,
    403: Kind.PERMISSION,
    404: Kind.NOT_FOUND,
    408: Kind.TIMEOUT,
    413: Kind.TOO_LARGE,
    429: Kind.RATE_LIMIT,
    503: Kind.OVERLOADED,
    504: Kind.TIMEOUT,
}


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Class an HTTP error. Header names are lower-cased; never raises."""
    detail = _detail(body)
    named = detail if isinstance(detail, dict) else {}
    text = redact(_message(detail))[:MESSAGE_LIMIT] or f"The provider returned HTTP {status}."
    return Failure(_classify(status, named), text, upstream_status=status, retry_after=retry_after(headers))


def explain(body: bytes) -> Failure:
    """Class a body that came with a 2xx in place of sound or of a transcript; never raises."""
    detail = _detail(body)
    named = detail if isinstance(detail, dict) else {}
    text = redact(_message(detail))[:MESSAGE_LIMIT]
    return Failure(_classify(0, named), text or "The provider's answer cannot be read.")


def _classify(status: int, detail: Mapping[str, Any]) -> Kind:
    for word in (detail.get("code"), detail.get("status")):
        if isinstance(word, str) and (kind := _BY_WORD.get(word.lower())):
            return kind
    return _BY_STATUS.get(status) or (Kind.INVALID_REQUEST if 400 <= status < 500 else Kind.SERVER_ERROR)


def _detail(body: bytes) -> Any:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return document.get("detail") if isinstance(document, dict) else None


def _message(detail: Any) -> str:
    if isinstance(detail, dict):
        detail = detail.get("message")
    if isinstance(detail, list):
        return "; ".join(filter(None, map(_located, detail)))
    return detail if isinstance(detail, str) else ""


def _located(problem: Any) -> str:
    """Return one of FastAPI's problems as `body.text: Field required`."""
    if not isinstance(problem, dict) or not isinstance(problem.get("msg"), str):
        return ""
    location = problem.get("loc")
    path = ".".join(str(part)[:100] for part in location) if isinstance(location, list) else ""
    return f"{path}: {problem['msg']}" if path else problem["msg"]
