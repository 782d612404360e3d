"""Tools, the choice among them and schemas, written for Anthropic's Messages API.

Reference: platform.claude.com/docs/en/agents-and-tools/tool-use and .../build-with-claude/structured-outputs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.providers.anthropic_messages import cache_control
from gateway.providers.anthropic_schema import (
    MAX_OPTIONAL,
    MAX_UNIONS,
    clean_schema,
    count_optional,
    count_unions,
    is_expressible,
)
from gateway.providers.chat_problems import invalid
from gateway.providers.chat_request import JsonOutput, Tool, ToolChoice

JSON_TOOL = "json_output"  # what stands in for a schema that the provider cannot express
FORCING = frozenset({"required", "function"})
MAX_STRICT_TOOLS = 20  # in one request
_CHOICES = {"auto": "auto", "none": "none", "required": "any"}


class StrictBudget:
    """What one request may still ask of the provider's compiler of schemas."""

    __slots__ = ("_optional", "_unions")

    def __init__(self) -> None:
        self._optional = MAX_OPTIONAL
        self._unions = MAX_UNIONS

    def takes(self, schema: Mapping[str, Any]) -> bool:
        """Take a schema into account; false when the provider could not take it."""
        if not is_expressible(schema):
            return False
        optional, unions = self._optional - count_optional(schema), self._unions - count_unions(schema)
        if optional < 0 or unions < 0:
            return False
        self._optional, self._unions = optional, unions
        return True


def write_tools(
    tools: Sequence[Tool], name_of: Callable[[str], str], budget: StrictBudget | None
) -> list[dict[str, Any]]:
    """Return `tools`. Strict ones that the budget has no room for are sent without; None: all of them.

    Raises ProviderFailure (invalid_request) when two tools have one name.
    """
    written = []
    strict_left = MAX_STRICT_TOOLS
    for tool in distinct(tools):
        schema = _input_schema(tool.parameters)
        strict = tool.strict and budget is not None and strict_left > 0 and budget.takes(schema)
        entry: dict[str, Any] = {"name": name_of(tool.name)}
        if tool.description:
            entry["description"] = tool.description
        entry["input_schema"] = clean_schema(schema, tell=False) if strict else schema
        if strict:
            strict_left -= 1
            entry["strict"] = True
        if tool.cache_control is not None and (found := cache_control(tool.cache_control)) is not None:
            entry["cache_control"] = found
        written.append(entry)
    return written


def write_choice(
    choice: ToolChoice | None, name_of: Callable[[str], str], *, parallel: bool
) -> dict[str, Any] | None:
    """Return `tool_choice`; None where the default says the same."""
    if choice is None:
        return None if parallel else {"type": "auto", "disable_parallel_tool_use": True}
    if choice.mode == "function":
        written: dict[str, Any] = {"type": "tool", "name": name_of(choice.name)}
    else:
        written = {"type": _CHOICES[choice.mode]}
    if not parallel and choice.mode != "none":
        written["disable_parallel_tool_use"] = True
    return written


def json_tool(output: JsonOutput) -> dict[str, Any]:
    """Return the tool whose input is the answer; the schema is sent as it came."""
    tool: dict[str, Any] = {"name": JSON_TOOL, "input_schema": output.schema}
    if output.description:
        tool["description"] = output.description
    return tool


def distinct(tools: Sequence[Tool]) -> list[Tool]:
    """Return the tools without repetitions: names must be unique."""
    distinct: dict[str, Tool] = {}
    for tool in tools:
        if distinct.setdefault(tool.name, tool) != tool:
            raise invalid("tools", "Two different tools have the same name.")
    return list(distinct.values())


def _input_schema(parameters: dict[str, Any]) -> dict[str, Any]:
    if not parameters:
        return {"type": "object", "properties": {}}
    return parameters if parameters.get("type") == "object" else {**parameters, "type": "object"}
