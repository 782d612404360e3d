"""The fields of a chat request as Converse has them: limits, sampling, thinking, metadata.

Each function takes what it knows from the caller's fields; what is left over is dropped by name.
Source: botocore's service model `bedrock-runtime`; wire facts of 23 Nov 2026.
"""

import re
from collections.abc import Mapping
from typing import Any

from gateway.providers.bedrock_models import Traits
from gateway.providers.chat_messages import ASSISTANT, Turn
from gateway.providers.chat_problems import invalid
from gateway.providers.chat_request import Fields, take_max_tokens, take_reasoning_effort, take_stop

Object = dict[str, Any]

# OpenAI's words in those of models that know three levels.
_THREE_LEVELS: Mapping[str, str] = {"minimal": "low", "xhigh": "high", "max": "high"}
_BUDGETS: Mapping[str, int] = {  # tokens
    "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 32000, "max": 32000,
}  # fmt: skip
_ANSWER_TOKENS = 4096  # room for the answer beside the thinking, where the caller named no limit
_THINKING_COUNT = "/usage/output_tokens_details"  # Converse's own usage has no count of the thinking
_METADATA_ENTRIES = 16
_METADATA_KEY = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{1,256}", re.ASCII)
_METADATA_VALUE = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}", re.ASCII)
_SERVICE_TIERS = frozenset({"default", "flex", "priority", "reserved"})


class Thinking:
    """What a request asks of the model's thinking. `extras` go into additionalModelRequestFields."""

    __slots__ = ("budget", "extras", "is_high_nova", "is_on")

    def __init__(self, extras: Object | None = None, *, budget: int = 0, is_high_nova: bool = False) -> None:
        self.extras = extras or {}
        self.budget = budget  # tokens; 0 where the model decides
        self.is_high_nova = is_high_nova
        self.is_on = extras is not None


def take_thinking(fields: Fields, traits: Traits, turns: list[Turn]) -> Thinking:
    """Take `thinking` (Claude's own form), `reasoning_effort`. Raises ProviderFailure for malformed ones."""
    if not traits.thinking:
        return Thinking()  # what the caller asked for counts as dropped
    effort = take_reasoning_effort(fields)
    if traits.is_claude:
        return _claude_thinking(fields, traits, turns, effort)
    if effort in {"", "none"}:
        return Thinking()
    effort = _THREE_LEVELS.get(effort, effort)
    if traits.thinking == "nova":
        config = {"type": "enabled", "maxReasoningEffort": effort}
        return Thinking({"reasoningConfig": config}, is_high_nova=effort == "high")
    return Thinking({"reasoning_effort": effort})


def _claude_thinking(fields: Fields, traits: Traits, turns: list[Turn], effort: str) -> Thinking:
    own = fields.take("thinking")
    if own is not None:
        if not isinstance(own, dict):
            raise invalid("thinking", "'thinking' must be an object.")
        extras: Object = {"thinking": own}
    elif effort in {"", "none"}:
        return Thinking()
    elif traits.thinking == "adaptive":
        effort = "low" if effort == "minimal" else effort
        extras = {
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": effort},
        }
    else:
        extras = {"thinking": {"type": "enabled", "budget_tokens": _BUDGETS[effort]}}
    thinking = extras["thinking"]
    if thinking.get("type") == "disabled":  # newer models refuse the word
        return Thinking()
    if thinking.get("type") == "enabled" and _has_lost_thinking(turns):
        fields.drop("reasoning_effort" if own is None else "thinking")
        return Thinking()
    budget = thinking.get("budget_tokens")
    return Thinking(extras, budget=budget if type(budget) is int else 0)


def _has_lost_thinking(turns: list[Turn]) -> bool:
    """Tell whether the last turn with calls lacks its thinking, without which Claude refuses to go on."""
    calling = next((turn for turn in reversed(turns) if turn.role == ASSISTANT and turn.calls), None)
    return calling is not None and not calling.thinking


def take_inference(fields: Fields, traits: Traits, thinking: Thinking, default_limit: int | None) -> Object:
    """Take limits, sampling and stop sequences as inferenceConfig. Raises ProviderFailure."""
    found: Object = {}
    if not thinking.is_high_nova:  # there limits and sampling are left over, and dropped
        limit = take_max_tokens(fields) or default_limit
        if thinking.budget:
            limit = _room_beside(thinking.budget, limit)
        if limit:
            found["maxTokens"] = limit
        if traits.takes_sampling and not (traits.is_claude and thinking.is_on):
            _take_sampling(fields, traits, found)
    if stop := _take_stop(fields, traits):
        found["stopSequences"] = stop
    return found


def _room_beside(budget: int, limit: int | None) -> int:
    """Return a limit that leaves room for an answer beside the thinking: it counts both."""
    if limit is None:
        return budget + _ANSWER_TOKENS
    return limit if limit > budget else budget + limit


def _take_sampling(fields: Fields, traits: Traits, found: Object) -> None:
    if (temperature := fields.number("temperature", 0.0, 1.0)) is not None:
        found["temperature"] = temperature
        if not traits.takes_both_samplings:
            return  # top_p is left over, and dropped
    if (top_p := fields.number("top_p", 0.0, 1.0)) is not None:
        found["topP"] = top_p


def _take_stop(fields: Fields, traits: Traits) -> list[str]:
    asked = take_stop(fields)
    # Claude refuses sequences of nothing but white space.
    sent = [entry for entry in asked if entry.strip()] if traits.is_claude else asked
    sent = sent[: traits.stop_limit]
    if len(sent) < len(asked):
        fields.adjust("stop")
    return sent


def take_model_fields(fields: Fields, traits: Traits, thinking: Thinking) -> Object:
    """Return what goes to the model itself: thinking, and top_k where the model has it."""
    found = dict(thinking.extras)
    if traits.is_claude and traits.takes_sampling and not thinking.is_on:
        if (top_k := _take_top_k(fields)) is not None:
            found["top_k"] = top_k
    elif traits.is_nova and not thinking.is_high_nova and (top_k := _take_top_k(fields)) is not None:
        found["inferenceConfig"] = {"topK": top_k}
    return found


def _take_top_k(fields: Fields) -> int | None:
    value = fields.take("top_k")
    if value is not None and (type(value) is not int or value < 0):
        raise invalid("top_k", "'top_k' must be an integer of at least 0.")
    return value


def response_paths(traits: Traits, thinking: Thinking) -> list[str]:
    """Return what else of the model's own answer is wanted; paths that it doesn't have are ignored."""
    return [_THINKING_COUNT] if traits.is_claude and thinking.is_on else []


def take_metadata(fields: Fields) -> Object:
    """Take `metadata` as requestMetadata: the entries that fit Converse's alphabet, the first sixteen."""
    value = fields.take("metadata")
    if not isinstance(value, dict):
        return {}
    fitting = [
        (name, text)
        for name, text in value.items()
        if isinstance(text, str) and _METADATA_KEY.fullmatch(name) and _METADATA_VALUE.fullmatch(text)
    ]
    return dict(fitting[:_METADATA_ENTRIES])


def take_service_tier(fields: Fields) -> Object:
    """Take `service_tier`; empty for the account's own. Tiers that Bedrock lacks are dropped by name."""
    value = fields.take("service_tier")
    if isinstance(value, str) and value in _SERVICE_TIERS:
        return {"type": value}
    if value is not None and value != "auto":
        fields.drop("service_tier")
    return {}
