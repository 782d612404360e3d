"""Errors of Google's generative APIs (Gemini and Vertex AI), mapped to failure classes.

Shape: `{"error": {code, message, status, details}}`, sometimes inside a one-element array. The class follows
from the HTTP status and the structured details. Prose is read where Google puts the matter nowhere else: a
bad key and a too long context, both INVALID_ARGUMENT, and spent credits.
Wire facts: google-genai 3.4.0 (errors), google.rpc ErrorInfo, QuotaFailure and RetryInfo.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from axiom.lib.redaction import redact
from gateway.errors import MESSAGE_LIMIT, Failure, FailureClass
from gateway.providers.retry_after import LONGEST, retry_after

Kind = FailureClass

_BY_STATUS: Mapping[int, Kind] = {
    401: Kind.AUTH,
    403: Kind.PERMISSION,
    404: Kind.NOT_FOUND,
    408: Kind.TIMEOUT,
    413: Kind.TOO_LARGE,
    429: Kind.RATE_LIMIT,
    499: Kind.SERVER_ERROR,  # cancelled at their side
    503: Kind.OVERLOADED,
    504: Kind.TIMEOUT,
    529: Kind.OVERLOADED,
}
# google.rpc.Code, for errors inside a 200 that name no HTTP status.
_STATUS_OF: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "RESOURCE_EXHAUSTED": 429, "CANCELLED": 499,
    "INTERNAL": 500, "UNKNOWN": 500, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504,
}  # fmt: skip
# ErrorInfo.reason: outranks the status.
_BY_REASON: Mapping[str, Kind] = {
    "API_KEY_INVALID": Kind.AUTH,
    "BILLING_DISABLED": Kind.BILLING,
    "SERVICE_DISABLED": Kind.PERMISSION,
}
_BY_TEXT: tuple[tuple[int, re.Pattern[str], Kind], ...] = (
    (400, re.compile(r"API key (?:not valid|expired|not found)", re.IGNORECASE), Kind.AUTH),
    (
        400,
        re.compile(
            r"input token count|exceeds the maximum number of tokens|model only supports up to \d+",
            re.IGNORECASE,
        ),
        Kind.CONTEXT_LENGTH,
    ),
    (429, re.compile(r"prepayment credits|spending cap", re.IGNORECASE), Kind.BILLING),
)
_PER_DAY = "perday"  # in QuotaFailure's quotaId
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s")
_STATUSES = range(400, 600)


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Class an HTTP error. Header names are lower-cased; never raises."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    return _failure(status, headers, _error_in(document))


def failure_in_answer(document: Any) -> Failure:
    """Class an error that came inside a 200: a whole body or one event of a stream; never raises."""
    error = _error_in(document)
    code, name = error.get("code"), error.get("status")
    if not (isinstance(code, int) and code in _STATUSES):
        code = _STATUS_OF.get(name, 0) if isinstance(name, str) else 0
    return _failure(code, {}, error)


def _error_in(document: Any) -> Mapping[str, Any]:
    if isinstance(document, list) and document:
        document = document[0]
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _failure(status: int, headers: Mapping[str, str], error: Mapping[str, Any]) -> Failure:
    message = error.get("message")
    text = message if isinstance(message, str) else ""
    details = list(_details(error))
    wait = retry_after(headers)
    return Failure(
        _classify(status, error, details, text),
        _presentable(text, status),
        upstream_status=status or None,
        retry_after=_retry_delay(details) if wait is None else wait,
    )


def _classify(status: int, error: Mapping[str, Any], details: list[Mapping[str, Any]], text: str) -> Kind:
    for detail in details:
        reason = detail.get("reason")
        if isinstance(reason, str) and (kind := _BY_REASON.get(reason)):
            return kind
    if status == 400 and error.get("status") == "FAILED_PRECONDITION":
        return (
            Kind.PERMISSION
        )  # region, billing or a model that isn't enabled: of the account, not the request
    if status == 429 and any(_PER_DAY in quota.lower() for quota in _quota_ids(details)):
        return Kind.BILLING
    for only, pattern, kind in _BY_TEXT:
        if status == only and pattern.search(text):
            return kind
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return Kind.INVALID_REQUEST if 400 <= status < 500 else Kind.SERVER_ERROR


def _details(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    found = error.get("details")
    for detail in found if isinstance(found, list) else ():
        if isinstance(detail, dict):
            yield detail


def _quota_ids(details: list[Mapping[str, Any]]) -> Iterator[str]:
    for detail in details:
        violations = detail.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict) and isinstance(violation.get("quotaId"), str):
                yield violation["quotaId"]


def _retry_delay(details: list[Mapping[str, Any]]) -> float | None:
    """Return the seconds of google.rpc.RetryInfo, such as "34.07s"."""
    for detail in details:
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and (match := _DELAY.fullmatch(delay)):
            return min(float(match[1]), LONGEST)
    return None


def _presentable(text: str, status: int) -> str:
    """Return what a caller may see: nothing that looks like a secret, and not too long."""
    if not text:
        return f"The provider returned HTTP {status}." if status else "The provider reported an error."
    return redact(text)[:MESSAGE_LIMIT]
