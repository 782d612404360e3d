"""OpenAI's chat requests as bodies of generateContent, for Gemini's own API and for Vertex AI.

Wire facts: google-genai 3.4.0, ai.google.dev/api/generate-content. Unknown names are a 400 there, so nothing
goes out that isn't named here. Contents: gemini_contents. Models: gemini_models. Schemas: gemini_schema.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from gateway.providers import chat_request
from gateway.providers.chat_answer import encode
from gateway.providers.chat_names import ToolNames
from gateway.providers.chat_problems import invalid, unsupported
from gateway.providers.chat_request import Fields, JsonOutput, Tool, ToolChoice
from gateway.providers.gemini_contents import Dialect, read_contents
from gateway.providers.gemini_models import (
    takes_json_schema,
    takes_tools_with_json,
    thinking_config,
)
from gateway.providers.gemini_schema import clean_schema, openapi_schema, takes_arguments

NAME_LENGTH = 128  # characters of a function's name
MOST_STOPS = 5
_SEEDS = 1 << 31
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]*")
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_.:-]")
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "function": "ANY"}
_TIERS = {"default": "standard", "flex": "flex", "priority": "priority"}
_MODALITIES = {"text": "TEXT", "image": "IMAGE"}
# The caller's extensions, sent as they are.
_EXTENSIONS = (("safety_settings", "safetySettings"), ("cached_content", "cachedContent"))
_NUMBERS = (("temperature", "temperature"), ("top_p", "topP"))
_PENALTIES = (("presence_penalty", "presencePenalty"), ("frequency_penalty", "frequencyPenalty"))
_JSON = "application/json"
_ANY_NUMBER = (float("-inf"), float("inf"))
_LABEL_LENGTH, _MOST_LABELS = 63, 64
_NOT_IN_LABELS = re.compile(r"[^a-z0-9_-]")


class Notes(msgspec.Struct, frozen=True, gc=False):
    """What the reader of the answer wants to know: the model asked for, and the callers' names of tools."""

    model: str
    names: Mapping[str, str] = {}


class GenerateBody(NamedTuple):
    """A body for generateContent, and what became of the caller's fields."""

    raw: bytes
    dropped: tuple[str, ...]
    adjusted: tuple[str, ...]
    notes: Notes


def generate_body(raw: bytes, model: str, dialect: Dialect, *, stream: bool) -> GenerateBody:
    """Return the body that asks `model` for what the caller's body asks for.

    Raises ProviderFailure: unsupported for what Gemini cannot do, invalid_request for what no one can read.
    """
    request = chat_request.read_body(raw)
    fields = Fields(request)
    extensions = _take_extensions(fields)
    names = ToolNames(_fit_name, limit=NAME_LENGTH)
    config = _take_config(fields, stream=stream)
    body: dict[str, Any] = {}
    _set_tools(body, fields, model, names, request)
    _set_json_output(config, chat_request.take_json_output(fields), model, has_tools="tools" in body)
    _set_thinking(config, fields, model, extensions.pop("thinking_config", None))
    system, contents = read_contents(request.get("messages"), model, dialect, names)
    if system:
        body["systemInstruction"] = {"parts": system}
    body["contents"] = contents
    if config:
        body["generationConfig"] = config
    for name, wire_name in _EXTENSIONS:
        if name in extensions:
            body[wire_name] = extensions.pop(name)
    if tier := _take_tier(fields):
        body["serviceTier"] = tier
    if dialect.takes_labels and (labels := _labels(request.get("metadata"))):
        body["labels"] = labels
    fields.refuse("audio", "web_search_options")
    return GenerateBody(encode(body), fields.dropped, fields.adjusted, Notes(model, names.originals))


def _take_config(fields: Fields, *, stream: bool) -> dict[str, Any]:
    """Return generationConfig for the fields that have a simple counterpart."""
    config: dict[str, Any] = {}
    for name, wire_name in _NUMBERS:
        if (number := fields.number(name, *_ANY_NUMBER)) is not None:
            config[wire_name] = number
    if (limit := chat_request.take_max_tokens(fields)) is not None:
        config["maxOutputTokens"] = limit
    if stop := chat_request.take_stop(fields):
        if len(stop) > MOST_STOPS:
            raise unsupported("stop", f"This provider takes at most {MOST_STOPS} stop sequences.")
        config["stopSequences"] = stop
    if (seed := _take_integer(fields, "seed")) is not None:
        config["seed"] = seed % _SEEDS
    for name, wire_name in _PENALTIES:
        if number := fields.number(name, *_ANY_NUMBER):
            config[wire_name] = number
    _set_candidates(config, fields, stream=stream)
    _set_logprobs(config, fields)
    _set_modalities(config, fields)
    return config


def _set_candidates(config: dict[str, Any], fields: Fields, *, stream: bool) -> None:
    count = _take_integer(fields, "n")
    if count is None or count == 1:
        return
    if count < 1:
        raise invalid("n", "'n' must be at least 1.")
    if stream:
        raise unsupported("n", "This provider streams one choice only.")
    config["candidateCount"] = count


def _set_logprobs(config: dict[str, Any], fields: Fields) -> None:
    wanted, top = fields.take("logprobs"), _take_integer(fields, "top_logprobs")
    if wanted is True:
        config["responseLogprobs"] = True
        if top:
            config["logprobs"] = top


def _set_modalities(config: dict[str, Any], fields: Fields) -> None:
    found = fields.take("modalities")
    if not found or found == ["text"]:
        return
    if not isinstance(found, list) or not all(
        isinstance(name, str) and name in _MODALITIES for name in found
    ):
        raise unsupported("modalities", "This provider answers with text and images only.")
    config["responseModalities"] = [_MODALITIES[name] for name in found]


def _take_integer(fields: Fields, name: str) -> int | None:
    value = fields.take(name)
    if value is None or type(value) is int:
        return value
    raise invalid(name, f"'{name}' must be an integer.")


def _set_tools(
    body: dict[str, Any], fields: Fields, model: str, names: ToolNames, request: Mapping[str, Any]
) -> None:
    tools, choice = chat_request.take_tools(fields)
    if fields.take("parallel_tool_calls") is False:
        fields.drop("parallel_tool_calls")
    if not tools:
        return
    body["tools"] = [{"functionDeclarations": [_declaration(tool, model, names) for tool in tools]}]
    if choice is not None:
        body["toolConfig"] = {"functionCallingConfig": _calling(choice, tools, names, request)}


def _declaration(tool: Tool, model: str, names: ToolNames) -> dict[str, Any]:
    found: dict[str, Any] = {"name": names(tool.name)}
    if tool.description:
        found["description"] = tool.description
    if takes_arguments(tool.parameters):
        if takes_json_schema(model):
            found["parametersJsonSchema"] = clean_schema(tool.parameters)
        else:
            found["parameters"] = openapi_schema(tool.parameters)
    return found


def _calling(
    choice: ToolChoice, tools: tuple[Tool, ...], names: ToolNames, request: Mapping[str, Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {"mode": _MODES[choice.mode]}
    asked = request.get("tool_choice")
    if choice.mode == "function":
        found["allowedFunctionNames"] = [names(choice.name)]
    elif choice.mode == "required" and isinstance(asked, dict):  # allowed_tools: only those are left
        found["allowedFunctionNames"] = [names(tool.name) for tool in tools]
    return found


def _set_json_output(
    config: dict[str, Any], output: JsonOutput | None, model: str, *, has_tools: bool
) -> None:
    if output is None:
        return
    if has_tools and not takes_tools_with_json(model):
        raise unsupported("response_format", "This model takes no response format together with tools.")
    config["responseMimeType"] = _JSON
    if output.schema and takes_json_schema(model):
        config["responseJsonSchema"] = clean_schema(output.schema)
    elif output.schema:
        config["responseSchema"] = openapi_schema(output.schema)


def _set_thinking(config: dict[str, Any], fields: Fields, model: str, given: Any) -> None:
    effort = chat_request.take_reasoning_effort(fields)
    if given is not None:
        config["thinkingConfig"] = given
        if effort:  # both together are a 400
            fields.drop("reasoning_effort")
        return
    if not effort:
        return
    found = thinking_config(model, effort)
    if found is None:
        fields.drop("reasoning_effort")
        return
    config["thinkingConfig"] = found
    if effort == "none" and found.get("thinkingBudget") != 0:  # the least that there is
        fields.adjust("reasoning_effort")


def _take_extensions(fields: Fields) -> dict[str, Any]:
    """Take Gemini's own fields: beside OpenAI's, or in extra_body.google, where Google's layer has them."""
    wrapper = fields.take("extra_body")
    google = wrapper.get("google") if isinstance(wrapper, dict) else None
    source = google if isinstance(google, dict) else {}
    if wrapper and not source:
        fields.drop("extra_body")
    found = {}
    for name in ("safety_settings", "cached_content", "thinking_config"):
        value = fields.take(name)
        value = source.get(name) if value is None else value
        if value is not None:
            found[name] = value
    return found


def _take_tier(fields: Fields) -> str:
    tier = fields.text("service_tier")
    if tier and tier != "auto" and tier not in _TIERS:
        fields.drop("service_tier")
    return _TIERS.get(tier, "")


def _labels(metadata: Any) -> dict[str, str]:
    """Return the caller's metadata as labels for billing; what fits no label is left out."""
    found: dict[str, str] = {}
    for name, value in metadata.items() if isinstance(metadata, dict) else ():
        key = _label(name)
        if isinstance(value, str) and key[:1].isalpha() and len(found) < _MOST_LABELS:
            found[key] = _label(value)
    return found


def _label(text: str) -> str:
    return _NOT_IN_LABELS.sub("_", text.lower())[:_LABEL_LENGTH]


def _fit_name(name: str) -> str:
    if _NAME.fullmatch(name):
        return name
    fitting = _NOT_IN_NAMES.sub("_", name)
    return fitting if fitting[:1].isalpha() or fitting[:1] == "_" else f"_{fitting}"
