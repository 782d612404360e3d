"""What translators raise for a request that cannot go to their provider, before any call is made."""

from gateway.errors import Failure, FailureClass, ProviderFailure


def unsupported(param: str, message: str) -> ProviderFailure:
    """Return the refusal of something that this provider cannot do; the next target may be tried."""
    return ProviderFailure(Failure(FailureClass.UNSUPPORTED, message, param=param))


def invalid(param: str, message: str) -> ProviderFailure:
    """Return the refusal of something that no provider could read."""
    return ProviderFailure(Failure(FailureClass.INVALID_REQUEST, message, param=param))


def unreadable() -> ProviderFailure:
    """Return the failure of an answer that is not what it should be."""
    return ProviderFailure(Failure(FailureClass.SERVER_ERROR, "The provider's answer cannot be read."))


def interrupted() -> ProviderFailure:
    """Return the failure of a stream that ended without its last event."""
    return ProviderFailure(
        Failure(
            FailureClass.SERVER_ERROR,
            "The provider's stream ended before the answer was complete.",
            code="upstream_stream_interrupted",
        )
    )
