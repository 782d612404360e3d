"""An OpenAI chat request as a body of Converse or ConverseStream.

Messages: bedrock_blocks. Tools and JSON output: bedrock_tools. Limits, sampling, thinking: bedrock_fields.
Source: botocore's service model `bedrock-runtime`, ConverseRequest; wire facts of 23 Nov 2026.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.providers.bedrock_blocks import NAME_LIMIT, BlockWriter, fit_id, limit_cache_points
from gateway.providers.bedrock_fields import (
    Object,
    response_paths,
    take_inference,
    take_metadata,
    take_model_fields,
    take_service_tier,
    take_thinking,
)
from gateway.providers.bedrock_models import Traits
from gateway.providers.bedrock_tools import plan_output, plan_tools
from gateway.providers.chat_messages import lift_system, read_turns
from gateway.providers.chat_names import CallIds
from gateway.providers.chat_request import Fields, read_body


class Notes(msgspec.Struct, frozen=True, gc=False):
    """What the answer's reader wants to know of the request.

    `names` maps the wire's tool names to the caller's where they differ. `json_tool`: the answer's JSON comes
    as a call of JSON_TOOL. `unfences`: JSON was asked for in words only, and may come in a code fence.
    """

    model: str = ""
    names: Mapping[str, str] = {}
    json_tool: bool = False
    unfences: bool = False


class Defaults(msgspec.Struct, frozen=True, gc=False):
    """What a credential adds to requests: a limit in tokens where none is named, and a guardrail."""

    max_tokens: int | None = None
    guardrail: Mapping[str, str] = {}
    guardrail_mode: str = ""  # for streams


class Converse(msgspec.Struct, frozen=True, gc=False):
    """A body, and what became of the caller's fields."""

    body: Object
    notes: Notes
    dropped: tuple[str, ...]
    adjusted: tuple[str, ...]


def converse(raw: bytes, model: str, traits: Traits, defaults: Defaults, *, stream: bool) -> Converse:
    """Translate a request to a model with these traits. Raises ProviderFailure for what cannot be asked."""
    source = read_body(raw)
    fields = Fields(source)
    fields.refuse()
    turns = read_turns(source.get("messages"), CallIds(fit_id, limit=NAME_LIMIT))
    system, turns = lift_system(turns)
    thinking = take_thinking(fields, traits, turns)
    writer = BlockWriter(traits)
    tools = plan_tools(fields, traits, thinking, writer)
    output = plan_output(fields, traits, tools.budget, may_force=tools.config is None and not thinking.is_on)
    said = writer.system(system)
    if output.instruction:
        said.append({"text": output.instruction})
    messages = writer.messages(turns, tools.names, as_text=tools.config is None)
    if traits.caches:
        offered = tools.config["tools"] if tools.config else []
        limit_cache_points(offered, said, *[message["content"] for message in messages])
    body: Object = {
        "system": said,
        "messages": messages,
        "inferenceConfig": take_inference(fields, traits, thinking, defaults.max_tokens),
        "toolConfig": tools.config or output.tool_config,
        "additionalModelRequestFields": {**take_model_fields(fields, traits, thinking), **tools.model_fields},
        "additionalModelResponseFieldPaths": response_paths(traits, thinking),
        "outputConfig": output.text_format and {"textFormat": output.text_format},
        "requestMetadata": take_metadata(fields),
        "serviceTier": take_service_tier(fields),
        "guardrailConfig": _guardrail(defaults, stream=stream),
    }
    notes = Notes(model, tools.names.originals, output.tool_config is not None, output.unfences)
    return Converse(
        {name: value for name, value in body.items() if value}, notes, fields.dropped, fields.adjusted
    )


def _guardrail(defaults: Defaults, *, stream: bool) -> Mapping[str, Any]:
    if not stream or not defaults.guardrail:
        return defaults.guardrail
    return {**defaults.guardrail, "streamProcessingMode": defaults.guardrail_mode}
