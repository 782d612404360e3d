"""Tools as Converse's toolConfig; JSON output by the service's own constraint, a forced tool, or in words.

Source: botocore's service model `bedrock-runtime`, shapes ToolConfiguration and OutputConfig; wire facts of
23 Nov 2026.
"""

from collections.abc import Sequence

import msgspec

from gateway.providers.anthropic_schema import clean_schema
from gateway.providers.anthropic_tools import JSON_TOOL, MAX_STRICT_TOOLS, StrictBudget, distinct
from gateway.providers.bedrock_blocks import NAME_LIMIT, Block, BlockWriter, fit_name
from gateway.providers.bedrock_fields import Object, Thinking
from gateway.providers.bedrock_models import Traits
from gateway.providers.chat_answer import encode
from gateway.providers.chat_names import ToolNames
from gateway.providers.chat_request import Fields, JsonOutput, Tool, ToolChoice, take_json_output, take_tools

_ONE_CALL = {"disable_parallel_tool_use": True}
_NOVA_SCHEMA = ("type", "properties", "required")  # all that Nova takes at a schema's top level


class ToolPlan(msgspec.Struct, frozen=True, gc=False):
    """What becomes of a request's tools. `config` is None where none are offered.

    `budget` is what the service can still be held to of schemas.
    """

    names: ToolNames
    budget: StrictBudget
    config: Object | None = None
    model_fields: Object = {}


def plan_tools(fields: Fields, traits: Traits, thinking: Thinking, writer: BlockWriter) -> ToolPlan:
    """Take tools, tool_choice and parallel_tool_calls. Raises ProviderFailure."""
    names, budget = ToolNames(fit_name, limit=NAME_LIMIT), StrictBudget()
    choice_field = "tool_choice" if fields.has("tool_choice") else "function_call"
    tools, choice = take_tools(fields)
    one_call = fields.take("parallel_tool_calls") is False
    if not tools or (choice is not None and choice.mode == "none"):  # Converse has no word for none
        return ToolPlan(names, budget)
    config: Object = {"tools": _specs(tools, names, traits, budget, writer)}
    if choice is not None and choice.mode != "auto":
        if not traits.forces_tools:
            fields.drop(choice_field)
        elif traits.is_claude and thinking.is_on:
            fields.adjust(choice_field)
        else:
            config["toolChoice"] = _tool_choice(choice, names)
    if not one_call:
        return ToolPlan(names, budget, config)
    if not traits.single_call_switch:
        fields.drop("parallel_tool_calls")
        return ToolPlan(names, budget, config)
    # Claude's own field: it must name a type, unless Converse's choice is there as well, when it must not.
    own = _ONE_CALL if "toolChoice" in config else {"type": "auto", **_ONE_CALL}
    return ToolPlan(names, budget, config, {"tool_choice": own})


def _tool_choice(choice: ToolChoice, names: ToolNames) -> Object:
    return {"any": {}} if choice.mode == "required" else {"tool": {"name": names(choice.name)}}


def _specs(
    tools: Sequence[Tool], names: ToolNames, traits: Traits, budget: StrictBudget, writer: BlockWriter
) -> list[Block]:
    """Return the tools. Strict ones that the service has no room for are sent without."""
    written: list[Block] = []
    strict_left = MAX_STRICT_TOOLS if traits.takes_schemas else 0
    for tool in distinct(tools):
        schema = _tool_schema(tool.parameters, traits)
        strict = tool.strict and strict_left > 0 and budget.takes(schema)
        spec: Object = {"name": names(tool.name)}
        if tool.description.strip():
            spec["description"] = tool.description
        if strict:
            strict_left -= 1
            spec["strict"] = True
        spec["inputSchema"] = {"json": clean_schema(schema, tell=False) if strict else schema}
        written.append({"toolSpec": spec})
        if traits.is_claude:
            written += writer.cache_point(tool.cache_control)
    return written


def _tool_schema(parameters: Object, traits: Traits) -> Object:
    """Return a tool's schema with the type that Converse requires."""
    if not parameters:
        return {"type": "object", "properties": {}}
    if traits.is_nova:
        parameters = {name: parameters[name] for name in _NOVA_SCHEMA if name in parameters}
    return parameters if parameters.get("type") == "object" else {**parameters, "type": "object"}


class OutputPlan(msgspec.Struct, frozen=True, gc=False):
    """How the answer becomes JSON: at most one of the three. `unfences`: it may come in a code fence."""

    text_format: Object | None = None
    tool_config: Object | None = None
    instruction: str = ""

    @property
    def unfences(self) -> bool:
        """Whether JSON is asked for in words only."""
        return self.instruction != ""


def plan_output(fields: Fields, traits: Traits, budget: StrictBudget, *, may_force: bool) -> OutputPlan:
    """Take response_format. `may_force`: a tool call can be demanded. Raises ProviderFailure."""
    output = take_json_output(fields)
    if output is None:
        return OutputPlan()
    schema = output.schema
    if not schema:
        return OutputPlan(instruction="Answer with a single JSON object only.")
    if traits.takes_schemas and budget.takes(schema):
        return OutputPlan(_text_format(output, clean_schema(schema, tell=True)))
    if may_force and traits.forces_tools and schema.get("type") == "object":
        return OutputPlan(tool_config=_forced_tool(output, _tool_schema(schema, traits)))
    return OutputPlan(
        instruction=f"Answer with a single JSON object that matches this JSON schema: {_text(schema)}"
    )


def _text_format(output: JsonOutput, schema: Object) -> Object:
    about: Object = {"schema": _text(schema)}
    if output.name:
        about["name"] = output.name
    if output.description:
        about["description"] = output.description
    return {"type": "json_schema", "structure": {"jsonSchema": about}}


def _forced_tool(output: JsonOutput, schema: Object) -> Object:
    spec: Object = {"name": JSON_TOOL}
    if output.description.strip():
        spec["description"] = output.description
    spec["inputSchema"] = {"json": schema}
    return {"tools": [{"toolSpec": spec}], "toolChoice": {"tool": {"name": JSON_TOOL}}}


def _text(schema: Object) -> str:
    return encode(schema).decode()
