"""The messages of a chat request made fit for a row's rules.

Looking into the messages is dear, so a cheap look at the bytes decides whether any rule may apply at all.
"""

import re
from hashlib import sha256
from typing import Any

import msgspec

from gateway.providers.openai_rows import MessageRules

Raw = msgspec.Raw
Message = dict[str, Any]  # of Raw values, and of values still to be encoded
_messages = msgspec.json.Decoder(list[dict[str, Raw]])
_encode = msgspec.json.encode
_NULL = b"null"
_SHORT_ID = re.compile(r"[A-Za-z0-9]{9}")
_NAMED_BY_ROLE = ("function",)  # the name says whose result it is
_REASONING = ("reasoning_content", "reasoning")
_SIGNED_REASONING = ("reasoning_details", "thinking_blocks")  # only their maker can read them


def may_apply(rules: MessageRules, raw: bytes) -> bool:
    """Return whether the bytes of a body hold a word that one of the rules is about."""
    return any(marker in raw for marker in rules.markers)


def edit(rules: MessageRules, raw: Any) -> list[Message] | None:
    """Return the messages with the rules applied; None when no rule did, or when they are no messages."""
    try:
        messages: list[Message] = _messages.decode(raw)
    except (msgspec.DecodeError, TypeError, RecursionError):
        return None
    # A list, not a generator: every message must be edited.
    changes = [_edit_message(rules, message) for message in messages]
    return messages if any(changes) else None


def without_strict(raw: Any) -> list[Any] | None:
    """Return the tools without `strict`; None when no tool has it."""
    if raw is None or b'"strict"' not in bytes(raw):
        return None
    tools = msgspec.json.decode(raw)
    changed = False
    for tool in tools if isinstance(tools, list) else ():
        function = tool.get("function") if isinstance(tool, dict) else None
        if isinstance(function, dict) and "strict" in function:
            del function["strict"]
            changed = True
    return tools if changed else None


def _edit_message(rules: MessageRules, message: Message) -> bool:
    before = message.copy()
    role = _text(message.get("role"))
    if rules.developer_as_system and role == "developer":
        message["role"] = "system"
    if role not in _NAMED_BY_ROLE and (rules.names == "drop" or (rules.names == "tool" and role != "tool")):
        message.pop("name", None)
    if role == "assistant":
        _edit_assistant(rules, message)
    if rules.flatten_text and _bytes(message.get("content")).startswith(b"["):
        _flatten(message)
    if rules.short_tool_ids:
        _shorten_ids(message)
    return message != before


def _edit_assistant(rules: MessageRules, message: Message) -> None:
    """Send reasoning back by the name that the provider reads; leave out what it does not."""
    found = [value for name in _REASONING if (value := message.pop(name, None)) is not None]
    if rules.reasoning and found:
        message[rules.reasoning] = found[0]
    for name in _SIGNED_REASONING:
        if not (rules.reasoning_details and name == "reasoning_details"):
            message.pop(name, None)
    if rules.drop_nulls:
        for name in [name for name, value in message.items() if _bytes(value) == _NULL and name != "content"]:
            del message[name]


def _flatten(message: Message) -> None:
    parts = msgspec.json.decode(message["content"])
    if all(isinstance(part, dict) and part.get("type") == "text" for part in parts):
        message["content"] = "".join(str(part.get("text", "")) for part in parts)


def _shorten_ids(message: Message) -> None:
    """Hash tool-call ids that the provider would refuse, the same way in the call and in its result."""
    if identity := _text(message.get("tool_call_id")):
        message["tool_call_id"] = _short(identity)
    calls = msgspec.json.decode(message["tool_calls"]) if "tool_calls" in message else None
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict) and isinstance(call.get("id"), str) and call["id"] != _short(call["id"]):
            call["id"] = _short(call["id"])
            message["tool_calls"] = calls


def _short(identity: str) -> str:
    return identity if _SHORT_ID.fullmatch(identity) else sha256(identity.encode()).hexdigest()[:9]


def _bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, Raw) else b""


def _text(value: Any) -> str:
    """Return the string that a raw value is, else an empty one."""
    found = msgspec.json.decode(value) if isinstance(value, Raw) else None
    return found if isinstance(found, str) else ""
