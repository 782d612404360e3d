"""Error answers of OpenAI and of the providers that resemble it, mapped to failure classes by table.

The class follows from the status and the structured code. Prose is read only where a provider puts the
matter nowhere else: context windows at vLLM and TGI, a bad key at xAI (a 400), spent credits at xAI (a 403).
Shapes: OpenAI's envelope; flat (Mistral, Cerebras, old vLLM, FastAPI); `error` a string (Hugging Face, xAI).
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from axiom.lib.redaction import redact
from gateway.errors import MESSAGE_LIMIT, Failure, FailureClass
from gateway.providers.retry_after import limit_reset, retry_after

Kind = FailureClass

_BY_STATUS: Mapping[int, Kind] = {
    401: Kind.AUTH,
    402: Kind.BILLING,
    403: Kind.PERMISSION,
    404: Kind.NOT_FOUND,
    408: Kind.TIMEOUT,
    409: Kind.SERVER_ERROR,  # OpenAI's SDKs retry it
    413: Kind.TOO_LARGE,
    424: Kind.SERVER_ERROR,  # TGI: generation failed
    429: Kind.RATE_LIMIT,
    498: Kind.OVERLOADED,  # Groq: flex capacity exceeded
    499: Kind.SERVER_ERROR,  # Groq: cancelled at their side
    503: Kind.OVERLOADED,
    504: Kind.TIMEOUT,
}

# `code`, `type` or `error_type`, lower-cased; a code outranks the status.
_BY_CODE: Mapping[str, Kind] = {
    "context_length_exceeded": Kind.CONTEXT_LENGTH,
    "content_filter": Kind.CONTENT_FILTER,
    "content_policy_violation": Kind.CONTENT_FILTER,
    "responsibleaipolicyviolation": Kind.CONTENT_FILTER,
    "insufficient_quota": Kind.BILLING,
    "billing_hard_limit_reached": Kind.BILLING,
    "billing_error": Kind.BILLING,
    "rate_limit_exceeded": Kind.RATE_LIMIT,  # Groq's 413 for tokens per minute has it
    "ratelimitreached": Kind.RATE_LIMIT,
    "rate_limit_error": Kind.RATE_LIMIT,
    "too_many_requests": Kind.RATE_LIMIT,
    "too_many_requests_error": Kind.RATE_LIMIT,
    "invalid_api_key": Kind.AUTH,
    "authentication_error": Kind.AUTH,
    "permission_error": Kind.PERMISSION,
    "unsupported_country_region_territory": Kind.PERMISSION,
    "model_not_found": Kind.NOT_FOUND,
    "model_not_supported": Kind.NOT_FOUND,  # Hugging Face, a 400
    "deploymentnotfound": Kind.NOT_FOUND,
    "not_found_error": Kind.NOT_FOUND,
    "request_too_large": Kind.TOO_LARGE,
    "overloaded": Kind.OVERLOADED,  # TGI's error_type, a 429
    "overloaded_error": Kind.OVERLOADED,
    "server_is_overloaded": Kind.OVERLOADED,
    "slow_down": Kind.OVERLOADED,
    "queue_exceeded": Kind.OVERLOADED,
}

_BY_TEXT: tuple[tuple[frozenset[int], re.Pattern[str], Kind], ...] = (
    (
        frozenset({400, 413, 422}),
        re.compile(
            r"context (length|window)|maximum context|too many tokens|prompt is too long"
            r"|less than \d+ tokens|`inputs` tokens",
            re.IGNORECASE,
        ),
        Kind.CONTEXT_LENGTH,
    ),
    (frozenset({400}), re.compile(r"(incorrect|invalid) api key", re.IGNORECASE), Kind.AUTH),
    (frozenset({403}), re.compile(r"\bcredits?\b|spending limit|billing", re.IGNORECASE), Kind.BILLING),
)

# Classes for which the caller must change something: the provider's own code and param help with it.
_CALLERS = frozenset(
    {Kind.INVALID_REQUEST, Kind.CONTEXT_LENGTH, Kind.CONTENT_FILTER, Kind.NOT_FOUND, Kind.TOO_LARGE}
)
_OPENAI_CODES = frozenset(
    {
        "array_above_max_length", "array_below_min_length", "content_filter", "content_policy_violation",
        "context_length_exceeded", "decimal_above_max_value", "decimal_below_min_value", "empty_array",
        "empty_string", "integer_above_max_value", "integer_below_min_value", "invalid_function_parameters",
        "invalid_image", "invalid_image_format", "invalid_image_url", "invalid_json_schema", "invalid_type",
        "invalid_value", "missing_required_parameter", "model_not_found", "request_too_large",
        "string_above_max_length", "string_below_min_length", "unknown_parameter", "unsupported_parameter",
        "unsupported_value",
    }
)  # fmt: skip
_DETAILS = ("innererror",)  # Azure: which content filter it was
_KEY_ECHO = re.compile(r"(api key provided:\s*)\S+", re.IGNORECASE)
_ERROR_STATUSES = range(400, 600)


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Class an HTTP error. Header names are lower-cased; never raises."""
    return _failure(status, headers, _decode(body))


def failure_in_answer(document: Any) -> Failure:
    """Class an error that came inside a 200: a whole body or one event of a stream; never raises."""
    return _failure(_status_within(document), {}, document)


def _decode(body: bytes) -> Any:
    """Return the JSON of an error body; None when it is something else, such as a proxy's HTML."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _failure(status: int, headers: Mapping[str, str], document: Any) -> Failure:
    top = document if isinstance(document, dict) else {}
    nested = top.get("error")
    error = nested if isinstance(nested, dict) else top
    text = _message(document)
    kind = _classify(status, error, top, text)
    code, param = error.get("code"), error.get("param")
    for_caller = kind in _CALLERS
    return Failure(
        kind,
        _presentable(text, status),
        upstream_status=status or None,
        retry_after=_wait(kind, headers),
        code=code if for_caller and isinstance(code, str) and code in _OPENAI_CODES else None,
        param=redact(param)[:MESSAGE_LIMIT] if for_caller and isinstance(param, str) and param else None,
        details={name: error[name] for name in _DETAILS if isinstance(error.get(name), dict)},
    )


def _classify(status: int, error: Mapping[str, Any], top: Mapping[str, Any], text: str) -> Kind:
    metadata = error.get("metadata")
    if status == 403 and isinstance(metadata, dict) and "flagged_input" in metadata:
        return Kind.CONTENT_FILTER  # OpenRouter's moderation
    for candidate in (error.get("code"), error.get("type"), top.get("error_type"), top.get("code")):
        if isinstance(candidate, str) and (kind := _BY_CODE.get(candidate.lower())):
            return kind
    for statuses, pattern, kind in _BY_TEXT:
        if status in statuses and pattern.search(text):
            return kind
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if 400 <= status < 500 or (not status and error.get("type") == "invalid_request_error"):
        return Kind.INVALID_REQUEST
    return Kind.SERVER_ERROR


def _status_within(document: Any) -> int:
    """Return the status that an error inside a 200 names: OpenRouter by code, Cerebras by status_code."""
    top = document if isinstance(document, dict) else {}
    error = top.get("error")
    named = error.get("code") if isinstance(error, dict) else None
    for candidate in (named, top.get("status_code"), top.get("code")):
        if isinstance(candidate, int) and candidate in _ERROR_STATUSES:
            return candidate
    return 0


def _wait(kind: Kind, headers: Mapping[str, str]) -> float | None:
    wait = retry_after(headers)
    return limit_reset(headers) if wait is None and kind is Kind.RATE_LIMIT else wait


def _message(document: Any) -> str:
    """Return the provider's text wherever it is, empty when there is none."""
    if not isinstance(document, dict):
        return ""
    error = document.get("error")
    if isinstance(error, dict):
        return _with_upstream_text(error)
    groq = document.get("x_groq")
    candidates = (
        error,
        groq.get("error") if isinstance(groq, dict) else None,
        document.get("message"),
        document.get("detail"),
        *_first(document.get("errors")),
    )
    return next((found for candidate in candidates if (found := _text(candidate))), "")


def _with_upstream_text(error: Mapping[str, Any]) -> str:
    """Return error.message; OpenRouter puts what the provider behind it said into metadata.raw."""
    message, metadata = _text(error.get("message")), error.get("metadata")
    raw = _text(metadata.get("raw")) if isinstance(metadata, dict) else ""
    return f"{message}: {raw}" if raw and message else message or raw


def _text(value: Any) -> str:
    """Return a string as it is, FastAPI's list as `location: message`, any other object as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("detail"), list):
        value = value["detail"]
    if isinstance(value, list):
        return "; ".join(_located(item) for item in value)
    return _json(value) if isinstance(value, dict) and value else ""


def _located(item: Any) -> str:
    if not isinstance(item, dict) or not isinstance(item.get("msg"), str):
        return item if isinstance(item, str) else _json(item)
    location = item.get("loc")
    parts = location if isinstance(location, list) else []
    path = ".".join(part if isinstance(part, str) else _json(part) for part in parts)
    return f"{path}: {item['msg']}" if path else item["msg"]


def _json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        return ""


def _first(value: Any) -> list[Any]:
    return value[:1] if isinstance(value, list) else []


def _presentable(text: str, status: int) -> str:
    """Return what a caller may see: nothing that looks like a secret, and not too long."""
    if not text:
        return f"The provider returned HTTP {status}." if status else "The provider reported an error."
    return redact(_KEY_ECHO.sub(r"\1[redacted]", text))[:MESSAGE_LIMIT]
