"""Would the provider take this request? By the types of its own SDK, and by rules that types cannot say.

`problems(slug, wire)` picks the judge of an adapter; a new adapter needs a line in JUDGES.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypedDict
from urllib.parse import urlsplit

import cohere
from anthropic.types import MessageCreateParams
from cohere.v2.types import V2ChatRequestSafetyMode
from google.genai import types as gemini
from mistralai.client import models as mistral
from openai.types.chat.completion_create_params import CompletionCreateParams

from gateway.types import WireRequest
from tests.interop import turns
from tests.interop.converse import converse_problems
from tests.interop.typed import violations

Judge = Callable[[WireRequest], list[str]]


class GeminiBody(TypedDict, total=False):
    """What generateContent takes, as google-genai's own converters write it."""

    contents: list[gemini.Content]
    systemInstruction: gemini.Content
    tools: list[gemini.Tool]
    toolConfig: gemini.ToolConfig
    safetySettings: list[gemini.SafetySetting]
    generationConfig: gemini.GenerationConfig
    cachedContent: str
    serviceTier: gemini.ServiceTier
    labels: dict[str, str]  # Vertex only


class CohereBody(TypedDict, total=False):
    """The keyword arguments of cohere.ClientV2.chat."""

    model: str
    messages: cohere.ChatMessages
    stream: bool
    tools: list[cohere.ToolV2]
    strict_tools: bool
    documents: list[Any]
    citation_options: cohere.CitationOptions
    response_format: cohere.ResponseFormatV2
    safety_mode: V2ChatRequestSafetyMode
    max_tokens: int
    stop_sequences: list[str]
    temperature: float
    seed: int
    frequency_penalty: float
    presence_penalty: float
    k: int
    p: float
    logprobs: bool
    tool_choice: cohere.V2ChatRequestToolChoice
    thinking: cohere.Thinking
    priority: int


# Known to API version 2023-06-01 only, so the SDK has dropped them.
_SAMPLING = {"temperature": float, "top_p": float, "top_k": int}


def anthropic(wire: WireRequest) -> list[str]:
    """Judge a Messages request."""
    return _messages(_json(wire))


def _messages(body: dict[str, Any]) -> list[str]:
    found = [
        problem
        for name, type_ in _SAMPLING.items()
        if name in body
        for problem in violations(body[name], type_, f"$.{name}")
    ]
    rest = {name: value for name, value in body.items() if name not in _SAMPLING}
    return found + violations(rest, MessageCreateParams) + turns.anthropic(body)


def google(wire: WireRequest) -> list[str]:
    """Judge a generateContent request."""
    body = _json(wire)
    return violations(body, GeminiBody) + turns.gemini(body, streams="streamGenerateContent" in wire.url)


def vertex(wire: WireRequest) -> list[str]:
    """Judge a request to Vertex AI by its publisher."""
    if "/publishers/anthropic/" in wire.url:
        body = _json(wire)
        version = body.pop("anthropic_version", "")
        found = [] if version.startswith("vertex-") or version == "2026-10-21" else ["no anthropic_version"]
        found += ["model is in the body"] if "model" in body else []
        return found + _messages({**body, "model": "claude"})
    if "/endpoints/openapi/" in wire.url:
        return openai(wire)
    return google(wire)


def bedrock(wire: WireRequest) -> list[str]:
    """Judge a Converse or ConverseStream request."""
    body = _json(wire)
    return converse_problems(body) + turns.converse(body)


def cohere_v2(wire: WireRequest) -> list[str]:
    """Judge a request to Cohere's v2 chat."""
    body = _json(wire)
    missing = [f"{name} is missing" for name in ("model", "messages", "stream") if name not in body]
    return missing + violations(body, CohereBody) + turns.cohere(body)


def mistral_chat(wire: WireRequest) -> list[str]:
    """Judge a request to Mistral."""
    return violations(_json(wire), mistral.ChatCompletionRequest)


def openai(wire: WireRequest) -> list[str]:
    """Judge a request in OpenAI's own format."""
    return violations(_json(wire), CompletionCreateParams)


def openai_messages(wire: WireRequest) -> list[str]:
    """Judge the messages and tools in OpenAI's format; the other fields have the provider's own names."""
    body = _json(wire)
    kept = {
        name: body[name] for name in ("model", "messages", "tools", "tool_choice", "stream") if name in body
    }
    return violations(kept, CompletionCreateParams)


JUDGES: Mapping[str, Judge] = {
    "anthropic": anthropic,
    "azure": openai,
    "bedrock": bedrock,
    "cerebras": openai_messages,
    "cohere": cohere_v2,
    "gemini": google,
    "groq": openai_messages,
    "huggingface": openai_messages,
    "mistral": mistral_chat,
    "nebius": openai_messages,
    "ollama": openai_messages,
    "openai": openai,
    "openrouter": openai_messages,
    "parasail": openai_messages,
    "perplexity": openai_messages,
    "vertex": vertex,
    "xai": openai_messages,
}
# Served without a provider.
WITHOUT_PROVIDER = frozenset({"sandbox"})


def problems(slug: str, wire: WireRequest) -> list[str]:
    """Return why the provider would refuse the request; nothing when it would not."""
    return _address_problems(wire) + JUDGES[slug](wire)


def _address_problems(wire: WireRequest) -> list[str]:
    parts = urlsplit(wire.url)
    found = [] if parts.scheme in ("http", "https") and parts.hostname else [f"no address: {wire.url}"]
    if any(character.isspace() or not character.isascii() for character in wire.url):
        found.append(f"not percent-encoded: {wire.url}")
    found += [
        f"header {name} has control characters" for name, value in wire.headers if not value.isprintable()
    ]
    return found


def _json(wire: WireRequest) -> Any:
    return json.loads(wire.body)
