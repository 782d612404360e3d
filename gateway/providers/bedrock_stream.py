"""ConverseStream's binary events as OpenAI's chunks.

An event is told by its headers. Exceptions come as messages of their own inside a 200, sometimes first of
all; the usage comes after messageStop.
Source: botocore's service model `bedrock-runtime`, ConverseStreamOutput.
"""

from typing import Any

import msgspec

from gateway.errors import Failure, ProviderFailure
from gateway.framing.eventstream import Message, MessageReader
from gateway.providers.anthropic_tools import JSON_TOOL
from gateway.providers.bedrock_answers import (
    Reasoning,
    ReasoningText,
    ServiceTier,
    ToolUse,
    WireUsage,
    finish_reason,
    notes_of,
    read_usage,
    readable,
    thinking_block,
    thinking_tokens,
    tier_member,
)
from gateway.providers.bedrock_errors import exception_failure, stream_error_failure
from gateway.providers.chat_answer import NO_ARGUMENTS, TranslatedStream, encode
from gateway.providers.chat_problems import unreadable
from gateway.types import ChatRequest, Reply


class _ToolDelta(msgspec.Struct, gc=False):
    input: str = ""


class _ReasoningDelta(msgspec.Struct, rename="camel", gc=False):
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class _Delta(msgspec.Struct, rename="camel", gc=False):
    text: str | None = None
    tool_use: _ToolDelta | None = None
    reasoning_content: _ReasoningDelta | None = None


class _BlockDelta(msgspec.Struct, rename="camel", gc=False):
    delta: _Delta
    content_block_index: int = 0


class _Start(msgspec.Struct, rename="camel", gc=False):
    tool_use: ToolUse | None = None


class _BlockStart(msgspec.Struct, rename="camel", gc=False):
    start: _Start
    content_block_index: int = 0


class _BlockStop(msgspec.Struct, rename="camel", gc=False):
    content_block_index: int = 0


class _MessageStop(msgspec.Struct, rename="camel", gc=False):
    stop_reason: str
    additional_model_response_fields: Any = None


class _Metadata(msgspec.Struct, rename="camel", gc=False):
    usage: WireUsage | None = None
    service_tier: ServiceTier | None = None


_read_delta = msgspec.json.Decoder(_BlockDelta).decode
_read_start = msgspec.json.Decoder(_BlockStart).decode
_read_block_stop = msgspec.json.Decoder(_BlockStop).decode
_read_stop = msgspec.json.Decoder(_MessageStop).decode
_read_metadata = msgspec.json.Decoder(_Metadata).decode


class _Block(msgspec.Struct, gc=False):
    """An open block. `call` is the index of its tool call; None: reasoning, or the JSON tool's call."""

    call: int | None = None
    is_json: bool = False
    has_input: bool = False
    text: str = ""  # of reasoning
    signature: str = ""
    redacted: str = ""


class ConverseStream(TranslatedStream[Message]):
    """One streamed answer. See gateway.providers.base.ChatStream."""

    __slots__ = ("_blocks", "_held_text", "_messages", "_notes", "_stop_reason", "_thinking_tokens")

    def __init__(self, request: ChatRequest, reply: Reply) -> None:
        self._messages = MessageReader()
        super().__init__(request, self._messages)
        self._notes = notes_of(reply)
        self._blocks: dict[int, _Block] = {}  # the open ones, by the wire's index; text has none
        self._stop_reason: str | None = None
        self._thinking_tokens: int | None = None
        self._held_text = ""  # what a model says although it should call the JSON tool
        self.begin(reply.headers.get("x-amzn-requestid", ""), self._notes.model)

    def translate(self, event: Message) -> bytes:
        """Return the frames for an event. Raises ProviderFailure for exceptions and what cannot be read."""
        headers = event.headers
        if headers.get(":message-type") != "event":
            raise ProviderFailure(_failure(event))
        try:
            match headers.get(":event-type"):
                case "contentBlockDelta":
                    return self._delta(_read_delta(event.payload))
                case "contentBlockStart":
                    return self._start(_read_start(event.payload))
                case "contentBlockStop":
                    index = _read_block_stop(event.payload).content_block_index
                    return self._close(self._blocks.pop(index, None))
                case "messageStop":
                    return self._stop(_read_stop(event.payload))
                case "metadata":
                    return self._metadata(_read_metadata(event.payload))
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise unreadable() from None
        return b""

    def finish(self) -> bytes:
        """Return the closing frames. Raises ProviderFailure unless messageStop has come."""
        closing = b""
        if self._failure is None and not self.is_complete:
            self._messages.finish()
            if self._stop_reason is not None:  # the usage is missing; the answer is not
                closing = self._end()
        return closing + super().finish()

    def _delta(self, found: _BlockDelta) -> bytes:
        delta = found.delta
        if delta.text is not None:
            if not self._notes.json_tool:
                return self.text(delta.text)
            self._held_text += delta.text
        elif delta.tool_use is not None:
            return self._input(found.content_block_index, delta.tool_use.input)
        elif delta.reasoning_content is not None:
            return self._reasoning(found.content_block_index, delta.reasoning_content)
        return b""

    def _start(self, found: _BlockStart) -> bytes:
        tool = found.start.tool_use
        if tool is None:
            return b""
        if self._notes.json_tool and tool.name == JSON_TOOL:
            self._blocks[found.content_block_index] = _Block(is_json=True)
            return b""
        frame = self.call_start(tool.tool_use_id, self._notes.names.get(tool.name, tool.name))
        self._blocks[found.content_block_index] = _Block(self.call_index)
        return frame

    def _input(self, index: int, piece: str) -> bytes:
        """Return a piece of a call's arguments. Raises ProviderFailure when no call has begun there."""
        block = self._blocks.get(index)
        if block is None or not (block.is_json or block.call is not None):
            raise unreadable()
        if not piece:
            return b""
        block.has_input = True
        if block.is_json:
            self._held_text = ""
            return self.text(piece)
        return self.call_arguments(piece, block.call)

    def _reasoning(self, index: int, delta: _ReasoningDelta) -> bytes:
        block = self._blocks.setdefault(index, _Block())
        if delta.signature:
            block.signature += delta.signature
        if delta.redacted_content:
            block.redacted += delta.redacted_content
        if not delta.text:
            return b""
        block.text += delta.text
        return self.reasoning(readable(Reasoning(ReasoningText(delta.text))))

    def _close(self, block: _Block | None) -> bytes:
        """Return what a block that is over still lacks: arguments, or Claude's signed thinking."""
        if block is None:
            return b""
        if block.is_json:
            return b"" if block.has_input else self.text(NO_ARGUMENTS)
        if block.call is not None:
            return b"" if block.has_input else self.call_arguments(NO_ARGUMENTS, block.call)
        kept = thinking_block(Reasoning(ReasoningText(block.text, block.signature), block.redacted))
        return self.delta(b'{"thinking_blocks":%b}' % encode([kept])) if kept else b""

    def _stop(self, found: _MessageStop) -> bytes:
        """Close what is open; the stream goes on with the usage."""
        frames = b"".join([self._close(self._blocks.pop(index)) for index in list(self._blocks)])
        frames += self.text(self._held_text)
        self._held_text = ""
        self._stop_reason = found.stop_reason
        self._thinking_tokens = thinking_tokens(found.additional_model_response_fields)
        return frames

    def _metadata(self, found: _Metadata) -> bytes:
        usage, details = read_usage(found.usage, self._thinking_tokens)
        if usage is not None:
            self.note_usage(usage, *details)
        if tier := tier_member(found.service_tier):
            self._head += tier + b","
        return self._end() if self._stop_reason is not None else b""

    def _end(self) -> bytes:
        return self.end(finish_reason(self._stop_reason, has_content=self.started))


def _failure(event: Message) -> Failure:
    """Class a message that is no event."""
    headers = event.headers
    if headers.get(":message-type") == "exception":
        return exception_failure(str(headers.get(":exception-type", "")), event.payload)
    return stream_error_failure(str(headers.get(":error-code", "")), str(headers.get(":error-message", "")))
