"""Converse's answer as OpenAI's chat completion, and its usage.

Source: botocore's service model `bedrock-runtime`, ConverseResponse; wire facts of 23 Nov 2026.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.errors import Failure, FailureClass, ProviderFailure
from gateway.providers.anthropic_tools import JSON_TOOL
from gateway.providers.bedrock_request import Notes
from gateway.providers.chat_answer import answer, choice_object, encode, message_object, tool_call
from gateway.providers.chat_problems import unreadable
from gateway.types import Answer, ChatRequest, Reply, Usage

_FINISH_REASONS: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "stop",  # tool_calls wherever there are any
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "stop",
    "malformed_tool_use": "stop",
}
_MALFORMED = frozenset({"malformed_model_output", "malformed_tool_use"})
_MAX_COUNT = 1 << 53
_NOT_SHOWN = "[REDACTED]"  # all that Nova says of its reasoning
_FENCE = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", re.DOTALL | re.IGNORECASE)


class ToolUse(msgspec.Struct, rename="camel", gc=False):
    """A call, or the beginning of one in a stream."""

    tool_use_id: str
    name: str
    input: Any = None


class ReasoningText(msgspec.Struct, gc=False):
    """Reasoning that can be read; Claude signs it."""

    text: str = ""
    signature: str | None = None


class Reasoning(msgspec.Struct, rename="camel", gc=False):
    """A block of reasoning: as text, or as base64 that only the model can read."""

    reasoning_text: ReasoningText | None = None
    redacted_content: str | None = None


class _CitedText(msgspec.Struct, gc=False):
    text: str | None = None


class _Citations(msgspec.Struct, gc=False):
    content: list[_CitedText] | None = None


class _Block(msgspec.Struct, rename="camel", gc=False):
    text: str | None = None
    tool_use: ToolUse | None = None
    reasoning_content: Reasoning | None = None
    citations_content: _Citations | None = None


class _Message(msgspec.Struct, gc=False):
    content: list[_Block]


class _Output(msgspec.Struct, gc=False):
    message: _Message


class WireUsage(msgspec.Struct, rename="camel", gc=False):
    """Figures in tokens. The total isn't read: some models count the cache in, some don't."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None


class ServiceTier(msgspec.Struct, gc=False):
    """What served the request."""

    type: str


class _Answer(msgspec.Struct, rename="camel", gc=False):
    output: _Output
    stop_reason: str | None = None
    usage: WireUsage | None = None
    additional_model_response_fields: Any = None
    service_tier: ServiceTier | None = None


_answer = msgspec.json.Decoder(_Answer)


class _Content:
    """The blocks of an answer, sorted out."""

    __slots__ = ("calls", "json", "reasoning", "text", "thinking_blocks")

    def __init__(self, blocks: list[_Block], notes: Notes) -> None:
        self.text: list[str] = []
        self.json: str | None = None
        self.calls: list[dict[str, Any]] = []
        self.reasoning: list[str] = []
        self.thinking_blocks: list[dict[str, Any]] = []
        for block in blocks:
            self._add(block, notes)

    def _add(self, block: _Block, notes: Notes) -> None:
        if block.text:
            self.text.append(block.text)
        elif block.tool_use is not None:
            self._add_call(block.tool_use, notes)
        elif block.reasoning_content is not None:
            text = readable(block.reasoning_content)
            if text:
                self.reasoning.append(text)
            if kept := thinking_block(block.reasoning_content):
                self.thinking_blocks.append(kept)
        elif block.citations_content is not None:
            self.text += [cited.text for cited in block.citations_content.content or () if cited.text]

    def _add_call(self, found: ToolUse, notes: Notes) -> None:
        if notes.json_tool and found.name == JSON_TOOL:
            self.json = encode(found.input if found.input is not None else {}).decode()
        else:
            name = notes.names.get(found.name, found.name)
            self.calls.append(tool_call(found.tool_use_id, name, found.input))


def parse_chat(request: ChatRequest, reply: Reply) -> Answer:
    """Read an answer. Raises ProviderFailure for one that cannot be read, or that the model has spoiled."""
    notes = notes_of(reply)
    try:
        found = _answer.decode(reply.body)
        content = _Content(found.output.message.content, notes)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise unreadable() from None
    text = "".join(content.text) if content.json is None else content.json
    if notes.unfences and (fenced := _FENCE.fullmatch(text)):
        text = fenced[1]
    message = message_object(
        text,
        calls=content.calls,
        reasoning="\n".join(content.reasoning),
        extras={"thinking_blocks": content.thinking_blocks} if content.thinking_blocks else None,
    )
    reason = finish_reason(found.stop_reason, has_content=bool(text or content.calls))
    usage, details = read_usage(found.usage, thinking_tokens(found.additional_model_response_fields))
    identity = reply.headers.get("x-amzn-requestid", "")
    written = answer(
        request, identity, notes.model, [choice_object(message, reason)], usage=usage, details=details
    )
    if not (tier := tier_member(found.service_tier)):
        return written
    return Answer(b"%b,%b}" % (written.body[:-1], tier), usage, written.model)


def tier_member(found: ServiceTier | None) -> bytes:
    """Return the tier as a member of OpenAI's object, nothing where the provider names none."""
    return b'"service_tier":%b' % encode(found.type) if found is not None else b""


def notes_of(reply: Reply) -> Notes:
    """Return what the request's translation noted."""
    return reply.notes if isinstance(reply.notes, Notes) else Notes()


def readable(reasoning: Reasoning) -> str:
    """Return the text of a block of reasoning that means something to a reader."""
    text = reasoning.reasoning_text.text if reasoning.reasoning_text is not None else ""
    return "" if text == _NOT_SHOWN else text


def thinking_block(reasoning: Reasoning) -> dict[str, Any] | None:
    """Return Claude's block as its own API has it, for the way back; None for unsigned reasoning."""
    found = reasoning.reasoning_text
    if found is not None and found.signature:
        return {"type": "thinking", "thinking": found.text, "signature": found.signature}
    if reasoning.redacted_content:
        return {"type": "redacted_thinking", "data": reasoning.redacted_content}
    return None


def finish_reason(stop_reason: str | None, *, has_content: bool) -> str:
    """Return OpenAI's word. Raises ProviderFailure when the model's output could not be used at all."""
    if stop_reason in _MALFORMED and not has_content:
        raise ProviderFailure(
            Failure(FailureClass.SERVER_ERROR, "The model's output was malformed and was withheld.")
        )
    return _FINISH_REASONS.get(stop_reason or "", "stop")


def thinking_tokens(additional: Any) -> int | None:
    """Return the count of thinking tokens that was asked for beside Converse's own usage; None without."""
    for name in ("usage", "output_tokens_details", "thinking_tokens"):
        additional = additional.get(name) if isinstance(additional, dict) else None
    return additional if type(additional) is int and 0 <= additional <= _MAX_COUNT else None


def read_usage(found: WireUsage | None, thinking: int | None) -> tuple[Usage | None, tuple[str, ...]]:
    """Return the usage, and which details of it are reported. On the wire input excludes the cache."""
    if found is None:
        return None, ()
    usage = Usage(
        input=_count(found.input_tokens),
        cache_read=_count(found.cache_read_input_tokens),
        cache_write=_count(found.cache_write_input_tokens),
        output=_count(found.output_tokens),
        reasoning=_count(thinking),
    )
    reported = (
        ("cached", found.cache_read_input_tokens),
        ("cache_write", found.cache_write_input_tokens),
        ("reasoning", thinking),
    )
    return usage, tuple(name for name, figure in reported if figure is not None)


def _count(value: int | None) -> int:
    return value if value is not None and 0 < value <= _MAX_COUNT else 0
