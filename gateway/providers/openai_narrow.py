"""OpenAI's requests for providers whose own types are narrower: they refuse members that they don't know.

Refusals become text, legacy functions tools, and the rest as the row's NarrowTypes say. Looking into messages
is dear, so a cheap look at the bytes decides whether to. Source: mistralai 3.7.0, groq 1.7.0,
cerebras-cloud-sdk 1.91.0, perplexityai 0.46.1, the types of their requests.
"""

import re
from typing import Any

from gateway.providers.chat_problems import invalid, unsupported
from gateway.providers.openai_rows import NarrowTypes

Object = dict[str, Any]
_MARKS = re.compile(rb'"refusal"|"function_call"|"role"\s*:\s*"function"|"input_audio"|"file"')
_NO_PARAMETERS: Object = {"type": "object", "properties": {}}


def needs_edit(raw: bytes) -> bool:
    """Return whether the messages in these bytes may hold something that such a provider does not know."""
    return _MARKS.search(raw) is not None


def edit_messages(types: NarrowTypes, messages: Any) -> Any:
    """Return the messages with nothing in them but what is known; what is no message is left alone.

    Raises ProviderFailure: unsupported for files and sound, invalid_request for what nobody could read.
    """
    if not isinstance(messages, list):
        return messages
    calls = None if types.functions else _LegacyCalls()
    return [_message(types, each, calls) if isinstance(each, dict) else each for each in messages]


class _LegacyCalls:
    """Gives legacy function calls ids, which they lack, and their results the same ones."""

    __slots__ = ("_count", "_latest")

    def __init__(self) -> None:
        self._count = 0
        self._latest: dict[str, str] = {}

    def call(self, function: Object) -> Object:
        """Return the call as one of tools."""
        self._count += 1
        identity = self._latest[str(function.get("name"))] = f"legacy_{self._count}"
        return {"id": identity, "type": "function", "function": function}

    def id_for(self, name: Any) -> str:
        """Return the id of the latest call of the function."""
        return self._latest.get(str(name), "legacy_0")


def _message(types: NarrowTypes, message: Object, calls: _LegacyCalls | None) -> Object:
    edited = dict(message)
    if calls is not None:
        _use_tools(edited, calls)
    refusal = edited.pop("refusal", None)
    if isinstance(content := edited.get("content"), list):
        edited["content"] = content = [
            _part(types, part) if isinstance(part, dict) else part for part in content
        ]
    if isinstance(refusal, str) and refusal:
        added = {"type": "text", "text": refusal}
        edited["content"] = [*content, added] if isinstance(content, list) else f"{content or ''}{refusal}"
    return edited


def _use_tools(message: Object, calls: _LegacyCalls) -> None:
    if message.get("role") == "function":
        message |= {"role": "tool", "tool_call_id": calls.id_for(message.pop("name", None))}
    if isinstance(function := message.pop("function_call", None), dict):
        message["tool_calls"] = [calls.call(function)]


def _part(types: NarrowTypes, part: Object) -> Object:
    kind = part.get("type")
    if kind == "refusal":
        return {"type": "text", "text": part.get("refusal") or ""}
    if (kind == "input_audio" and types.audio == "none") or (kind == "file" and types.files == "none"):
        raise unsupported("messages", f"Parts of the type '{kind}' are not supported by this provider.")
    if kind == "input_audio" and isinstance(sound := part.get("input_audio"), dict):
        return {"type": "input_audio", "input_audio": sound.get("data") or ""}
    if kind == "file" and isinstance(file := part.get("file"), dict):
        return _document(file)
    return part


def _document(file: Object) -> Object:
    data, identity = file.get("file_data"), file.get("file_id")
    if not isinstance(data, str) or not data:
        if isinstance(identity, str) and identity:
            return {"type": "file", "file_id": identity}
        raise invalid("messages", "A 'file' part must have 'file_data' or 'file_id'.")
    url = data if data.startswith("data:") else f"data:application/pdf;base64,{data}"
    document = {"type": "document_url", "document_url": url}
    return document | {"document_name": file["filename"]} if file.get("filename") else document


def edit_tools(types: NarrowTypes, fields: Object) -> Object:
    """Return what has to change in tools and what goes with them; None for a field that has to go.

    `fields` are decoded: tools, tool_choice, functions, function_call, as far as they are there. Raises
    ProviderFailure (unsupported) for a choice of no known form.
    """
    tools, choice = fields.get("tools"), fields.get("tool_choice")
    changes: Object = {}
    if not types.functions:
        changes = {name: None for name in ("functions", "function_call") if name in fields}
    if not types.functions and not tools and isinstance(functions := fields.get("functions"), list):
        tools = [{"type": "function", "function": function} for function in functions]
        choice = fields.get("function_call")
        choice = {"type": "function", "function": choice} if isinstance(choice, dict) else choice
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        tools, choice = _allowed(tools, choice)
    if isinstance(tools, list):
        changes["tools"] = [_tool(types, tool) for tool in tools]
    if choice is not None:
        changes["tool_choice"] = choice
    return changes


def _allowed(tools: Any, choice: Object) -> tuple[Any, Any]:
    """Return the tools that may be called, and whether one must be."""
    about = choice.get("allowed_tools")
    if not isinstance(about, dict) or not isinstance(about.get("tools"), list):
        raise unsupported("tool_choice", "This form of 'tool_choice' is not supported by this provider.")
    names = [_name(tool) for tool in about["tools"]]
    return [tool for tool in tools or () if _name(tool) in names], about.get("mode")


def _name(tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, dict) else None
    return function.get("name") if isinstance(function, dict) else None


def _tool(types: NarrowTypes, tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict):
        return tool
    kept = _without_nulls(function)
    if types.needs_parameters:
        kept.setdefault("parameters", _NO_PARAMETERS)
    return {**tool, "function": kept}


def edit_format(types: NarrowTypes, response_format: Any) -> Any:
    """Return the response format with a schema, which may be left out at OpenAI.

    Raises ProviderFailure (unsupported) for a form that the provider lacks.
    """
    if not isinstance(response_format, dict):
        return response_format
    if response_format.get("type") == "json_object" and not types.json_object:
        raise unsupported("response_format", "JSON without a schema is not supported by this provider.")
    about = response_format.get("json_schema")
    if not isinstance(about, dict):
        return response_format
    return {**response_format, "json_schema": {"schema": {}, **_without_nulls(about)}}


def _without_nulls(members: Object) -> Object:
    return {name: value for name, value in members.items() if value is not None}
