"""What Amazon Bedrock's models can and cannot take through Converse, by family.

The family is read from the model id: cross-region prefixes and ARNs are looked through. ARNs of profiles,
provisioned and custom models name no family; for them the credential says which model they stand for.
Source: wire facts of 23 Nov 2026; docs.aws.amazon.com/bedrock/latest/userguide, "Supported models and
features".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from gateway.providers.anthropic_models import ADAPTIVE, BUDGET, rules_for

_REGION_PREFIX = re.compile(r"(?:us|us-gov|eu|apac|jp|au|ca|sa|me|af|mx|il|in|kr|global)\.(?=[a-z0-9]+\.)")
# Open models for which the service constrains the output by a schema.
_OPEN_WITH_SCHEMAS = re.compile(
    r"qwen\.qwen3|openai\.gpt-oss|deepseek\.v3|zai\.glm-|google\.gemma-3|minimax\.minimax-m|nvidia\.nemotron"
    r"|moonshot(?:ai)?\.kimi-k2|mistral\.(?:magistral|ministral|voxtral|mistral-large-3)"
)
_HEARS = re.compile(r"mistral\.voxtral|amazon\.nova-2-omni")
_MISTRAL_LARGE = re.compile(r"mistral\.mistral-large")
_NO_STOP_LIMIT = 2500

Thinking = Literal["", "adaptive", "budget", "nova", "effort"]


_CLAUDE_THINKING: Mapping[str, Thinking] = {ADAPTIVE: "adaptive", BUDGET: "budget", "": ""}


@dataclass(frozen=True, slots=True)
class Traits:
    """What a model takes. For Claude it is what Anthropic's own API says."""

    vendor: str = ""
    is_claude: bool = False
    is_nova: bool = False
    takes_sampling: bool = True
    takes_both_samplings: bool = True  # temperature and top_p in one request
    forces_tools: bool = False  # toolChoice any and tool
    single_call_switch: bool = False  # disable_parallel_tool_use
    takes_schemas: bool = False  # outputConfig.textFormat
    caches: bool = False  # cachePoint
    hears: bool = False  # audio blocks
    thinking: Thinking = ""
    stop_limit: int = _NO_STOP_LIMIT


@lru_cache(maxsize=256)
def traits_of(model: str) -> Traits:
    """Return what is known of a model by its id; unknown ones are taken to be plain text models."""
    name = family_name(model)
    vendor = name.partition(".")[0]
    if vendor == "anthropic" or name.startswith("claude"):
        return _claude(name)
    if vendor == "amazon" and ".nova" in name:
        return Traits(
            vendor,
            is_nova=True,
            forces_tools=True,
            caches=True,
            thinking="nova" if ".nova-2" in name else "",
            stop_limit=4,
            hears=_HEARS.match(name) is not None,
        )
    return Traits(
        vendor,
        forces_tools=_MISTRAL_LARGE.match(name) is not None,
        takes_schemas=_OPEN_WITH_SCHEMAS.match(name) is not None,
        thinking="effort" if name.startswith("openai.gpt-oss") else "",
        hears=_HEARS.match(name) is not None,
        stop_limit=10 if vendor == "mistral" else _NO_STOP_LIMIT,
    )


def family_name(model: str) -> str:
    """Return the id of the foundation model as far as `model` shows it: without ARN and region prefix."""
    bare = model.rpartition("/")[2] if model.startswith("arn:") else model
    return _REGION_PREFIX.sub("", bare.lower(), count=1)


def _claude(name: str) -> Traits:
    rules = rules_for(name)
    return Traits(
        "anthropic",
        is_claude=True,
        takes_sampling=rules.sampling,
        takes_both_samplings=rules.temperature_with_top_p,
        forces_tools=rules.forced_tools,
        single_call_switch=rules.structured_outputs,  # both came with 4.5
        takes_schemas=rules.structured_outputs,
        caches=rules.thinking != "" or "claude-3-5" in name,
        thinking=_CLAUDE_THINKING[rules.thinking],
    )
