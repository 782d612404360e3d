"""A whole chat answer: the bytes as they are when they conform, else a repaired copy; and its usage."""

from typing import Any

import msgspec

from gateway.errors import ProviderFailure
from gateway.providers.chat_problems import unreadable
from gateway.providers.openai_errors import failure_in_answer
from gateway.providers.openai_repairs import (
    FINISH_REASONS,
    NO_ARGUMENTS,
    arguments_text,
    decode,
    encode,
    finish_reason,
    is_call_id,
    merge_text,
)
from gateway.providers.openai_rows import Row
from gateway.providers.openai_usage import conforming_usage, read_usage
from gateway.types import Answer, ChatRequest, Reply

OBJECT = "chat.completion"


class _Function(msgspec.Struct):
    name: Any = None
    arguments: Any = None


class _Call(msgspec.Struct):
    id: Any = None
    type: Any = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    role: Any = None
    content: msgspec.Raw = msgspec.Raw(b"null")
    reasoning: Any = None
    refusal: Any = None
    audio: Any = None
    function_call: Any = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    index: Any = None
    message: _Message | None = None
    finish_reason: Any = None


class _Answer(msgspec.Struct):
    id: Any = None
    object: Any = None
    created: Any = None
    model: Any = None
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None


_answer = msgspec.json.Decoder(_Answer)


def parse_chat(row: Row, request: ChatRequest, reply: Reply) -> Answer:
    """Read an answer. Raises ProviderFailure for an error inside a 200 and for what cannot be read."""
    body = reply.body
    try:
        found = _answer.decode(body)
        if not body.isascii():
            body.decode()  # the decoder leaves the strings that it skips unchecked
    except msgspec.ValidationError:
        return _repaired(row, request, decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise unreadable() from None
    if found.error or not found.choices or not _conforms(row, found, found.choices):
        return _repaired(row, request, decode(body))
    return Answer(body, read_usage(found.usage), found.model)


def _conforms(row: Row, found: _Answer, choices: list[_Choice]) -> bool:
    usage = found.usage
    return (
        isinstance(found.id, str)
        and found.id != ""
        and not row.own_ids
        and found.object == OBJECT
        and type(found.created) is int
        and found.created > 0
        and isinstance(found.model, str)
        and found.model != ""
        and conforming_usage(usage) is usage
        and all(_choice_conforms(choice) for choice in choices)
    )


def _choice_conforms(choice: _Choice) -> bool:
    message = choice.message
    if message is None or type(choice.index) is not int or message.role != "assistant" or message.reasoning:
        return False
    calls = message.tool_calls
    if calls is not None and not (calls and all(_call_conforms(call) for call in calls)):
        return False
    reason = choice.finish_reason
    if type(reason) is not str or reason not in FINISH_REASONS or (calls and reason == "stop"):
        return False
    first = bytes(memoryview(message.content)[:1])
    return first == b'"' or (first == b"n" and bool(calls or _is_without_text(message)))


def _is_without_text(message: _Message) -> bool:
    return bool(message.refusal or message.audio or message.function_call)


def _call_conforms(call: _Call) -> bool:
    if not is_call_id(call.id) or call.type != "function":
        return call.type == "custom" and is_call_id(call.id)
    function = call.function
    return function is not None and isinstance(function.arguments, str) and function.arguments != ""


def _repaired(row: Row, request: ChatRequest, document: Any) -> Answer:
    """Return an answer made to conform. Raises ProviderFailure when there is none in it."""
    if not isinstance(document, dict):
        raise unreadable()
    choices = document.get("choices")
    if document.get("error") or document.get("object") == "error":
        raise ProviderFailure(failure_in_answer(document))
    if not isinstance(choices, list) or not choices:
        raise unreadable()
    for position, choice in enumerate(choices):
        _repair_choice(request, position, choice)
    identity, created, model = document.get("id"), document.get("created"), document.get("model")
    if row.own_ids or not (isinstance(identity, str) and identity):
        document["id"] = f"chatcmpl-{request.request_id}"
    document["object"] = OBJECT
    if not (type(created) is int and created > 0):
        document["created"] = request.received_at
    if not (isinstance(model, str) and model):
        document["model"] = model = request.model
    usage = document["usage"] = conforming_usage(document.get("usage"))
    return Answer(encode(document), read_usage(usage), model)


def _repair_choice(request: ChatRequest, position: int, choice: Any) -> None:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise unreadable()
    if type(choice.get("index")) is not int:
        choice["index"] = position
    message["role"] = "assistant"
    merge_text(message)
    calls = message.pop("tool_calls", None)
    kept = [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    for number, call in enumerate(kept):
        _repair_call(call, f"call_{request.request_id}_{choice['index']}_{number}")
    if kept:
        message["tool_calls"] = kept
    if message.get("content") is None:
        silent = kept or any(message.get(name) for name in ("refusal", "audio", "function_call"))
        message["content"] = None if silent else ""
    reason = finish_reason(choice.get("finish_reason"), has_calls=bool(kept))
    choice["finish_reason"] = reason or ("tool_calls" if kept else "stop")


def _repair_call(call: dict[str, Any], fallback_id: str) -> None:
    if not is_call_id(call.get("id")):
        call["id"] = fallback_id
    if call.get("type") == "custom":
        return
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    function["arguments"] = arguments_text(function.get("arguments")) or NO_ARGUMENTS
    call["type"] = "function"
    call["function"] = {"name": "", **function}
