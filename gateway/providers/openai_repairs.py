"""What answers and streams of OpenAI-compatible providers get wrong in the same way, put right.

These functions change the object they are given: callers hand them what they have just decoded themselves.
Source: wire facts of 23 Nov 2026 (responses and streams of OpenAI-compatible providers).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.errors import Failure, FailureClass, ProviderFailure
from gateway.providers.chat_problems import unreadable

FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
_FINISH_NAMES: Mapping[str, str] = {
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "model_length": "length",
    "max_tokens": "length",
    "safety": "content_filter",
}
_FAILED = frozenset({"error", "abort"})
NO_ARGUMENTS = "{}"


def decode(raw: bytes) -> Any:
    """Decode JSON of a provider. Raises ProviderFailure when it is none."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise unreadable() from None


def encode(document: Any) -> bytes:
    """Encode what a repair made. Raises ProviderFailure when it is nested too deeply."""
    try:
        return msgspec.json.encode(document)
    except RecursionError:
        raise unreadable() from None


def finish_reason(reason: Any, *, has_calls: bool) -> str | None:
    """Return the reason in OpenAI's words: tool_calls wherever a call was made, stop for unknown words.

    Nothing (null or empty) stays None. Raises ProviderFailure when the word means a failure.
    """
    if not reason:
        return None
    name = _FINISH_NAMES.get(reason, reason) if isinstance(reason, str) else "stop"
    if name in _FAILED:
        raise ProviderFailure(
            Failure(FailureClass.SERVER_ERROR, "The provider failed while it was answering.")
        )
    if name not in FINISH_REASONS:
        name = "stop"
    return "tool_calls" if has_calls and name == "stop" else name


def merge_text(message: dict[str, Any]) -> None:
    """Make content a string or null, and reasoning the one string `reasoning_content`.

    Mistral's content may be a list of thinking, text and reference parts; others say `reasoning`, or both.
    """
    content = message.get("content")
    thoughts = ""
    if isinstance(content, list):
        message["content"], thoughts = _split_parts(content)
    elif content is not None and not isinstance(content, str):
        del message["content"]
    other = message.pop("reasoning", None)
    named = message.get("reasoning_content")
    reasoning = next((found for found in (named, other, thoughts) if isinstance(found, str) and found), "")
    if reasoning:
        message["reasoning_content"] = reasoning
    elif named is not None:
        del message["reasoning_content"]


def arguments_text(value: Any) -> str:
    """Return a call's arguments as JSON text; older servers give an object."""
    if isinstance(value, str):
        return value
    return encode(value).decode() if isinstance(value, dict | list) else ""


def is_call_id(value: Any) -> bool:
    """Return whether a tool call's id is one (Mistral's SDK writes the word null where it has none)."""
    return isinstance(value, str) and value not in ("", "null")


def _split_parts(parts: list[Any]) -> tuple[str, str]:
    text, thoughts = [], []
    for part in parts:
        if isinstance(part, str):
            text.append(part)
        elif isinstance(part, dict) and part.get("type") == "thinking":
            inner = part.get("thinking")
            thoughts.append(inner if isinstance(inner, str) else _split_parts(inner or [])[0])
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            text.append(part["text"])
    return "".join(text), "".join(thoughts)
