"""Everything that can go wrong on the data path, and the one answer the caller gets for it.

    GatewayError                  has status, type, code, param: OpenAI's envelope
    ├── CallerError               the request never reaches a provider
    │   ├── InvalidRequest        400, names the field
    │   ├── Unauthenticated       401
    │   ├── Forbidden             403
    │   ├── ModelNotFound         404
    │   ├── UnknownEndpoint       404
    │   ├── MethodNotAllowed      405
    │   ├── BodyTooLarge          413
    │   └── UnsupportedMediaType  415
    ├── ProviderFailure           a provider failed; carries a Failure, whose class decides all
    └── Unavailable               503, the gateway itself cannot serve

The classes of provider failures and what each means to the caller, the attempt loop and credential health
are one table: FAILURES.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

MESSAGE_LIMIT = 1000  # characters of a provider's text that a caller sees


class FailureClass(StrEnum):
    """What happened at a provider, whatever it called it."""

    AUTH = "auth"
    PERMISSION = "permission"
    BILLING = "billing"
    NOT_FOUND = "not_found"
    UNSUPPORTED = "unsupported"
    INVALID_REQUEST = "invalid_request"
    CONTEXT_LENGTH = "context_length"
    TOO_LARGE = "too_large"
    CONTENT_FILTER = "content_filter"
    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class FailureRule:
    """What a failure class means: the caller's answer, and whether the next target may be tried."""

    status: int
    type: str
    code: str
    falls_back: bool = False
    credential_fault: bool = False


FAILURES: Mapping[FailureClass, FailureRule] = {
    FailureClass.AUTH: FailureRule(
        502, "upstream_error", "upstream_auth_failed", falls_back=True, credential_fault=True
    ),
    FailureClass.PERMISSION: FailureRule(
        502, "upstream_error", "upstream_permission_denied", falls_back=True, credential_fault=True
    ),
    FailureClass.BILLING: FailureRule(
        429, "insufficient_quota", "insufficient_quota", falls_back=True, credential_fault=True
    ),
    FailureClass.NOT_FOUND: FailureRule(404, "invalid_request_error", "model_not_found", falls_back=True),
    FailureClass.UNSUPPORTED: FailureRule(
        400, "invalid_request_error", "unsupported_parameter", falls_back=True
    ),
    FailureClass.INVALID_REQUEST: FailureRule(400, "invalid_request_error", "invalid_request"),
    FailureClass.CONTEXT_LENGTH: FailureRule(400, "invalid_request_error", "context_length_exceeded"),
    FailureClass.TOO_LARGE: FailureRule(413, "invalid_request_error", "request_too_large"),
    FailureClass.CONTENT_FILTER: FailureRule(400, "invalid_request_error", "content_filter"),
    FailureClass.RATE_LIMIT: FailureRule(429, "rate_limit_error", "rate_limit_exceeded", falls_back=True),
    FailureClass.OVERLOADED: FailureRule(503, "server_error", "overloaded", falls_back=True),
    FailureClass.SERVER_ERROR: FailureRule(502, "upstream_error", "upstream_error", falls_back=True),
    FailureClass.TIMEOUT: FailureRule(504, "upstream_error", "upstream_timeout", falls_back=True),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """One provider failure, classed. `message` is safe to show: redacted and cut by whoever made it.

    `code` and `param` are the provider's own where they follow OpenAI's vocabulary, else None for the
    table's. `retry_after` is in seconds. `details` are further members of the error object that callers
    are known to read (Azure's innererror).
    """

    kind: FailureClass
    message: str
    upstream_status: int | None = None
    retry_after: float | None = None
    code: str | None = None
    param: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


class GatewayError(Exception):
    """Base of the tree; the caller's answer is `body()` with `status`."""

    status = 500
    type = "server_error"
    code: str | None = "internal_error"
    param: str | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def label(self) -> str:
        """The error class in metrics and usage records: one of a bounded set."""
        return self.code or self.type

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Further response headers."""
        return []

    def envelope(self) -> dict[str, Any]:
        """Return OpenAI's error object with all four keys."""
        return {"message": self.message, "type": self.type, "param": self.param, "code": self.code}

    def body(self) -> bytes:
        """Return the JSON body in OpenAI's envelope."""
        return msgspec.json.encode({"error": self.envelope()})


class CallerError(GatewayError):
    """The caller must change something; no provider was asked."""

    status = 400
    type = "invalid_request_error"


class InvalidRequest(CallerError):
    """The body cannot be served as it is; `param` names the field."""

    code = "invalid_request"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        if code is not None:
            self.code = code


class Unauthenticated(CallerError):
    """No token, an unknown one, an expired or revoked one."""

    status = 401
    code = "invalid_api_key"

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Name the scheme, as HTTP asks of a 401."""
        return [(b"www-authenticate", b"Bearer")]


class Forbidden(CallerError):
    """The token may not call this endpoint."""

    status = 403
    type = "permission_error"
    code = "insufficient_scope"


class ModelNotFound(CallerError):
    """No such model for this token: unknown, not allowed, or without a usable credential."""

    status = 404
    code = "model_not_found"
    param = "model"

    def __init__(self, model: str) -> None:
        super().__init__(f"The model `{model[:200]}` does not exist or you do not have access to it.")


class UnknownEndpoint(CallerError):
    """No such path."""

    status = 404
    code = "unknown_url"


class MethodNotAllowed(CallerError):
    """The path exists, with another method."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message)
        self.allow = allow

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Name the method that works."""
        return [(b"allow", self.allow.encode())]


class BodyTooLarge(CallerError):
    """The request body is over the cap."""

    status = 413
    code = "request_too_large"


class UnsupportedMediaType(CallerError):
    """Not JSON, or a compressed body."""

    status = 415
    code = "unsupported_media_type"


class Unavailable(GatewayError):
    """The gateway cannot serve right now (draining, or its journal cannot be written)."""

    status = 503
    code = "gateway_unavailable"


class ProviderFailure(GatewayError):
    """A provider failed; the class of its Failure gives the answer."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        rule = FAILURES[failure.kind]
        self.failure = failure
        self.status = rule.status
        self.type = rule.type
        self.code = failure.code or rule.code
        self.param = failure.param

    @property
    def label(self) -> str:
        """The failure class."""
        return self.failure.kind.value

    def envelope(self) -> dict[str, Any]:
        """Return OpenAI's error object, with the provider's known extra members."""
        return {**super().envelope(), **self.failure.details}
