"""The only loop over targets: try the steps of a plan in order until one answers.

A stream counts as opened when its first meaningful event has been decoded: until then any failure may go on
to the next step with a true status; afterwards nothing is tried again.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from time import perf_counter

from gateway.errors import Failure, FailureClass, ProviderFailure
from gateway.exchange import Attempt, Exchange
from gateway.failures import Verdict, choose_answer, judge
from gateway.providers.base import ChatStream
from gateway.types import Answer, ChatRequest, EmbeddingsRequest, Step, Timeouts, WireRequest
from gateway.upstream import Upstream, UpstreamError, UpstreamResponse

MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024


class OpenedStream:
    """A stream whose first meaningful event has come: `head` holds the frames for the caller so far."""

    __slots__ = ("chunks", "ended", "head", "response", "stream", "wire")

    def __init__(self, wire: WireRequest, response: UpstreamResponse, stream: ChatStream) -> None:
        self.wire = wire
        self.response = response
        self.stream = stream
        self.chunks: AsyncIterator[bytes] = response.chunks()
        self.head = b""
        self.ended = False

    async def read_head(self) -> None:
        """Read up to the first meaningful event. Raises ProviderFailure, UpstreamError."""
        async for chunk in self.chunks:
            self.head += self.stream.feed(chunk)
            if self.stream.started:
                return
        self.head += self.stream.finish()
        self.ended = True


class OpenedAnswer:
    """A whole answer, ready to be sent."""

    __slots__ = ("answer", "wire")

    def __init__(self, wire: WireRequest, answer: Answer) -> None:
        self.wire = wire
        self.answer = answer


Opened = OpenedStream | OpenedAnswer


async def run_plan(
    steps: Sequence[Step],
    exchange: Exchange,
    upstream: Upstream,
    timeouts: Timeouts,
    announce: Callable[[Attempt], None],
) -> Opened:
    """Try the steps in order and return the first that answers; `announce` is told of each attempt before it.

    Raises ProviderFailure when a failure may not fall back, or when every step has failed.
    """
    failures: list[Failure] = []
    for step in steps:
        attempt = Attempt(step)
        announce(attempt)
        exchange.attempts.append(attempt)
        try:
            return await _attempt(attempt, exchange, upstream, timeouts)
        except UpstreamError as problem:
            failure = problem.as_failure()
        except ProviderFailure as problem:
            failure = problem.failure
        attempt.error_class = failure.kind.value
        failures.append(failure)
        if judge(failure) is Verdict.STOP:
            raise ProviderFailure(failure)
    raise ProviderFailure(choose_answer(failures))


async def _attempt(attempt: Attempt, exchange: Exchange, upstream: Upstream, timeouts: Timeouts) -> Opened:
    """Make one call, timing what is spent waiting for the provider. Raises ProviderFailure, UpstreamError."""
    wire = _build(exchange.request, attempt.step)
    attempt.started = perf_counter()
    try:
        return await _call(wire, attempt, exchange.request, upstream, timeouts)
    finally:
        exchange.end_attempt()


def _build(request: ChatRequest | EmbeddingsRequest | None, step: Step) -> WireRequest:
    """Translate the request for this step's provider. Raises ProviderFailure (unsupported)."""
    adapter = step.target.adapter
    if isinstance(request, ChatRequest):
        return adapter.build_chat(request, step.target.connection, step.model)
    if adapter.build_embeddings is None or request is None:
        raise ProviderFailure(
            Failure(FailureClass.UNSUPPORTED, f"The provider of '{step.model}' does not offer embeddings.")
        )
    return adapter.build_embeddings(request, step.target.connection, step.model)


async def _call(
    wire: WireRequest,
    attempt: Attempt,
    request: ChatRequest | EmbeddingsRequest | None,
    upstream: Upstream,
    timeouts: Timeouts,
) -> Opened:
    adapter = attempt.step.target.adapter
    response = await upstream.open(wire, timeouts)
    keep = False
    try:
        attempt.status = response.status
        if not 200 <= response.status < 300:
            body = await response.read(MAX_ERROR_BYTES)
            raise ProviderFailure(adapter.parse_error(response.status, response.headers, body))
        if isinstance(request, ChatRequest) and request.stream:
            opened = OpenedStream(wire, response, adapter.open_chat_stream(request))
            await opened.read_head()
            keep = True
            return opened
        body = await response.read(MAX_ANSWER_BYTES)
        if isinstance(request, ChatRequest):
            return OpenedAnswer(wire, adapter.parse_chat(request, body))
        assert request is not None
        assert adapter.parse_embeddings is not None
        return OpenedAnswer(wire, adapter.parse_embeddings(request, body))
    finally:
        if not keep:
            response.close()
