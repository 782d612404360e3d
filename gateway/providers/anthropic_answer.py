"""Whole answers of Anthropic's Messages API read into OpenAI's shape; usage and stop reasons.

Reference: platform.claude.com/docs/en/api/messages. The blocks of server tools are left out.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.errors import ProviderFailure
from gateway.providers.anthropic_errors import failure_in_answer
from gateway.providers.anthropic_request import Notes
from gateway.providers.anthropic_tools import JSON_TOOL
from gateway.providers.chat_answer import (
    NO_ARGUMENTS,
    answer,
    choice_object,
    encode,
    message_object,
    tool_call,
)
from gateway.providers.chat_problems import unreadable
from gateway.types import Answer, ChatRequest, Reply, Usage

THINKING = ("thinking", "redacted_thinking")
NO_NOTES = Notes()
_FINISH_REASONS: Mapping[str, str] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_DECLINED = "The model declined to answer."
_MAX_COUNT = 10**12  # tokens; no answer has more
_FENCES = ("```json", "```")


class _Found:
    """What the blocks of an answer hold, collected in their order."""

    __slots__ = ("annotations", "calls", "json", "notes", "reasoning", "text", "thinking")

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.text = ""
        self.json = ""  # the input of JSON_TOOL
        self.reasoning: list[str] = []
        self.calls: list[dict[str, Any]] = []
        self.thinking: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []

    def add(self, block: dict[str, Any]) -> None:
        """Read one block; unknown ones mean nothing."""
        kind = block.get("type")
        if kind == "text":
            self._add_text(block)
        elif kind == "tool_use":
            self._add_call(block)
        elif kind in THINKING:
            self.thinking.append(block)
            if text := _string(block, "thinking"):
                self.reasoning.append(text)

    def _add_text(self, block: dict[str, Any]) -> None:
        start = len(self.text)
        self.text += _string(block, "text")
        citations = block.get("citations")
        for citation in citations if isinstance(citations, list) else ():
            url = citation.get("url") if isinstance(citation, dict) else None
            if isinstance(url, str) and url:
                about = {
                    "start_index": start,
                    "end_index": len(self.text),
                    "url": url,
                    "title": _string(citation, "title"),
                }
                self.annotations.append({"type": "url_citation", "url_citation": about})

    def _add_call(self, block: dict[str, Any]) -> None:
        name = _string(block, "name")
        arguments = _arguments(block.get("input"))
        if self.notes.json_tool and name == JSON_TOOL:
            self.json = arguments
        else:
            self.calls.append(tool_call(_string(block, "id"), self.notes.names.get(name, name), arguments))


def parse_message(request: ChatRequest, reply: Reply) -> Answer:
    """Read an answer. Raises ProviderFailure for an error inside a 200 and for what cannot be read."""
    try:
        return _parse(request, msgspec.json.decode(reply.body), reply.notes)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise unreadable() from None


def _parse(request: ChatRequest, document: Any, notes: Any) -> Answer:
    if not isinstance(document, dict):
        raise unreadable()
    if document.get("type") == "error" or isinstance(document.get("error"), dict):
        raise ProviderFailure(failure_in_answer(document))
    blocks = document.get("content")
    if not isinstance(blocks, list):
        raise unreadable()
    found = _Found(notes if isinstance(notes, Notes) else NO_NOTES)
    for block in blocks:
        if isinstance(block, dict):
            found.add(block)
    usage = document.get("usage")
    figures = usage if isinstance(usage, dict) else {}
    return answer(
        request,
        _string(document, "id"),
        _string(document, "model"),
        [choice_object(*_message(found, document))],
        usage=read_usage(figures) if figures else None,
        details=usage_details(figures),
    )


def finish_reason(stop_reason: Any, *, json_tool: bool) -> str:
    """Return OpenAI's finish reason; unknown ones are stop. `json_tool`: its call is no tool call."""
    found = _FINISH_REASONS.get(stop_reason, "stop") if isinstance(stop_reason, str) else "stop"
    return "stop" if json_tool and found == "tool_calls" else found


def refusal_text(stop_details: Any) -> str:
    """Return why the model declined."""
    explanation = stop_details.get("explanation") if isinstance(stop_details, dict) else None
    return explanation if isinstance(explanation, str) and explanation else _DECLINED


def read_usage(figures: Mapping[str, Any]) -> Usage:
    """Return the figures in disjoint buckets, as the provider gives them: its input excludes the cache."""
    details = figures.get("output_tokens_details")
    return Usage(
        input=_count(figures.get("input_tokens")),
        cache_read=_count(figures.get("cache_read_input_tokens")),
        cache_write=_count(figures.get("cache_creation_input_tokens")),
        output=_count(figures.get("output_tokens")),
        reasoning=_count(details.get("thinking_tokens")) if isinstance(details, dict) else 0,
    )


def usage_details(figures: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the provider reports beside the totals, for `usage_object`."""
    if isinstance(figures.get("output_tokens_details"), dict):
        return ("cached", "cache_write", "reasoning")
    return ("cached", "cache_write")


def _message(found: _Found, document: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the message and its finish reason."""
    text = found.json or found.text
    if found.notes.fenced:
        text = _without_fence(text)
    stop_reason = document.get("stop_reason")
    extras: dict[str, Any] = {}
    if found.thinking:
        extras["thinking_blocks"] = found.thinking
    if found.annotations:
        extras["annotations"] = found.annotations
    message = message_object(
        text,
        calls=found.calls,
        reasoning="\n".join(found.reasoning),
        refusal=refusal_text(document.get("stop_details")) if stop_reason == "refusal" else None,
        extras=extras,
    )
    return message, finish_reason(stop_reason, json_tool=found.notes.json_tool)


def _without_fence(text: str) -> str:
    """Return the text without one Markdown fence around it."""
    stripped = text.strip()
    for fence in _FENCES:
        if stripped.startswith(fence) and stripped.endswith("```") and len(stripped) >= len(fence) + 3:
            return stripped[len(fence) : -3].strip()
    return text


def _arguments(value: Any) -> str:
    """Return a call's input as JSON text."""
    return encode(value).decode() if value else NO_ARGUMENTS


def _string(source: Mapping[str, Any], name: str) -> str:
    value = source.get(name)
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if type(value) is int and 0 < value <= _MAX_COUNT else 0
