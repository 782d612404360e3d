"""Errors of Anthropic's Messages API, as HTTP answers and as events of a stream, mapped to failure classes.

The class follows from error.type and the status. Prose is read where the type says too little: spent credit,
a prompt that is too long and blocked output are all invalid_request_error.
Reference: platform.claude.com/docs/en/api/errors.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from axiom.lib.redaction import redact
from gateway.errors import MESSAGE_LIMIT, Failure, FailureClass
from gateway.providers.retry_after import retry_after, seconds_until

Kind = FailureClass

_BY_TYPE: Mapping[str, Kind] = {
    "authentication_error": Kind.AUTH,
    "permission_error": Kind.PERMISSION,
    "billing_error": Kind.BILLING,
    "not_found_error": Kind.NOT_FOUND,
    "request_too_large": Kind.TOO_LARGE,
    "rate_limit_error": Kind.RATE_LIMIT,
    "overloaded_error": Kind.OVERLOADED,
    "timeout_error": Kind.TIMEOUT,
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
    529: Kind.OVERLOADED,
}
_BY_TEXT: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"credit balance is too low|API usage limits", re.IGNORECASE), Kind.BILLING),
    (re.compile(r"prompt is too long|exceeds? (the )?context limit", re.IGNORECASE), Kind.CONTEXT_LENGTH),
    (re.compile(r"content filtering policy", re.IGNORECASE), Kind.CONTENT_FILTER),
)
_LIMITS = ("requests", "tokens", "input-tokens", "output-tokens")


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Class an HTTP error. Header names are lower-cased; never raises."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        document = None  # a proxy's HTML
    return _failure(status, headers, document)


def failure_in_answer(document: Any) -> Failure:
    """Class an error that came inside a 200: a whole body or one event of a stream; never raises."""
    return _failure(0, {}, document)


def _failure(status: int, headers: Mapping[str, str], document: Any) -> Failure:
    error = document.get("error") if isinstance(document, dict) else None
    error = error if isinstance(error, dict) else {}
    message = error.get("message")
    text = message if isinstance(message, str) else ""
    kind = _classify(status, error, text)
    wait = retry_after(headers)
    if wait is None and kind is Kind.RATE_LIMIT:
        wait = _reset(headers)
    fallback = f"provider returned HTTP {status}" if status else "The provider reported an error."
    return Failure(
        kind,
        redact(text)[:MESSAGE_LIMIT] or fallback,
        upstream_status=status or None,
        retry_after=wait,
    )


def _classify(status: int, error: Mapping[str, Any], text: str) -> Kind:
    if _names_spend_limit(error):
        return Kind.BILLING
    named = error.get("type")
    if isinstance(named, str) and named in _BY_TYPE:
        return _BY_TYPE[named]
    if status in {0, 400, 422} and named != "api_error":
        for pattern, kind in _BY_TEXT:
            if pattern.search(text):
                return kind
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500 or (not status and named == "invalid_request_error"):
        return Kind.INVALID_REQUEST
    return Kind.SERVER_ERROR


def _names_spend_limit(error: Mapping[str, Any]) -> bool:
    details = error.get("details")
    code = details.get("error_code") if isinstance(details, dict) else None
    return isinstance(code, str) and code.endswith("spend_limit_reached")


def _reset(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until the last of the limits that are used up resets, None when none is known."""
    prefix = "anthropic-ratelimit-"
    waits = [
        seconds_until(headers.get(f"{prefix}{limit}-reset", ""), headers)
        for limit in _LIMITS
        if headers.get(f"{prefix}{limit}-remaining") == "0"
    ]
    return max((wait for wait in waits if wait is not None), default=None)
