"""Streamed answers of Anthropic's Messages API, written as OpenAI's chunks.

Reference: platform.claude.com/docs/en/build-with-claude/streaming. Events are told by the `type` in their
data; unknown ones are ignored. Usage figures are cumulative, and message_delta may leave some out.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from gateway.errors import ProviderFailure
from gateway.framing.sse import EventReader
from gateway.providers.anthropic_answer import (
    NO_NOTES,
    THINKING,
    finish_reason,
    read_usage,
    refusal_text,
    usage_details,
)
from gateway.providers.anthropic_errors import failure_in_answer
from gateway.providers.anthropic_request import Notes
from gateway.providers.anthropic_tools import JSON_TOOL
from gateway.providers.chat_answer import NO_ARGUMENTS, TranslatedStream, encode
from gateway.providers.chat_problems import unreadable
from gateway.types import ChatRequest, Reply


class _Delta(msgspec.Struct, gc=False):
    """The picked fields of a delta, of a block's or the message's."""

    type: Any = None
    text: Any = None
    partial_json: Any = None
    thinking: Any = None
    signature: Any = None
    stop_reason: Any = None
    stop_details: Any = None


class _Event(msgspec.Struct, gc=False):
    type: str
    index: int = 0
    delta: _Delta | None = None
    content_block: Any = None
    message: Any = None
    usage: Any = None
    error: Any = None


class _Kind(msgspec.Struct, gc=False):
    type: Any = None


class _Block(msgspec.Struct, gc=False):
    """A block that has begun. `call`: index of its tool call; `whole`: a thinking block in the making."""

    kind: str
    call: int = -1
    has_output: bool = False
    whole: dict[str, Any] | None = None


_read = msgspec.json.Decoder(_Event).decode
_read_kind = msgspec.json.Decoder(_Kind).decode


class MessageStream(TranslatedStream[bytes]):
    """One streamed answer. See gateway.providers.base.ChatStream."""

    __slots__ = ("_blocks", "_held_text", "_json_came", "_notes", "_stop_details", "_stop_reason", "_usage")

    def __init__(self, request: ChatRequest, reply: Reply) -> None:
        super().__init__(request, EventReader())
        self._notes = reply.notes if isinstance(reply.notes, Notes) else NO_NOTES
        self._blocks: dict[int, _Block] = {}
        self._usage: dict[str, Any] = {}
        self._stop_reason: Any = None
        self._stop_details: Any = None
        self._held_text: list[str] = []  # text beside JSON_TOOL, shown only when no JSON comes
        self._json_came = False

    def translate(self, event: bytes) -> bytes:
        """Return the frames that an event becomes. Raises ProviderFailure."""
        try:
            found = _read(event)
            if not event.isascii():
                event.decode()  # the decoder leaves the strings that it skips unchecked
        except msgspec.ValidationError:
            return _ignored(event)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise unreadable() from None
        handle = _HANDLERS.get(found.type)
        return handle(self, found) if handle is not None else b""

    def _message_start(self, event: _Event) -> bytes:
        message = event.message if isinstance(event.message, dict) else {}
        identity, model = message.get("id"), message.get("model")
        if not self.has_begun:
            self.begin(identity if isinstance(identity, str) else "", model if isinstance(model, str) else "")
        self._note(message.get("usage"))
        return self.role_chunk()

    def _block_start(self, event: _Event) -> bytes:
        block = event.content_block
        if not isinstance(block, dict):
            raise unreadable()
        kind = block.get("type")
        if kind == "tool_use":
            return self._call_start(event.index, block)
        if kind in THINKING:
            self._blocks[event.index] = _Block(kind, whole=dict(block))
            text = block.get("thinking")
            return self.reasoning(text) if isinstance(text, str) else b""
        if kind == "text":
            text = block.get("text")
            return self._text(text) if isinstance(text, str) else b""
        self._blocks[event.index] = _Block("ignored")  # a server tool's
        return b""

    def _call_start(self, index: int, block: dict[str, Any]) -> bytes:
        name, identity = block.get("name"), block.get("id")
        if not isinstance(name, str) or not isinstance(identity, str):
            raise unreadable()
        if self._notes.json_tool and name == JSON_TOOL:
            self._blocks[index] = _Block("json")
            return b""
        self._blocks[index] = _Block("tool_use", self.call_index + 1)
        return self.call_start(identity, self._notes.names.get(name, name))

    def _block_delta(self, event: _Event) -> bytes:
        delta = event.delta
        if delta is None:
            raise unreadable()
        if delta.type == "text_delta" and type(delta.text) is str:
            return self._text(delta.text)
        block = self._blocks.get(event.index)
        if block is None:
            return b""
        if delta.type == "input_json_delta" and type(delta.partial_json) is str:
            return self._arguments(block, delta.partial_json)
        if block.whole is not None:
            return self._thinking(block.whole, delta)
        return b""

    def _arguments(self, block: _Block, piece: str) -> bytes:
        if not piece or block.kind == "ignored":
            return b""
        block.has_output = True
        if block.kind == "json":
            self._json_came = True
            return self.text(piece)
        return self.call_arguments(piece, block.call)

    def _thinking(self, whole: dict[str, Any], delta: _Delta) -> bytes:
        if delta.type == "thinking_delta" and type(delta.thinking) is str:
            whole["thinking"] = f"{whole.get('thinking') or ''}{delta.thinking}"
            return self.reasoning(delta.thinking)
        if delta.type == "signature_delta" and type(delta.signature) is str:
            whole["signature"] = f"{whole.get('signature') or ''}{delta.signature}"
        return b""

    def _text(self, text: str) -> bytes:
        if not self._notes.json_tool:
            return self.text(text)
        self._held_text.append(text)
        return b""

    def _block_stop(self, event: _Event) -> bytes:
        block = self._blocks.pop(event.index, None)
        if block is None:
            return b""
        if block.whole is not None:
            return self.delta(b'{"thinking_blocks":[%b]}' % encode(block.whole))
        return b"" if block.has_output else self._arguments(block, NO_ARGUMENTS)

    def _message_delta(self, event: _Event) -> bytes:
        delta = event.delta
        if delta is not None:
            self._stop_reason = delta.stop_reason or self._stop_reason
            self._stop_details = delta.stop_details or self._stop_details
        self._note(event.usage)
        return b""

    def _message_stop(self, event: _Event) -> bytes:
        del event  # says nothing more
        held = b"" if self._json_came else self.text("".join(self._held_text))
        refused = self._stop_reason == "refusal"
        return held + self.end(
            finish_reason(self._stop_reason, json_tool=self._notes.json_tool),
            refusal=refusal_text(self._stop_details) if refused else "",
        )

    def _error(self, event: _Event) -> bytes:
        raise ProviderFailure(failure_in_answer({"error": event.error}))

    def _note(self, usage: Any) -> None:
        """Keep the latest figures: cumulative ones, of which some may be left out."""
        if isinstance(usage, dict) and usage:
            self._usage |= {name: value for name, value in usage.items() if value is not None}
            self.note_usage(read_usage(self._usage), *usage_details(self._usage))


_HANDLERS: Mapping[str, Callable[[MessageStream, _Event], bytes]] = {
    "message_start": MessageStream._message_start,
    "content_block_start": MessageStream._block_start,
    "content_block_delta": MessageStream._block_delta,
    "content_block_stop": MessageStream._block_stop,
    "message_delta": MessageStream._message_delta,
    "message_stop": MessageStream._message_stop,
    "error": MessageStream._error,
}


def _ignored(event: bytes) -> bytes:
    """Return nothing for an event of an unknown type and shape. Raises ProviderFailure for a known one."""
    try:
        kind = _read_kind(event).type
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise unreadable() from None
    if not isinstance(kind, str) or kind in _HANDLERS:
        raise unreadable()
    return b""
