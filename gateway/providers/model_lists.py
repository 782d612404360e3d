"""The providers' model lists: one GET each, read into ListedModel. Pure.

One parser for each shape; adapters name theirs. Only what can be called through the gateway is kept: an image
or moderation model that a provider lists is left out where the provider says so. Pages are asked for at the
largest size that the provider takes, and only the first is read.
Wire source: the providers' API references (Models, List); the fields beyond OpenAI's are optional everywhere.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from gateway.errors import Failure, FailureClass, ProviderFailure
from gateway.types import Connection, ListedModel, Reply, WireRequest

CHAT, EMBEDDINGS, SPEECH = "chat.completions", "embeddings", "audio.speech"
ID_LENGTH = 200  # characters; a longer id is no model's
PAGE = 1000  # what Anthropic, Gemini and Cohere give at most
# Names of models for endpoints that the gateway hasn't got, in lists that don't say what a model is for.
_OTHER_KINDS = re.compile(
    r"dall-e|image|sora|moderation|realtime|babbage|davinci|flux|stable-diffusion|rerank"
)
ShapeT = TypeVar("ShapeT")


def build_list(connection: Connection, path: str) -> WireRequest:
    """Return the GET of `path` below the credential's base URL."""
    return WireRequest(f"{connection.base_url}{path}", connection.headers, b"", method="GET")


class _OpenAIModel(msgspec.Struct):
    id: str
    created: Any = 0
    name: Any = ""
    active: Any = True  # Groq
    architecture: Any = None  # OpenRouter
    capabilities: Any = None  # Mistral


class _OpenAIList(msgspec.Struct):
    data: list[_OpenAIModel]


def parse_openai_models(reply: Reply) -> tuple[ListedModel, ...]:
    """Read `{"data": [{"id", "created"}]}`, or the bare list that some compatible servers answer."""
    if reply.body.lstrip().startswith(b"["):
        entries = _decode(reply.body, list[_OpenAIModel])
    else:
        entries = _decode(reply.body, _OpenAIList).data
    return _kept(
        ListedModel(
            id=entry.id,
            surfaces=_openai_surfaces(entry),
            display_name=_text(entry.name),
            created=_seconds(entry.created),
        )
        for entry in entries
        if entry.active is not False and _answers_text(entry)
    )


def _answers_text(entry: _OpenAIModel) -> bool:
    """Leave out what only makes images, films or verdicts: by what the provider says, else by the name."""
    modalities = _modalities(entry)
    if modalities:
        return "text" in modalities or "embeddings" in modalities
    return _OTHER_KINDS.search(entry.id.lower()) is None


def _openai_surfaces(entry: _OpenAIModel) -> tuple[str, ...]:
    if "embeddings" in _modalities(entry):
        return (EMBEDDINGS,)
    capabilities = entry.capabilities if isinstance(entry.capabilities, dict) else {}
    return (CHAT,) if capabilities.get("completion_chat") is True else ()


def _modalities(entry: _OpenAIModel) -> list[str]:
    architecture = entry.architecture if isinstance(entry.architecture, dict) else {}
    return _names(architecture.get("output_modalities"))


class _AnthropicModel(msgspec.Struct):
    id: str
    display_name: Any = ""
    created_at: Any = ""


class _AnthropicList(msgspec.Struct):
    data: list[_AnthropicModel]


def parse_anthropic_models(reply: Reply) -> tuple[ListedModel, ...]:
    """Read `{"data": [{"id", "display_name", "created_at"}]}`."""
    return _kept(
        ListedModel(entry.id, (CHAT,), _text(entry.display_name), _moment(entry.created_at))
        for entry in _decode(reply.body, _AnthropicList).data
    )


class _GeminiModel(msgspec.Struct, rename="camel"):
    name: str
    display_name: Any = ""
    supported_generation_methods: Any = None


class _GeminiList(msgspec.Struct):
    models: list[_GeminiModel]


# Methods of Gemini's API and what they make of a model here; one that has none of them is left out.
_GEMINI_SURFACES = {"generateContent": CHAT, "embedContent": EMBEDDINGS, "batchEmbedContents": EMBEDDINGS}


def parse_gemini_models(reply: Reply) -> tuple[ListedModel, ...]:
    """Read `{"models": [{"name": "models/...", "displayName", "supportedGenerationMethods"}]}`."""
    return _kept(
        ListedModel(entry.name.removeprefix("models/"), surfaces, _text(entry.display_name))
        for entry in _decode(reply.body, _GeminiList).models
        if (surfaces := _surfaces_of(entry.supported_generation_methods, _GEMINI_SURFACES))
    )


class _CohereModel(msgspec.Struct):
    name: str
    endpoints: Any = None


class _CohereList(msgspec.Struct):
    models: list[_CohereModel]


_COHERE_SURFACES = {"chat": CHAT, "embed": EMBEDDINGS}


def parse_cohere_models(reply: Reply) -> tuple[ListedModel, ...]:
    """Read `{"models": [{"name", "endpoints"}]}`."""
    return _kept(
        ListedModel(entry.name, surfaces)
        for entry in _decode(reply.body, _CohereList).models
        if (surfaces := _surfaces_of(entry.endpoints, _COHERE_SURFACES))
    )


def _surfaces_of(offered: object, table: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(table[name] for name in _names(offered) if name in table))


def build_bedrock_list(connection: Connection) -> WireRequest:
    """Return the GET of the foundation models, which another host answers than the one that runs them."""
    wire = build_list(connection, "/foundation-models")
    return replace(wire, url=wire.url.replace("://bedrock-runtime", "://bedrock", 1))


class _BedrockModel(msgspec.Struct, rename="camel"):
    model_id: str
    model_name: Any = ""
    output_modalities: Any = None
    inference_types_supported: Any = None


class _BedrockList(msgspec.Struct):
    models: list[_BedrockModel] = msgspec.field(name="modelSummaries")


_BEDROCK_SURFACES = {"TEXT": CHAT, "EMBEDDING": EMBEDDINGS}


def parse_bedrock_models(reply: Reply) -> tuple[ListedModel, ...]:
    """Read `{"modelSummaries": [{"modelId", "outputModalities", "inferenceTypesSupported"}]}`.

    What runs only through an inference profile is left out: its bare id is a 400.
    """
    return _kept(
        ListedModel(entry.model_id, surfaces, _text(entry.model_name))
        for entry in _decode(reply.body, _BedrockList).models
        if "ON_DEMAND" in _names(entry.inference_types_supported) and ".rerank" not in entry.model_id
        if (surfaces := _surfaces_of(entry.output_modalities, _BEDROCK_SURFACES))
    )


class _ElevenLabsModel(msgspec.Struct):
    model_id: str
    name: Any = ""
    can_do_text_to_speech: Any = False


def parse_elevenlabs_models(reply: Reply) -> tuple[ListedModel, ...]:
    """Read `[{"model_id", "name", "can_do_text_to_speech"}]`: speech only, Scribe is not listed."""
    return _kept(
        ListedModel(entry.model_id, (SPEECH,), _text(entry.name))
        for entry in _decode(reply.body, list[_ElevenLabsModel])
        if entry.can_do_text_to_speech is True
    )


def _decode(body: bytes, shape: type[ShapeT]) -> ShapeT:
    """Raises ProviderFailure (server_error) when the body hasn't the shape."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise ProviderFailure(
            Failure(FailureClass.SERVER_ERROR, "The provider's model list cannot be read.")
        ) from problem


def _kept(models: Iterable[ListedModel]) -> tuple[ListedModel, ...]:
    """Return the models whose id could be one, once each, in the provider's order."""
    found = {model.id: model for model in models if _is_name(model.id)}
    return tuple(found.values())


def _is_name(name: str) -> bool:
    return 0 < len(name) <= ID_LENGTH and name.isprintable() and name == name.strip()


def _text(value: object) -> str:
    return value[:ID_LENGTH] if isinstance(value, str) and value.isprintable() else ""


def _names(value: object) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _seconds(value: object) -> int:
    return int(value) if isinstance(value, int | float) and 0 < value < 1e11 else 0


def _moment(text: object) -> int:
    """Return the seconds since the epoch of an ISO date, in UTC unless it says otherwise; else 0."""
    try:
        moment = datetime.fromisoformat(str(text))
        return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))
    except (ValueError, OverflowError):
        return 0
