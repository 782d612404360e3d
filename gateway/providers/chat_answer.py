"""Answers in OpenAI's shape, whole and streamed, for translators of other formats.

Reference: platform.openai.com/docs/api-reference/chat/object and .../chat/streaming. A stream is the role
chunk, deltas, one finish chunk, the usage chunk if it was asked for, and `data: [DONE]`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from gateway.errors import ProviderFailure
from gateway.providers.chat_problems import interrupted
from gateway.types import Answer, ChatRequest, Usage

OBJECT = "chat.completion"
CHUNK = "chat.completion.chunk"
DONE = b"data: [DONE]\n\n"
NO_ARGUMENTS = "{}"
encode = msgspec.json.Encoder().encode

EventT = TypeVar("EventT")
EventT_co = TypeVar("EventT_co", covariant=True)


def usage_object(usage: Usage, *details: str) -> dict[str, Any]:
    """Return OpenAI's usage. `details`, what the provider reports: cached, cache_write, audio, reasoning.

    Prompt tokens contain those of sound and those read from and written to the cache, completion tokens those
    of reasoning.
    """
    prompt = usage.input + usage.cache_read + usage.cache_write + usage.audio
    found: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output,
        "total_tokens": prompt + usage.output,
    }
    prompt_details = {}
    if "cached" in details:
        prompt_details["cached_tokens"] = usage.cache_read
    if "cache_write" in details:
        prompt_details["cache_write_tokens"] = usage.cache_write
    if "audio" in details:
        prompt_details["audio_tokens"] = usage.audio
    if prompt_details:
        found["prompt_tokens_details"] = prompt_details
    if "reasoning" in details:
        found["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning}
    return found


def tool_call(identity: str, name: str, arguments: Any) -> dict[str, Any]:
    """Return one entry of `tool_calls`; arguments that are no text are encoded, absent ones are `{}`."""
    if not isinstance(arguments, str):
        arguments = encode(arguments).decode() if arguments is not None else NO_ARGUMENTS
    return {
        "id": identity,
        "type": "function",
        "function": {"name": name, "arguments": arguments or NO_ARGUMENTS},
    }


def message_object(
    text: str,
    *,
    calls: Sequence[Mapping[str, Any]] = (),
    reasoning: str = "",
    refusal: str | None = None,
    extras: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return an assistant message. Content is null only where there are calls or a refusal instead."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text or (None if calls or refusal else ""),
        "refusal": refusal,
    }
    if reasoning:
        message["reasoning_content"] = reasoning
    if extras:
        message.update(extras)
    if calls:
        message["tool_calls"] = list(calls)
    return message


def choice_object(message: Mapping[str, Any], finish_reason: str, *, index: int = 0) -> dict[str, Any]:
    """Return one choice. A message finishes with tool_calls if it has some, unless it was cut short."""
    finish_reason = _finish_reason(finish_reason, has_calls=bool(message.get("tool_calls")))
    return {"index": index, "message": message, "logprobs": None, "finish_reason": finish_reason}


def answer(
    request: ChatRequest,
    identity: str,
    model: str,
    choices: Sequence[Mapping[str, Any]],
    *,
    usage: Usage | None,
    details: Sequence[str] = (),
) -> Answer:
    """Return the whole answer. `identity`: the provider's id, if any; `details`: see usage_object."""
    document = {
        "id": f"chatcmpl-{identity or request.request_id}",
        "object": OBJECT,
        "created": request.received_at,
        "model": model or request.model,
        "choices": choices,
        "usage": None if usage is None else usage_object(usage, *details),
    }
    return Answer(encode(document), usage, model or request.model)


class EventSource(Protocol[EventT_co]):
    """What cuts a body into events: gateway.framing."""

    def feed(self, data: bytes) -> Sequence[EventT_co]:
        """Take bytes cut anywhere; return the events that are whole now. Raises ProviderFailure."""

    def finish(self) -> EventT_co | None:
        """The body ended: return a last event that is whole but for its end mark, else nothing."""


class TranslatedStream(ABC, Generic[EventT]):
    """Base of the streams that are written anew, one choice each. See gateway.providers.base.ChatStream.

    A translator implements `translate`: it returns frames, made by the methods below, for one event, and
    calls `end` at the provider's last one. The role chunk comes by itself before the first delta.
    """

    __slots__ = (
        "_calls", "_details", "_failure", "_head", "_is_open", "_reader", "is_complete", "model",
        "output_bytes", "request", "started", "usage",
    )  # fmt: skip

    def __init__(self, request: ChatRequest, reader: EventSource[EventT]) -> None:
        self.request = request
        self.started = False
        self.usage: Usage | None = None
        self.model = ""
        self.output_bytes = 0
        self.is_complete = False
        self._reader = reader
        self._calls = 0
        self._details: tuple[str, ...] = ()
        self._failure: ProviderFailure | None = None
        self._is_open = False
        self._head = b""

    @abstractmethod
    def translate(self, event: EventT) -> bytes:
        """Return the frames that an event becomes, maybe none. Raises ProviderFailure."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came; return whole frames. Raises ProviderFailure.

        What came before a failure in the same bytes is returned first, the failure raised by the next call.
        """
        if self._failure is not None:
            raise self._failure
        frames: list[bytes] = []
        try:
            for event in self._reader.feed(data):
                if self.is_complete:
                    break
                if frame := self.translate(event):
                    frames.append(frame)
        except ProviderFailure as failure:
            if not (frames and self.started):
                raise
            self._failure = failure
        return b"".join(frames)

    def finish(self) -> bytes:
        """Return the closing frames. Raises ProviderFailure unless the provider's last event has come."""
        if self._failure is not None:
            raise self._failure
        frames = b""
        if not self.is_complete and (event := self._reader.finish()) and _is_whole(event):
            frames = self.translate(event)
        if not self.is_complete:
            raise interrupted()
        return frames + self._usage_chunk() + DONE

    def begin(self, identity: str, model: str) -> None:
        """Fix what is equal in all chunks: the provider's id (empty: the request's) and the model."""
        request = self.request
        self.model = model
        head = {
            "id": f"chatcmpl-{identity or request.request_id}",
            "object": CHUNK,
            "created": request.received_at,
            "model": model or request.model,
        }
        self._head = b"data: %b," % encode(head)[:-1]

    def role_chunk(self) -> bytes:
        """Return the first chunk; nothing when it has been sent."""
        if self._is_open:
            return b""
        self._is_open = True
        if not self._head:
            self.begin("", self.model)
        return self._frame(b'{"role":"assistant","content":""}')

    def text(self, text: str, logprobs: Mapping[str, Any] | None = None) -> bytes:
        """Return a piece of the answer's text, with OpenAI's `logprobs` object for it if there is one."""
        if not text:
            return b""
        self._count(text)
        delta = b'{"content":%b}' % encode(text)
        if logprobs is not None:
            delta += b',"logprobs":%b' % encode(logprobs)  # stands beside the delta, in the choice
        return self.delta(delta)

    def reasoning(self, text: str) -> bytes:
        """Return a piece of the reasoning's text."""
        if not text:
            return b""
        self._count(text)
        return self.delta(b'{"reasoning_content":%b}' % encode(text))

    def call_start(
        self, identity: str, name: str, arguments: str = "", extras: Mapping[str, Any] | None = None
    ) -> bytes:
        """Return the first chunk of the next tool call; its index is `call_index` from now on."""
        call: dict[str, Any] = {
            "index": self._calls,
            "id": identity,
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        if extras:
            call.update(extras)
        self._calls += 1
        self._count(arguments)
        return self.delta(b'{"tool_calls":[%b]}' % encode(call))

    def call_arguments(self, arguments: str, index: int | None = None) -> bytes:
        """Return a piece of a call's arguments: of the latest call, or of the one with this index."""
        if not arguments:
            return b""
        self._count(arguments)
        number = self.call_index if index is None else index
        return self.delta(
            b'{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}' % (number, encode(arguments))
        )

    @property
    def has_begun(self) -> bool:
        """Whether what is equal in all chunks is fixed."""
        return self._head != b""

    @property
    def call_index(self) -> int:
        """The index of the latest tool call; -1 before the first."""
        return self._calls - 1

    def delta(self, delta: bytes) -> bytes:
        """Return a chunk with an encoded delta of any kind, the role chunk before it if it is the first."""
        self.started = True
        frame = self._frame(delta)
        return frame if self._is_open else self.role_chunk() + frame

    def end(self, finish_reason: str, *, refusal: str = "") -> bytes:
        """The provider's last event has come: return the finish chunk, a refusal before it."""
        frames = self.role_chunk()
        if refusal:
            frames += self.delta(b'{"refusal":%b}' % encode(refusal))
        self.started = self.is_complete = True
        finish_reason = _finish_reason(finish_reason, has_calls=self._calls > 0)
        return frames + self._frame(b"{}", encode(finish_reason))

    def note_usage(self, usage: Usage, *details: str) -> None:
        """Keep the provider's latest figures; `details` as in usage_object."""
        self.usage = usage
        self._details = details

    def _frame(self, delta: bytes, finish_reason: bytes = b"null") -> bytes:
        if not self._head:
            self.begin("", self.model)
        return b'%b"choices":[{"index":0,"delta":%b,"finish_reason":%b}]}\n\n' % (
            self._head,
            delta,
            finish_reason,
        )

    def _usage_chunk(self) -> bytes:
        if self.usage is None or not self.request.include_usage:
            return b""
        figures = encode(usage_object(self.usage, *self._details))
        return b'%b"choices":[],"usage":%b}\n\n' % (self._head, figures)

    def _count(self, text: str) -> None:
        self.output_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _is_whole(event: Any) -> bool:
    """Tell whether a last event without its end mark is more than the beginning of one."""
    if not isinstance(event, bytes):
        return True
    try:
        msgspec.json.decode(event)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _finish_reason(reason: str, *, has_calls: bool) -> str:
    if reason == "stop" and has_calls:
        return "tool_calls"
    return "stop" if reason == "tool_calls" and not has_calls else reason
