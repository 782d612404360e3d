"""Cohere's streamed chat answers, written anew as OpenAI's chunks.

Reference: docs.cohere.com/v2/docs/streaming. Events are told apart by `type` in the data; the SSE event names
repeat it. Citations are left out.
"""

from typing import Any

import msgspec

from gateway.framing.sse import EventReader
from gateway.providers.chat_answer import NO_ARGUMENTS, TranslatedStream
from gateway.providers.chat_problems import unreadable
from gateway.providers.cohere_answers import (
    Call,
    asked_model,
    failed,
    finish_reason,
    logprob_entries,
    read_usage,
)
from gateway.types import ChatRequest, Reply

_DONE = b"[DONE]"  # after the last event, if at all


class _Message(msgspec.Struct, gc=False):
    content: Any = None  # an object, or an empty list at the start
    tool_plan: str | None = None
    tool_calls: Any = None  # one object, or an empty list at the start


class _Delta(msgspec.Struct, gc=False):
    message: _Message | None = None
    finish_reason: str | None = None
    usage: Any = None
    error: Any = None


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    id: Any = ""
    index: int | None = None
    delta: _Delta | None = None
    logprobs: Any = None


_read = msgspec.json.Decoder(_Event).decode


class CohereStream(TranslatedStream[bytes]):
    """One streamed answer. See gateway.providers.base.ChatStream."""

    __slots__ = ("_asked", "_has_output", "_numbers", "_silent")

    def __init__(self, request: ChatRequest, reply: Reply) -> None:
        super().__init__(request, EventReader())
        self._asked = asked_model(request, reply)
        self._has_output = False  # text or a call has come
        self._numbers: dict[int | None, int] = {}  # Cohere's index of a call to ours
        self._silent: set[int] = set()  # calls of ours without arguments so far

    def translate(self, event: bytes) -> bytes:
        """Return the frames that an event becomes, maybe none. Raises ProviderFailure."""
        if event.startswith(_DONE):
            return b""
        try:
            found = _read(event)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise unreadable() from None
        handle = _HANDLERS.get(found.type)
        return b"" if handle is None else handle(self, found, found.delta or _Delta())

    def _start(self, event: _Event, delta: _Delta) -> bytes:
        self.begin(event.id if isinstance(event.id, str) else "", self._asked)
        return b""

    def _content(self, event: _Event, delta: _Delta) -> bytes:
        content = delta.message.content if delta.message is not None else None
        if not isinstance(content, dict):
            return b""
        text, thinking = content.get("text"), content.get("thinking")
        frames = self.reasoning(thinking) if isinstance(thinking, str) else b""
        if isinstance(text, str) and text:
            self._has_output = True
            frames += self._text(text, event.logprobs)
        return frames

    def _text(self, text: str, logprobs: Any) -> bytes:
        entries = logprob_entries([logprobs]) if logprobs else []
        return self.text(text, {"content": entries, "refusal": None} if entries else None)

    def _plan(self, event: _Event, delta: _Delta) -> bytes:
        plan = delta.message.tool_plan if delta.message is not None else None
        return self.reasoning(plan or "")

    def _call_start(self, event: _Event, delta: _Delta) -> bytes:
        call = _call(delta)
        number = self.call_index + 1
        frames = self.call_start(call.id or f"call_{self.request.request_id}_{number}", call.function.name)
        self._has_output = True
        self._numbers[event.index] = number
        self._silent.add(number)
        return frames + self._arguments(number, call.function.arguments)

    def _call_delta(self, event: _Event, delta: _Delta) -> bytes:
        if (number := self._numbers.get(event.index)) is None:
            raise unreadable()
        return self._arguments(number, _call(delta).function.arguments)

    def _arguments(self, number: int, arguments: str | None) -> bytes:
        if not arguments:
            return b""
        self._silent.discard(number)
        return self.call_arguments(arguments, number)

    def _call_end(self, event: _Event, delta: _Delta) -> bytes:
        return self._fill(self._numbers.get(event.index))

    def _fill(self, number: int | None) -> bytes:
        """Write the empty object for a call that had no arguments."""
        if number is None or number not in self._silent:
            return b""
        self._silent.discard(number)
        return self.call_arguments(NO_ARGUMENTS, number)

    def _end(self, event: _Event, delta: _Delta) -> bytes:
        """Write what closes the answer. Raises ProviderFailure when Cohere reports an error instead."""
        usage, details = read_usage(delta.usage)
        if usage is not None:
            self.note_usage(usage, *details)
        if delta.error or delta.finish_reason == "ERROR":
            raise failed(_error_text(delta.error))
        reason = finish_reason(delta.finish_reason, is_empty=not self._has_output)
        return b"".join(self._fill(number) for number in sorted(self._silent)) + self.end(reason)


def _call(delta: _Delta) -> Call:
    """Return the one call of an event. Raises ProviderFailure."""
    found = delta.message.tool_calls if delta.message is not None else None
    try:
        return msgspec.convert(found[0] if isinstance(found, list) and found else found, Call)
    except msgspec.ValidationError:
        raise unreadable() from None


def _error_text(error: Any) -> str:
    if isinstance(error, dict):
        error = error.get("message")
    return error if isinstance(error, str) else ""


_HANDLERS = {
    "message-start": CohereStream._start,
    "content-start": CohereStream._content,
    "content-delta": CohereStream._content,
    "tool-plan-delta": CohereStream._plan,
    "tool-call-start": CohereStream._call_start,
    "tool-call-delta": CohereStream._call_delta,
    "tool-call-end": CohereStream._call_end,
    "message-end": CohereStream._end,
}
