"""A conversation in OpenAI's shape, written as Cohere's v2 messages.

System messages stay where they are; a string stays a string, and a list of parts a list. A tool's result
follows its call directly. Cohere reads no files and no sound. Claude's thinking blocks are left out.
"""

from typing import Any

from gateway.providers.chat_messages import ASSISTANT, Call, Result, Turn, read_turns
from gateway.providers.chat_names import CallIds
from gateway.providers.chat_parts import FIELD, Image, Part, Text, plain_text
from gateway.providers.chat_problems import invalid, unsupported

_NO_RESULT = "(no result)"
_EMPTY_RESULT = "(empty)"
_DETAILS = frozenset({"auto", "low", "high"})


def write_messages(messages: Any) -> list[dict[str, Any]]:
    """Return the messages for Cohere.

    Raises ProviderFailure: unsupported for files and sound, invalid_request for what nobody could read.
    """
    turns = read_turns(messages, CallIds(str))
    written = [message for turn in turns for message in _written(turn)]
    if not written:
        raise invalid(FIELD, "The messages hold nothing but blank text.")
    return written


def _written(turn: Turn) -> list[dict[str, Any]]:
    if turn.role == ASSISTANT:
        return _assistant(turn)
    messages: list[dict[str, Any]] = [
        {"role": "tool", "tool_call_id": result.id, "content": _result_text(result)}
        for result in turn.results
    ]
    if turn.parts:
        messages.append({"role": turn.role, "content": _content(turn)})
    return messages


def _assistant(turn: Turn) -> list[dict[str, Any]]:
    """Return the message; none for a turn of nothing but thinking blocks."""
    message: dict[str, Any] = {"role": ASSISTANT}
    if turn.calls and turn.reasoning:
        message["tool_plan"] = turn.reasoning
    if turn.calls:
        message["tool_calls"] = [_call(call) for call in turn.calls]
    if turn.parts:
        message["content"] = _content(turn)
    return [message] if turn.parts or turn.calls else []


def _call(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments_text}
    return {"id": call.id, "type": "function", "function": function}


def _content(turn: Turn) -> str | list[dict[str, Any]]:
    if turn.is_string:
        return plain_text(turn.parts)
    return [_part(part, turn.role) for part in turn.parts]


def _part(part: Part, role: str) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Image) and role == "user":
        return {"type": "image_url", "image_url": _image(part)}
    raise unsupported(FIELD, "Cohere takes text in messages, and images in those of users.")


def _image(part: Image) -> dict[str, Any]:
    if part.url and not part.url.lower().startswith("https://"):
        raise unsupported(FIELD, "Cohere takes images as https or data URLs.")
    image = {"url": part.url or f"data:{part.media_type};base64,{part.data}"}
    return image | {"detail": part.detail} if part.detail in _DETAILS else image


def _result_text(result: Result) -> str:
    if result.is_missing:
        return _NO_RESULT
    if isinstance(result.content, str):
        return result.content if result.content.strip() else _EMPTY_RESULT
    if not all(isinstance(part, Text) for part in result.content):
        raise unsupported(FIELD, "Cohere takes nothing but text as the result of a tool.")
    return plain_text(result.content) or _EMPTY_RESULT
