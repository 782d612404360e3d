"""The fields of an OpenAI chat request besides its messages, read into neutral form, and what became of them.

Reference: platform.openai.com/docs/api-reference/chat/create. A translator takes the fields that it knows
from `Fields`; what nobody took is dropped by name. Messages: chat_messages, chat_parts. Names: chat_names.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.providers.chat_problems import invalid, unsupported

# What means nothing to a provider, and is never named as dropped.
_SILENT = frozenset({"model", "messages", "stream", "stream_options", "metadata"})
# Values that ask for nothing.
_HARMLESS: dict[str, tuple[Any, ...]] = {
    "n": (1,), "frequency_penalty": (0,), "presence_penalty": (0,), "logit_bias": ({},), "logprobs": (False,),
    "top_logprobs": (0,), "parallel_tool_calls": (True,), "modalities": (["text"], []), "tools": ([],),
    "functions": ([],),
}  # fmt: skip
# What changes the meaning of the answer: a provider that lacks it must not pretend. In the order of checking.
MEANINGFUL = ("n", "modalities", "audio", "logprobs", "top_logprobs", "web_search_options")


class Fields:
    """The fields of one request. What is taken is the taker's business; what is left over is dropped."""

    __slots__ = ("_adjusted", "_dropped", "_left")

    def __init__(self, body: dict[str, Any]) -> None:
        self._left = dict(body)
        self._adjusted: set[str] = set()
        self._dropped: set[str] = set()

    def take(self, name: str) -> Any:
        """Return a field's value, None when it is absent or null."""
        return self._left.pop(name, None)

    def has(self, name: str) -> bool:
        """Tell whether a field is there and not null, and nobody took it yet."""
        return self._left.get(name) is not None

    def drop(self, name: str) -> None:
        """Name a field, taken before, as dropped."""
        self._dropped.add(name)

    def adjust(self, name: str) -> None:
        """Name a field as sent with another value."""
        self._adjusted.add(name)

    def refuse(self, *names: str) -> None:
        """Refuse fields that ask for something the provider lacks. Raises ProviderFailure (unsupported)."""
        for name in names or MEANINGFUL:
            value = self._left.pop(name, None)
            if value is not None and value not in _HARMLESS.get(name, ()):
                raise unsupported(name, f"'{name}' is not supported by this provider.")

    def number(self, name: str, low: float, high: float) -> float | None:
        """Take a number, clamped to `low`..`high`. Raises ProviderFailure when it is none."""
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid(name, f"'{name}' must be a number.")
        if low <= value <= high:
            return value
        self.adjust(name)
        return low if value < low else high

    def text(self, name: str) -> str:
        """Take a string; empty when it is absent. Raises ProviderFailure when it is none."""
        value = self.take(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise invalid(name, f"'{name}' must be a string.")
        return value

    @property
    def dropped(self) -> tuple[str, ...]:
        """The names of what the provider did not get, sorted."""
        if not self._left and not self._dropped:
            return ()
        left = {
            name
            for name, value in self._left.items()
            if value is not None and name not in _SILENT and value not in _HARMLESS.get(name, ())
        }
        return tuple(sorted(left | self._dropped))

    @property
    def adjusted(self) -> tuple[str, ...]:
        """The names of what the provider got with another value, sorted."""
        return tuple(sorted(self._adjusted)) if self._adjusted else ()


class Tool(msgspec.Struct, frozen=True, gc=False):
    """A function that the model may call. `parameters` is the caller's own schema, maybe empty."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool = False
    cache_control: Any = None


class ToolChoice(msgspec.Struct, frozen=True, gc=False):
    """Whether to call tools. `mode`: auto, none, required, or function, which `name` names."""

    mode: str
    name: str = ""


class JsonOutput(msgspec.Struct, frozen=True, gc=False):
    """The answer must be JSON. `schema` is None where any object will do (json_object)."""

    schema: dict[str, Any] | None = None
    name: str = ""
    description: str = ""
    strict: bool = False


def read_body(raw: bytes) -> dict[str, Any]:
    """Decode the caller's body. Raises ProviderFailure (invalid_request) when it is no JSON object."""
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise invalid("messages", "We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise invalid("messages", "The body of a request must be a JSON object.")
    return body


def take_max_tokens(fields: Fields) -> int | None:
    """Take `max_completion_tokens`, else `max_tokens`. Raises ProviderFailure when it is below 1."""
    newer, older = fields.take("max_completion_tokens"), fields.take("max_tokens")
    name, value = ("max_tokens", older) if newer is None else ("max_completion_tokens", newer)
    if value is not None and (type(value) is not int or value < 1):
        raise invalid(name, f"'{name}' must be an integer of at least 1.")
    return value


def take_stop(fields: Fields) -> list[str]:
    """Take `stop` as a list without empty entries. Raises ProviderFailure when it is something else."""
    value = fields.take("stop")
    if value is None:
        return []
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise invalid("stop", "'stop' must be a string or a list of strings.")
    return [entry for entry in entries if entry]


def take_tools(fields: Fields) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """Take `tools` and `tool_choice`, or the legacy `functions` and `function_call`, which they outrank.

    `allowed_tools` leaves the allowed tools only. A choice without tools to choose from is None, unless it
    demands a call. Raises ProviderFailure: unsupported for custom tools, invalid_request for malformed ones.
    """
    entries, choice = fields.take("tools"), fields.take("tool_choice")
    functions, function_call = fields.take("functions"), fields.take("function_call")
    if not entries and functions:
        entries, choice = (
            [{"function": function} for function in _list(functions, "functions")],
            function_call,
        )
        choice = {"type": "function", "function": choice} if isinstance(choice, dict) else choice
        tools = tuple([_tool(entry, "functions") for entry in entries])
    else:
        tools = tuple([_tool(entry, "tools") for entry in _list(entries or [], "tools")])
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        tools, choice = _allowed(tools, choice)
    found = None if choice is None else _choice(choice)
    if found is not None and not tools:
        if found.mode in {"required", "function"}:
            raise invalid("tool_choice", "'tool_choice' is only allowed when 'tools' are specified.")
        return (), None
    return tools, found


def take_json_output(fields: Fields) -> JsonOutput | None:
    """Take `response_format`; None means text.

    Raises ProviderFailure: unsupported for an unknown type, invalid_request for a malformed schema.
    """
    name = "response_format"
    value = fields.take(name)
    if value is None:
        return None
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return JsonOutput()
    if kind != "json_schema":
        raise unsupported(name, "This type of 'response_format' is not supported by this provider.")
    about = value.get("json_schema")
    schema = about.get("schema") if isinstance(about, dict) else None
    if not isinstance(about, dict) or not isinstance(schema, dict | None):
        raise invalid(
            name, "'response_format' of type json_schema must have a 'json_schema' with a 'schema'."
        )
    return JsonOutput(
        {} if schema is None else schema,
        _optional_text(about, "name", name),
        _optional_text(about, "description", name),
        about.get("strict") is True,
    )


def take_reasoning_effort(fields: Fields) -> str:
    """Take `reasoning_effort`; empty when absent. Raises ProviderFailure for one that is not OpenAI's."""
    effort = fields.text("reasoning_effort")
    if effort and effort not in REASONING_EFFORTS:
        raise invalid(
            "reasoning_effort", f"'reasoning_effort' must be one of {', '.join(REASONING_EFFORTS)}."
        )
    return effort


REASONING_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise invalid(name, f"'{name}' must be a list.")
    return value


def _tool(entry: Any, field: str) -> Tool:
    if not isinstance(entry, dict):
        raise invalid(field, f"An entry of '{field}' must be an object.")
    if entry.get("type", "function") != "function":
        raise unsupported(field, "Tools other than functions are not supported by this provider.")
    function = entry.get("function")
    if not isinstance(function, dict) or not (name := _optional_text(function, "name", field)):
        raise invalid(field, "A tool must have a 'function' with a name.")
    parameters = function.get("parameters")
    if not isinstance(parameters, dict | None):
        raise invalid(field, "A function's 'parameters' must be a JSON schema object.")
    return Tool(
        name,
        _optional_text(function, "description", field),
        parameters or {},
        function.get("strict") is True,
        entry.get("cache_control") or function.get("cache_control"),
    )


def _allowed(tools: Sequence[Tool], choice: dict[str, Any]) -> tuple[tuple[Tool, ...], str]:
    """Return the tools that `allowed_tools` names, and its mode."""
    about = choice.get("allowed_tools", choice)  # Responses clients put the members beside the type
    entries = about.get("tools") if isinstance(about, dict) else None
    mode = about.get("mode") if isinstance(about, dict) else None
    if mode not in ("auto", "required") or not isinstance(entries, list):
        raise invalid(
            "tool_choice", "'allowed_tools' must have a mode, auto or required, and a list of tools."
        )
    names = {_named(entry) for entry in entries if isinstance(entry, dict)}
    return tuple(tool for tool in tools if tool.name in names), mode


def _choice(choice: Any) -> ToolChoice:
    if isinstance(choice, str):
        if choice not in {"auto", "none", "required"}:
            raise invalid("tool_choice", "'tool_choice' must be auto, none, required or name a function.")
        return ToolChoice(choice)
    if not isinstance(choice, dict) or choice.get("type") != "function":
        raise unsupported("tool_choice", "This form of 'tool_choice' is not supported by this provider.")
    if not (name := _named(choice)):
        raise invalid("tool_choice", "'tool_choice' of type function must name the function.")
    return ToolChoice("function", name)


def _named(entry: dict[str, Any]) -> str:
    function = entry.get("function")
    name = function.get("name") if isinstance(function, dict) else entry.get("name")
    return name if isinstance(name, str) else ""


def _optional_text(source: dict[str, Any], name: str, field: str) -> str:
    value = source.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise invalid(field, f"'{name}' in '{field}' must be a string.")
    return value
