"""Errors of Amazon Bedrock, as HTTP answers and as exceptions inside a stream, mapped to failure classes.

The class follows from the exception's name. Prose is read only where the name says too little: Bedrock has
one ValidationException for everything from an unknown model to a prompt that is too long.
Source: botocore's service model `bedrock-runtime`; wire facts of 23 Nov 2026.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from axiom.lib.redaction import redact
from gateway.errors import MESSAGE_LIMIT, Failure, FailureClass
from gateway.providers import anthropic_errors

Kind = FailureClass

# By the exception's name, lower-cased and without its ending: streams write throttlingException.
_BY_NAME: Mapping[str, Kind] = {
    "unrecognizedclient": Kind.AUTH,
    "invalidsignature": Kind.AUTH,
    "signaturedoesnotmatch": Kind.AUTH,
    "expiredtoken": Kind.AUTH,
    "missingauthenticationtoken": Kind.AUTH,
    "incompletesignature": Kind.AUTH,
    "invalidclienttokenid": Kind.AUTH,
    "accessdenied": Kind.PERMISSION,
    "resourcenotfound": Kind.NOT_FOUND,
    "unknownoperation": Kind.SERVER_ERROR,  # a path that we built wrongly
    "throttling": Kind.RATE_LIMIT,
    "servicequotaexceeded": Kind.RATE_LIMIT,
    "modelnotready": Kind.OVERLOADED,
    "serviceunavailable": Kind.OVERLOADED,
    "modeltimeout": Kind.TIMEOUT,
    "internalserver": Kind.SERVER_ERROR,
    "internalfailure": Kind.SERVER_ERROR,
    "validation": Kind.INVALID_REQUEST,
    "modelerror": Kind.SERVER_ERROR,
    "modelstreamerror": Kind.SERVER_ERROR,
}
_BY_STATUS: Mapping[int, Kind] = {
    401: Kind.AUTH,
    403: Kind.PERMISSION,
    404: Kind.NOT_FOUND,
    408: Kind.TIMEOUT,
    413: Kind.TOO_LARGE,
    424: Kind.SERVER_ERROR,
    429: Kind.RATE_LIMIT,
    503: Kind.OVERLOADED,
    504: Kind.TIMEOUT,
}
# A ModelErrorException names the status that the model's own server gave.
_BY_ORIGINAL_STATUS: Mapping[int, Kind] = {400: Kind.INVALID_REQUEST, 429: Kind.RATE_LIMIT}
_MODEL_ERRORS = frozenset({"modelerror", "modelstreamerror"})


def _matching(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


# First match wins. The empty name stands for answers without one.
_BY_TEXT: tuple[tuple[frozenset[str], re.Pattern[str], Kind], ...] = (
    (frozenset({""}), _matching("authentication failed|api key"), Kind.AUTH),
    (
        # Our clock is wrong, not the key.
        frozenset({"invalidsignature", "signaturedoesnotmatch"}),
        _matching("signature (not yet current|expired)"),
        Kind.SERVER_ERROR,
    ),
    (frozenset({"throttling"}), _matching("per day"), Kind.BILLING),
    (
        frozenset({"validation"}),
        _matching("model identifier is invalid|on-demand throughput"),
        Kind.NOT_FOUND,
    ),
    (
        frozenset({"validation", "modelerror", "modelstreamerror", ""}),
        _matching(r"too long|too many input tokens|exceeds the maximum|exceed context limit"),
        Kind.CONTEXT_LENGTH,
    ),
    (frozenset({"validation"}), _matching("content filtering policy"), Kind.CONTENT_FILTER),
)
_ACCOUNT = re.compile(r"(?<![\w:/-])\d{12}(?!\w)")  # those within an ARN go with it
_INNER = re.compile(r"^The model returned the following errors: (?=\{)", re.IGNORECASE)


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Class an HTTP error. Header names are lower-cased; never raises. Bedrock names no waits."""
    document = decode_or_none(body)
    fields = document if isinstance(document, dict) else {}
    name = headers.get("x-amzn-errortype") or fields.get("__type")
    return _failure(_short(name), fields, status)


def exception_failure(name: str, payload: bytes) -> Failure:
    """Class an exception message of a stream by its name; never raises."""
    document = decode_or_none(payload)
    return _failure(_short(name), document if isinstance(document, dict) else {}, 0)


def stream_error_failure(code: str, message: str) -> Failure:
    """Class an error message of a stream, which has no body: headers name and explain it; never raises."""
    return _failure(_short(code), {"message": message}, 0)


def is_refusal_of_keys(status: int, headers: Mapping[str, str]) -> bool:
    """Tell whether an answer says that temporary keys are no longer good. Bedrock does so with a 403."""
    return status == 401 or (
        status == 403 and _short(headers.get("x-amzn-errortype")) in {"expiredtoken", "unrecognizedclient"}
    )


def decode_or_none(body: bytes) -> Any:
    """Return the JSON of a body; None when it is something else, such as a proxy's HTML."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def presentable(text: str, status: int) -> str:
    """Return what a caller may see: nothing that looks like a secret, and not too long."""
    if not text:
        return f"The provider returned HTTP {status}." if status else "The provider reported an error."
    return redact(_ACCOUNT.sub("[redacted]", text))[:MESSAGE_LIMIT]


def _short(name: Any) -> str:
    """Return `throttling` for `ThrottlingException:http://...` and `com.amazon...#ThrottlingException`."""
    if not isinstance(name, str):
        return ""
    bare = name.partition(":")[0].rpartition("#")[2].strip().lower()
    return bare.removesuffix("exception")


def _failure(name: str, fields: Mapping[str, Any], status: int) -> Failure:
    text = next((value for key in ("message", "Message") if isinstance(value := fields.get(key), str)), "")
    kind = _classify(name, fields, status, text)
    if inner := _INNER.match(text):
        kind, text = _read_inner(text[inner.end() :], kind, text)
    return Failure(kind, presentable(text, status), upstream_status=status or None)


def _classify(name: str, fields: Mapping[str, Any], status: int, text: str) -> Kind:
    for names, pattern, kind in _BY_TEXT:
        if name in names and pattern.search(text):
            return kind
    if name in _MODEL_ERRORS:
        original = fields.get("originalStatusCode")
        return (
            _BY_ORIGINAL_STATUS.get(original, Kind.SERVER_ERROR)
            if type(original) is int
            else Kind.SERVER_ERROR
        )
    found = _BY_NAME.get(name) or _BY_STATUS.get(status)
    if found is not None:
        return found
    return Kind.INVALID_REQUEST if 400 <= status < 500 else Kind.SERVER_ERROR


def _read_inner(raw: str, kind: Kind, text: str) -> tuple[Kind, str]:
    """Return class and text of the error of Anthropic's API that Bedrock's message quotes."""
    document = decode_or_none(raw.encode("utf-8", "surrogatepass"))
    error = document.get("error") if isinstance(document, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return kind, text
    return anthropic_errors.failure_in_answer(document).kind, error["message"]
