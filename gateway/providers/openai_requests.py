"""A caller's chat body made fit for a row: refuse, rename, drop, clamp, ask for usage, name the model.

Only the top level is decoded, and the messages only where the row has a rule about them that may apply; all
nested bytes stay as the caller wrote them. A body in which nothing has to change is returned as it is.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from gateway.errors import Failure, FailureClass, InvalidRequest, ProviderFailure
from gateway.providers import openai_messages, openai_narrow
from gateway.providers.openai_rows import NarrowTypes, Row
from gateway.types import ChatRequest

Raw = msgspec.Raw
_top_level = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.encode

# Dropped without a word: hints, and what the gateway itself takes care of.
_SILENT = frozenset({"metadata", "stream_options"})
# Dropped without a word when the value only says what is the default anyway.
_DEFAULTS: Mapping[str, tuple[bytes, ...]] = {
    "frequency_penalty": (b"0", b"0.0"),
    "presence_penalty": (b"0", b"0.0"),
    "parallel_tool_calls": (b"true",),
    "logit_bias": (b"{}",),
    "store": (b"false",),
    "logprobs": (b"false",),
    "top_logprobs": (b"0",),
    "modalities": (b'["text"]', b"[]"),
}
_ABOUT_TOOLS = ("tools", "tool_choice", "functions", "function_call")
_NULLS = frozenset({"audio", "modalities", "web_search_options", "response_format", "tool_choice", "stream"})


class Body(NamedTuple):
    """A body for the provider, with the OpenAI names of what was left out and what was brought into range."""

    raw: bytes
    dropped: tuple[str, ...] = ()
    adjusted: tuple[str, ...] = ()


def unsupported(row: Row, param: str) -> ProviderFailure:
    """Return the failure for a field that would change the meaning of the answer if it were dropped."""
    message = f"{row.label} does not support this value of '{param}'."
    return ProviderFailure(Failure(FailureClass.UNSUPPORTED, message, param=param))


class Fields:
    """The top level of a request body while it is being changed; the body it came from stays as it is."""

    __slots__ = ("adjusted", "changed", "dropped", "found")

    def __init__(self, raw: bytes) -> None:
        """Decode the top level. Raises InvalidRequest when the bytes are not a JSON object."""
        try:
            self.found = _top_level.decode(raw)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise InvalidRequest("The body is not a JSON object.", code="invalid_json") from None
        self.changed = False
        self.dropped: list[str] = []
        self.adjusted: list[str] = []

    def put(self, name: str, value: Any) -> None:
        """Set a field to a value, or to bytes that are JSON already (Raw)."""
        self.found[name] = value
        self.changed = True

    def rename(self, names: Mapping[str, str]) -> None:
        """Rename fields; a null is left out, since it may not displace a value under the new name."""
        for old, new in names.items():
            if (value := self.found.pop(old, None)) is not None:
                self.changed = True
                if bytes(value) != b"null":
                    self.found[new] = value

    def drop(self, name: str) -> None:
        """Leave a field out; it is listed unless the caller loses nothing by it."""
        if (value := self.found.pop(name, None)) is None:
            return
        self.changed = True
        written = bytes(value)
        if name not in _SILENT and written != b"null" and written not in _DEFAULTS.get(name, ()):
            self.dropped.append(name)

    def clamp(self, name: str, low: float, high: float) -> None:
        """Bring a number into the range that the provider takes."""
        value = _value(self.found[name]) if name in self.found else None
        if isinstance(value, int | float) and not isinstance(value, bool) and not low <= value <= high:
            self.put(name, low if value < low else high)
            self.adjusted.append(name)

    def body(self, raw: bytes) -> Body:
        """Return the finished body; `raw` itself when nothing changed."""
        if not self.changed:
            return Body(raw)
        return Body(_encode(self.found), tuple(sorted(self.dropped)), tuple(sorted(self.adjusted)))


def chat_body(row: Row, request: ChatRequest, model: str, *, ask_usage: bool = True) -> Body:
    """Return the body that asks this row's provider for `model`.

    `ask_usage` is false where a provider of this row is too old to be asked for usage in streams.
    Raises ProviderFailure (unsupported) for what the provider cannot do.
    """
    asks = ask_usage and row.takes_stream_options and request.stream and not request.include_usage
    about_messages = openai_messages.may_apply(row.messages, request.raw)
    if not (asks or about_messages or row.edits_fields or request.model != model):
        return Body(request.raw)
    fields = Fields(request.raw)
    if row.edits_fields:
        _apply_tables(row, fields, model)
    if row.narrow is not None:
        _fit_narrow_types(row.narrow, fields, request.raw)
    if asks:
        _ask_for_usage(fields)
    if request.model != model:
        fields.put("model", model)
    if about_messages and (messages := openai_messages.edit(row.messages, fields.found.get("messages"))):
        fields.put("messages", messages)
    if not row.strict_tools and (tools := openai_messages.without_strict(fields.found.get("tools"))):
        fields.put("tools", tools)
    return fields.body(request.raw)


def _apply_tables(row: Row, fields: Fields, model: str) -> None:
    found = fields.found
    for name in sorted(row.refuse & found.keys()):
        if REFUSALS[name](found[name]):
            raise unsupported(row, name)
    for name in (row.drop | (row.refuse & _DEFAULTS.keys())) & found.keys():
        fields.drop(name)
    for name in row.drop_objects & found.keys():
        if bytes(found[name]).startswith(b"{"):
            fields.drop(name)
    if row.drop_for is not None and row.drop_for[0].search(model):
        for name in row.drop_for[1]:
            fields.drop(name)
    fields.rename(row.rename)
    for name, (low, high) in row.clamp.items():
        fields.clamp(name, low, high)


def _fit_narrow_types(types: NarrowTypes, fields: Fields, raw: bytes) -> None:
    """Change what the provider's own types don't know. Raises ProviderFailure."""
    found = fields.found
    for name in _NULLS & found.keys():
        if bytes(found[name]) == b"null":
            fields.drop(name)
    if "messages" in found and openai_narrow.needs_edit(raw):
        messages = openai_narrow.edit_messages(types, _value(found["messages"]))
        fields.put("messages", Raw(_encode(messages)))
    if about := {name: _value(found[name]) for name in _ABOUT_TOOLS if name in found}:
        for name, value in openai_narrow.edit_tools(types, about).items():
            if value is None:
                del found[name]
            elif value != about.get(name):
                fields.put(name, Raw(_encode(value)))
    if "response_format" in found:
        asked = _value(found["response_format"])
        if (made := openai_narrow.edit_format(types, asked)) != asked:
            fields.put("response_format", made)
    _fit_words(types, fields)


def _fit_words(types: NarrowTypes, fields: Fields) -> None:
    """Drop or replace words of OpenAI's that the provider does not know."""
    found = fields.found
    tiers = types.service_tiers
    if tiers is not None and "service_tier" in found and _value(found["service_tier"]) not in tiers:
        fields.drop("service_tier")
    effort = _value(found["reasoning_effort"]) if "reasoning_effort" in found else None
    if isinstance(effort, str) and effort in types.efforts:
        if nearest := types.efforts[effort]:
            fields.put("reasoning_effort", nearest)
            fields.adjusted.append("reasoning_effort")
        else:
            fields.drop("reasoning_effort")


def _ask_for_usage(fields: Fields) -> None:
    """Ask for usage in the stream, keeping the caller's other stream options."""
    options = _value(fields.found["stream_options"]) if "stream_options" in fields.found else None
    kept = options if isinstance(options, dict) else {}
    fields.put("stream_options", {**kept, "include_usage": True})


def _value(raw: Any) -> Any:
    return msgspec.json.decode(raw)


def _more_than_one(raw: Any) -> bool:
    value = _value(raw)
    return isinstance(value, int) and value > 1


def _set(raw: Any) -> bool:
    return bytes(raw) not in (b"null", b"false", b"0")


def _audio_output(raw: Any) -> bool:
    return b'"audio"' in bytes(raw)


def _custom_tools(raw: Any) -> bool:
    if b'"custom"' not in bytes(raw):
        return False
    tools = _value(raw)
    return isinstance(tools, list) and any(
        isinstance(tool, dict) and tool.get("type") == "custom" for tool in tools
    )


# Fields that would change the meaning of the answer if dropped: true for the values that do.
REFUSALS: Mapping[str, Callable[[Any], bool]] = {
    "n": _more_than_one,
    "logprobs": _set,
    "top_logprobs": _set,
    "modalities": _audio_output,
    "audio": _set,
    "web_search_options": _set,
    "tools": _custom_tools,
}
