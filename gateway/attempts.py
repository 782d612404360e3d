"""The only loop over targets: try the steps of a plan in order until one answers.

A stream counts as opened when its first meaningful event has been decoded: until then any failure may go on
to the next step with a true status; afterwards nothing is tried again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from time import perf_counter, time
from typing import Generic, TypeVar

from gateway.credential_tokens import CredentialTokens
from gateway.errors import Failure, FailureClass, ProviderFailure
from gateway.exchange import Attempt, Exchange
from gateway.failures import Verdict, choose_answer, judge
from gateway.lessons import Lessons
from gateway.providers.base import Adapter, ChatStream, SpeechStream
from gateway.types import (
    Answer,
    ChatRequest,
    Connection,
    EmbeddingsRequest,
    Reply,
    Request,
    SpeechRequest,
    Step,
    Target,
    Timeouts,
    TranscriptionRequest,
    WireRequest,
)
from gateway.upstream import Upstream, UpstreamError, UpstreamResponse

MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
FAN_OUT = 8  # requests of one call that are under way at a time, beside its first


StreamT = TypeVar("StreamT", ChatStream, SpeechStream)


class OpenedStream(Generic[StreamT]):
    """A stream whose first meaningful event has come: `head` holds the bytes for the caller so far."""

    __slots__ = ("chunks", "ended", "head", "response", "stream", "wire")

    def __init__(self, wire: WireRequest, response: UpstreamResponse, stream: StreamT) -> None:
        self.wire = wire
        self.response = response
        self.stream: StreamT = stream
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


class OpenedSpeech(OpenedStream[SpeechStream]):
    """Speech whose first sound has come."""

    __slots__ = ()


Opened = OpenedStream[ChatStream] | OpenedSpeech | OpenedAnswer


class Dispatcher:
    """What making a call takes."""

    __slots__ = ("lessons", "timeouts", "tokens", "upstream")

    def __init__(self, upstream: Upstream, timeouts: Timeouts) -> None:
        self.upstream = upstream
        self.timeouts = timeouts
        self.tokens = CredentialTokens(upstream)
        self.lessons = Lessons()

    async def send(self, wire: WireRequest, connection: Connection) -> UpstreamResponse:
        """Authorize and send; a refused token is renewed once. Raises UpstreamError, ProviderFailure."""
        authorize, source = connection.authorize, connection.token_source
        if authorize is None:
            return await self.upstream.open(wire, self.timeouts)
        if source is None:
            return await self.upstream.open(authorize(wire, None, time()), self.timeouts)
        token = await self.tokens.get(connection, source)
        response = await self.upstream.open(authorize(wire, token, time()), self.timeouts)
        if not source.is_refusal(response.status, response.headers):
            return response
        response.close()
        self.tokens.forget(connection, source, token)
        token = await self.tokens.get(connection, source)
        return await self.upstream.open(authorize(wire, token, time()), self.timeouts)


async def run_plan(
    steps: Sequence[Step], exchange: Exchange, dispatcher: Dispatcher, announce: Callable[[Attempt], None]
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
            return await _attempt(attempt, exchange, dispatcher)
        except UpstreamError as problem:
            failure = problem.as_failure()
        except ProviderFailure as problem:
            failure = problem.failure
        attempt.error_class = failure.kind.value
        failures.append(failure)
        if judge(failure) is Verdict.STOP:
            raise ProviderFailure(failure)
    raise ProviderFailure(choose_answer(failures))


async def _attempt(attempt: Attempt, exchange: Exchange, dispatcher: Dispatcher) -> Opened:
    """Make one call, timing what is spent waiting for the provider. Raises ProviderFailure, UpstreamError."""
    wire = _prepare(exchange.request, attempt.step, dispatcher.lessons)
    attempt.started = perf_counter()
    try:
        return await _call(wire, attempt, exchange.request, dispatcher)
    finally:
        exchange.end_attempt()


def _prepare(request: Request | None, step: Step, lessons: Lessons) -> WireRequest:
    """Build the request, with what earlier refusals have taught. Raises ProviderFailure."""
    wire, apply_lesson = _build(request, step), step.target.adapter.apply_lesson
    if apply_lesson is None or request is None:
        return wire
    for lesson in lessons.of(step.target, step.model):
        wire = apply_lesson(request, wire, lesson)
    return wire


def _build(request: Request | None, step: Step) -> WireRequest:
    """Translate the request for this step's provider. Raises ProviderFailure (unsupported)."""
    adapter, connection = step.target.adapter, step.target.connection
    if isinstance(request, ChatRequest):
        if adapter.build_chat is not None:
            return adapter.build_chat(request, connection, step.model)
    elif isinstance(request, EmbeddingsRequest):
        if adapter.build_embeddings is not None:
            return adapter.build_embeddings(request, connection, step.model)
    elif isinstance(request, SpeechRequest):
        if adapter.build_speech is not None:
            return adapter.build_speech(request, connection, step.model)
    elif isinstance(request, TranscriptionRequest) and adapter.build_transcription is not None:
        return adapter.build_transcription(request, connection, step.model)
    raise ProviderFailure(
        Failure(FailureClass.UNSUPPORTED, f"The provider of '{step.model}' does not offer this endpoint.")
    )


async def _send(
    wire: WireRequest, attempt: Attempt, request: Request | None, dispatcher: Dispatcher
) -> tuple[WireRequest, UpstreamResponse]:
    """Return a 2xx answer, and the request that it belongs to: amended once where the adapter knows how.

    Raises ProviderFailure, UpstreamError.
    """
    step, adapter = attempt.step, attempt.step.target.adapter
    response = await dispatcher.send(wire, step.target.connection)
    attempt.status = response.status
    if _is_success(response):
        return wire, response
    failure = await _read_failure(response, adapter)
    amend = adapter.amend
    amendment = amend(request, wire, failure) if amend is not None and request is not None else None
    if amendment is None:
        raise ProviderFailure(failure)
    attempt.status = None
    response = await dispatcher.send(amendment.wire, step.target.connection)
    attempt.status = response.status
    if not _is_success(response):
        raise ProviderFailure(await _read_failure(response, adapter))
    if amendment.lesson:
        dispatcher.lessons.learn(step.target, step.model, amendment.lesson)
    return amendment.wire, response


def _is_success(response: UpstreamResponse) -> bool:
    return 200 <= response.status < 300


async def _read_failure(response: UpstreamResponse, adapter: Adapter) -> Failure:
    """Read what a provider says of a failure, and close its answer. Raises UpstreamError."""
    try:
        body = await response.read(MAX_ERROR_BYTES)
    finally:
        response.close()
    return adapter.parse_error(response.status, response.headers, body)


async def _call(
    wire: WireRequest, attempt: Attempt, request: Request | None, dispatcher: Dispatcher
) -> Opened:
    adapter = attempt.step.target.adapter
    wire, response = await _send(wire, attempt, request, dispatcher)
    keep = False
    try:
        opened: OpenedStream[ChatStream] | OpenedSpeech
        if isinstance(request, ChatRequest) and request.stream:
            assert adapter.open_chat_stream is not None
            reply = Reply(b"", response.headers, wire.notes)
            opened = OpenedStream(wire, response, adapter.open_chat_stream(request, reply))
        elif isinstance(request, SpeechRequest):
            assert adapter.open_speech is not None
            reply = Reply(b"", response.headers, wire.notes)
            opened = OpenedSpeech(wire, response, adapter.open_speech(request, reply))
        else:
            body = await response.read(MAX_ANSWER_BYTES)
            more = await _ask_more(wire.more, attempt.step.target, dispatcher) if wire.more else ()
            reply = Reply(body, response.headers, wire.notes, more)
            return OpenedAnswer(wire, _parse(adapter, request, reply))
        await opened.read_head()
        keep = True
        return opened
    finally:
        if not keep:
            response.close()


async def _ask_more(
    wires: Sequence[WireRequest], target: Target, dispatcher: Dispatcher
) -> tuple[Reply, ...]:
    """Send the further requests of a call and return their answers, in order; the first failure ends it.

    Raises ProviderFailure, UpstreamError.
    """
    gate = asyncio.Semaphore(FAN_OUT)

    async def ask(wire: WireRequest) -> Reply:
        async with gate:
            response = await dispatcher.send(wire, target.connection)
            try:
                body = await response.read(MAX_ANSWER_BYTES)
                if not 200 <= response.status < 300:
                    raise ProviderFailure(target.adapter.parse_error(response.status, response.headers, body))
                return Reply(body, response.headers)
            finally:
                response.close()

    tasks = [asyncio.create_task(ask(wire)) for wire in wires]
    try:
        return tuple(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


def _parse(adapter: Adapter, request: Request | None, reply: Reply) -> Answer:
    """Translate a whole answer. Raises ProviderFailure."""
    if isinstance(request, ChatRequest):
        assert adapter.parse_chat is not None
        return adapter.parse_chat(request, reply)
    if isinstance(request, EmbeddingsRequest):
        assert adapter.parse_embeddings is not None
        return adapter.parse_embeddings(request, reply)
    assert isinstance(request, TranscriptionRequest)
    assert adapter.parse_transcription is not None
    return adapter.parse_transcription(request, reply)
