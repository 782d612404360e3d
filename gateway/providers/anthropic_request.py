"""An OpenAI chat request written as the body of Anthropic's Messages API, for every host that serves Claude.

Reference: platform.claude.com/docs/en/api/messages. `build_messages_body` is the whole of it; the functions
below it are its steps, in order. Messages: anthropic_messages. Models' peculiarities: anthropic_models.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.providers.anthropic_messages import (
    fit_name,
    limit_breakpoints,
    may_stay,
    write_system,
    write_turns,
)
from gateway.providers.anthropic_models import ADAPTIVE, BUDGET, ModelRules, rules_for
from gateway.providers.anthropic_schema import clean_schema
from gateway.providers.anthropic_tools import (
    FORCING,
    JSON_TOOL,
    StrictBudget,
    json_tool,
    write_choice,
    write_tools,
)
from gateway.providers.chat_answer import encode
from gateway.providers.chat_messages import ASSISTANT, Turn, lift_system, read_turns
from gateway.providers.chat_names import CallIds, ToolNames
from gateway.providers.chat_problems import invalid
from gateway.providers.chat_request import (
    Fields,
    JsonOutput,
    Tool,
    ToolChoice,
    read_body,
    take_json_output,
    take_max_tokens,
    take_reasoning_effort,
    take_stop,
    take_tools,
)
from gateway.types import ChatRequest

DEFAULT_MAX_TOKENS = 4096  # the field is mandatory on the wire
WITH_SAMPLING = "2023-06-01"  # the API version that takes temperature, top_p and top_k
NAME_LIMIT = 128  # characters of a tool's name
USER_ID_LIMIT = 256  # characters
_BUDGETS = {  # tokens
    "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 32000, "max": 32000,
}  # fmt: skip
_EFFORTS = {"minimal": "low"}
_TIERS = {"auto": "auto", "default": "standard_only"}
_PERSONAL = re.compile(  # what the provider doesn't want to know
    r"[^@\s]+@[^@\s]+\.[^@\s]+"  # an e-mail address
    r"|\+[\d\s().-]{7,24}|\d{10,15}|(?=.*[\s().-])(?=(?:\D*\d){7})[\d(][\d\s().-]{7,24}"  # a phone number
)
_JSON_ONLY = "Answer with a single JSON object only."
_MATCHING_JSON = "Answer with a single JSON object that matches this JSON schema: "


@dataclass(frozen=True, slots=True)
class BodyOptions:
    """What a credential or a host settles. Limits in tokens; 0: the caller's word is taken.

    `structured_outputs` is false where the host hasn't them: JSON is then asked for otherwise.
    """

    api_version: str = WITH_SAMPLING
    default_max_tokens: int = DEFAULT_MAX_TOKENS
    max_tokens_limit: int = 0
    structured_outputs: bool = True


class Notes(msgspec.Struct, frozen=True, gc=False):
    """What the answer's reader must know. `names`: tools whose names had to change, and the caller's own.

    `json_tool`: the answer comes as the input of JSON_TOOL. `fenced`: JSON was asked for in words.
    """

    names: dict[str, str] = {}
    json_tool: bool = False
    fenced: bool = False


class MessagesBody(msgspec.Struct, frozen=True, gc=False):
    """A body ready to be encoded, and what became of the caller's fields, in OpenAI's names."""

    body: dict[str, Any]
    dropped: tuple[str, ...]
    adjusted: tuple[str, ...]
    notes: Notes | None


class _Draft:
    """A body being written. `turns` without those of the system, whose blocks are in `system`."""

    __slots__ = (
        "body",
        "fenced",
        "fields",
        "json_tool",
        "names",
        "options",
        "rules",
        "system",
        "thinks",
        "turns",
    )

    def __init__(self, request: ChatRequest, model: str, options: BodyOptions) -> None:
        self.fields = Fields(read_body(request.raw))
        self.rules: ModelRules = rules_for(model)
        self.options = options
        self.names = ToolNames(fit_name, limit=NAME_LIMIT)
        self.body: dict[str, Any] = {"model": model}
        self.system: list[dict[str, Any]] = []
        self.turns: list[Turn] = []
        self.thinks = False
        self.json_tool = False
        self.fenced = False


def build_messages_body(request: ChatRequest, model: str, options: BodyOptions | None = None) -> MessagesBody:
    """Return the body for a model. Raises ProviderFailure (unsupported, invalid_request) with the field."""
    draft = _Draft(request, model, options or BodyOptions())
    fields, body = draft.fields, draft.body
    fields.refuse()
    tools, choice = take_tools(fields)
    _write_max_tokens(draft)
    _read_messages(draft)
    _write_thinking(draft)
    _write_tools(draft, tools, choice)
    _write_sampling(draft)
    _write_rest(draft)
    if request.stream:
        body["stream"] = True
    if draft.system:
        body["system"] = draft.system
    body["messages"] = write_turns(draft.turns)
    if b'"cache_control"' in request.raw:
        limit_breakpoints(_blocks(body))
    return MessagesBody(body, fields.dropped, fields.adjusted, _notes(draft))


def _write_max_tokens(draft: _Draft) -> None:
    fields, options = draft.fields, draft.options
    named = "max_completion_tokens" if fields.has("max_completion_tokens") else "max_tokens"
    wanted = take_max_tokens(fields)
    limit = options.max_tokens_limit
    if wanted is None:
        wanted = min(options.default_max_tokens, limit or options.default_max_tokens)
    elif limit and wanted > limit:
        wanted = limit
        fields.adjust(named)
    draft.body["max_tokens"] = wanted


def _read_messages(draft: _Draft) -> None:
    turns = read_turns(draft.fields.take("messages"), CallIds(fit_name))
    stays = may_stay if draft.rules.system_turns else None
    lifted, turns = lift_system(turns, stays)
    draft.system = write_system(lifted)
    draft.turns = [_renamed(turn, draft.names) if turn.calls else turn for turn in turns]


def _renamed(turn: Turn, names: ToolNames) -> Turn:
    """Return a turn whose calls bear the provider's names; most are the caller's."""
    if all(names(call.name) == call.name for call in turn.calls):
        return turn
    calls = tuple([msgspec.structs.replace(call, name=names(call.name)) for call in turn.calls])
    return msgspec.structs.replace(turn, calls=calls)


def _write_thinking(draft: _Draft) -> None:
    """Write `thinking`: the caller's own words of it, else what reasoning_effort means to the model."""
    fields, body = draft.fields, draft.body
    own = fields.take("thinking")
    effort = take_reasoning_effort(fields)
    if own is not None and not isinstance(own, dict):
        raise invalid("thinking", "'thinking' must be an object.")
    if own is None and effort in {"", "none"}:
        return
    if own is not None:
        thinking = own
    elif not draft.rules.thinking:
        fields.drop("reasoning_effort")
        return
    elif draft.rules.thinking == ADAPTIVE:
        thinking = {"type": ADAPTIVE, "display": "summarized"}
        body["output_config"] = {"effort": _EFFORTS.get(effort, effort)}
    else:
        thinking = {"type": BUDGET, "budget_tokens": _BUDGETS[effort]}
    if thinking.get("type") == BUDGET and not _fits_budget(draft, thinking):
        fields.drop("reasoning_effort" if own is None else "thinking")
        return
    body["thinking"] = thinking
    draft.thinks = thinking.get("type") in (ADAPTIVE, BUDGET)


def _fits_budget(draft: _Draft, thinking: dict[str, Any]) -> bool:
    """Make room for a budget, and tell whether the conversation allows it.

    The last assistant turn with calls must begin with its thinking block. The budget must be less than
    max_tokens, which counts it.
    """
    calling = next((turn for turn in reversed(draft.turns) if turn.role == ASSISTANT and turn.calls), None)
    if calling is not None and not calling.thinking:
        return False
    budget, limit = thinking.get("budget_tokens"), draft.options.max_tokens_limit
    room: int = draft.body["max_tokens"]
    if type(budget) is not int or room > budget:
        return True
    if limit and budget >= limit:
        return False
    draft.body["max_tokens"] = min(budget + room, limit or budget + room)
    return True


def _write_output(draft: _Draft, output: JsonOutput, budget: StrictBudget | None, *, may_force: bool) -> None:
    """Ask for JSON: by the schema where the provider can express it, by a tool, or in words."""
    schema = output.schema
    if schema and budget is not None and budget.takes(schema):
        form = {"type": "json_schema", "schema": clean_schema(schema, tell=True)}
        draft.body.setdefault("output_config", {})["format"] = form
    elif schema and may_force and schema.get("type") == "object":
        draft.body["tools"] = [json_tool(output)]
        draft.body["tool_choice"] = {"type": "tool", "name": JSON_TOOL}
        draft.json_tool = True
    else:
        text = _MATCHING_JSON + encode(schema).decode() if schema else _JSON_ONLY
        draft.system.append({"type": "text", "text": text})
        draft.fenced = True


def _write_tools(draft: _Draft, tools: Sequence[Tool], choice: ToolChoice | None) -> None:
    """Write the tools, the choice and the form of the answer, which may be a tool itself."""
    fields, body, rules = draft.fields, draft.body, draft.rules
    parallel = fields.take("parallel_tool_calls") is not False
    output = take_json_output(fields)
    may_force = rules.forced_tools and not draft.thinks
    used = () if tools else _used_tools(draft.turns)
    budget = StrictBudget() if rules.structured_outputs and draft.options.structured_outputs else None
    if output is not None:
        _write_output(draft, output, budget, may_force=may_force and not tools and not used)
    if tools:
        body["tools"] = write_tools(tools, draft.names, budget)
        if choice is not None and choice.mode in FORCING and not may_force:
            choice = ToolChoice("auto")
            fields.adjust("tool_choice")
        if (wire_choice := write_choice(choice, draft.names, parallel=parallel)) is not None:
            body["tool_choice"] = wire_choice
    elif used:  # the provider demands definitions for the calls of the past
        body["tools"] = [{"name": name, "input_schema": {"type": "object"}} for name in used]
        body["tool_choice"] = {"type": "none"}


def _used_tools(turns: Sequence[Turn]) -> tuple[str, ...]:
    """Return the names of the tools that were called, once each."""
    return tuple(dict.fromkeys(call.name for turn in turns for call in turn.calls))


def _write_sampling(draft: _Draft) -> None:
    """Write what the model takes of temperature, top_p and top_k; drop the rest."""
    fields, rules = draft.fields, draft.rules
    if draft.thinks or not rules.sampling or draft.options.api_version != WITH_SAMPLING:
        return  # what nobody takes is dropped
    both = rules.temperature_with_top_p or not fields.has("temperature")
    for name in ("temperature", "top_p") if both else ("temperature",):
        if (value := fields.number(name, 0, 1)) is not None:
            draft.body[name] = value
    if (top_k := fields.take("top_k")) is not None:
        if type(top_k) is not int or top_k < 1:
            raise invalid("top_k", "'top_k' must be an integer of at least 1.")
        draft.body["top_k"] = top_k


def _write_rest(draft: _Draft) -> None:
    """Write stop sequences, the user and the service tier."""
    fields, body = draft.fields, draft.body
    if stop := take_stop(fields):
        kept = [entry for entry in stop if not entry.isspace()]  # others are a 400
        if len(kept) < len(stop):
            fields.adjust("stop")
        if kept:
            body["stop_sequences"] = kept
    user, identifier = fields.text("user"), fields.text("safety_identifier")
    if wanted := identifier or user:
        if len(wanted) > USER_ID_LIMIT or _PERSONAL.fullmatch(wanted):
            fields.drop("safety_identifier" if identifier else "user")
        else:
            body["metadata"] = {"user_id": wanted}
    if tier := fields.text("service_tier"):
        if tier in _TIERS:
            body["service_tier"] = _TIERS[tier]
        else:
            fields.drop("service_tier")


def _blocks(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return everything that may bear a breakpoint of the cache, in the provider's order."""
    blocks = [*body.get("tools", ()), *body.get("system", ())]
    for message in body["messages"]:
        for block in message["content"]:
            inner = block.get("content")
            blocks += [*inner, block] if isinstance(inner, list) else [block]
    return blocks


def _notes(draft: _Draft) -> Notes | None:
    names = draft.names.originals
    if not (names or draft.json_tool or draft.fenced):
        return None
    return Notes(names, draft.json_tool, draft.fenced)
