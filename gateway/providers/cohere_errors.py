"""Cohere's error answers, mapped to failure classes by table.

The body has no codes, only `message` (older services: `detail` or `error`), so three classes are told from
the prose: a context that is too long, a blocked text, and a trial key whose month is used up.
Reference: docs.cohere.com/reference/errors.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from axiom.lib.redaction import redact
from gateway.errors import MESSAGE_LIMIT, Failure, FailureClass
from gateway.providers.retry_after import retry_after

Kind = FailureClass

_BY_STATUS: Mapping[int, Kind] = {
    401: Kind.AUTH,
    402: Kind.BILLING,
    403: Kind.PERMISSION,
    404: Kind.NOT_FOUND,
    408: Kind.TIMEOUT,
    413: Kind.TOO_LARGE,
    429: Kind.RATE_LIMIT,
    498: Kind.AUTH,  # InvalidToken
    499: Kind.SERVER_ERROR,  # cancelled at their side
    503: Kind.OVERLOADED,
    504: Kind.TIMEOUT,
}

_BY_TEXT: tuple[tuple[frozenset[int], re.Pattern[str], Kind], ...] = (
    (frozenset({400, 413, 422}), re.compile(r"too many tokens", re.IGNORECASE), Kind.CONTEXT_LENGTH),
    (frozenset({400, 422}), re.compile(r"\bblocked\b|\bsafety\b", re.IGNORECASE), Kind.CONTENT_FILTER),
    # Such a key is no use until the month is over or the account is upgraded.
    (frozenset({429}), re.compile(r"trial key.*\bmonth\b", re.IGNORECASE | re.DOTALL), Kind.BILLING),
)


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Class an HTTP error. Header names are lower-cased; never raises."""
    text = _message(_decode(body))
    return Failure(
        _classify(status, text),
        presentable(text) or f"The provider returned HTTP {status}.",
        upstream_status=status,
        retry_after=retry_after(headers),
    )


def presentable(text: str) -> str:
    """Return what a caller may see: nothing that looks like a secret, and not too long."""
    return redact(text)[:MESSAGE_LIMIT]


def _classify(status: int, text: str) -> Kind:
    for statuses, pattern, kind in _BY_TEXT:
        if status in statuses and pattern.search(text):
            return kind
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return Kind.INVALID_REQUEST if 400 <= status < 500 else Kind.SERVER_ERROR


def _decode(body: bytes) -> Any:
    """Return the JSON of an error body; None when it is something else, such as a proxy's HTML."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _message(document: Any) -> str:
    """Return the provider's text wherever it is, empty when there is none."""
    if not isinstance(document, dict):
        return ""
    error = document.get("error")
    nested = error.get("message") if isinstance(error, dict) else error
    candidates = (document.get("message"), document.get("detail"), nested)
    return next((found for found in candidates if isinstance(found, str) and found), "")
