"""Azure OpenAI: OpenAI's format at the address of a deployment. Two surfaces:

v1 (the default): {endpoint}/openai/v1/chat/completions, the deployment named in the body;
deployments: {endpoint}/openai/deployments/{deployment}/chat/completions?api-version=..., the body's model
ignored.

Endpoints may be pasted with or without /openai, /openai/v1, a trailing slash, or as a whole target URI.
Reference: learn.microsoft.com/azure/ai-foundry/openai/reference. Known gaps: no Entra tokens, keys only.
"""

from functools import partial
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

import msgspec

from gateway.providers.base import Adapter
from gateway.providers.openai_answers import parse_chat
from gateway.providers.openai_audio import (
    build_speech,
    build_transcription,
    open_speech,
    parse_transcription,
)
from gateway.providers.openai_compatible import COMMON_HEADERS
from gateway.providers.openai_embeddings import build_embeddings, parse_embeddings
from gateway.providers.openai_errors import parse_error
from gateway.providers.openai_requests import chat_body
from gateway.providers.openai_rows import (
    OPENAI_VOICES,
    EmbeddingsRules,
    Row,
    SpeechRules,
    TranscriptionRules,
)
from gateway.providers.openai_stream import ChatStream
from gateway.types import (
    ChatRequest,
    Connection,
    CredentialSettings,
    EmbeddingsRequest,
    SpeechRequest,
    TranscriptionRequest,
    WireRequest,
)

DEFAULT_API_VERSION = "2024-10-21"  # the last one that is generally available
# Older ones answer 400 to stream_options.
FIRST_API_VERSION_WITH_STREAM_OPTIONS = "2024-09-01"

EMBEDDINGS = EmbeddingsRules(takes_tokens=True)
SPEECH = SpeechRules(voices=OPENAI_VOICES)
TRANSCRIPTION = TranscriptionRules()
ROW = Row(slug="azure", label="Azure OpenAI", embeddings=EMBEDDINGS)


class _Endpoint(NamedTuple):
    """What a pasted endpoint says. `root` ends in /openai."""

    root: str
    deployment: str
    api_version: str


def connect(settings: CredentialSettings) -> Connection:
    """Return the addresses and headers of a credential.

    `options` has `deployments` (model: deployment), `deployment` (of a pasted target URI, for all other
    models), `api_version` and `ask_usage`.
    """
    endpoint = _read_endpoint(settings.base_url)
    config = settings.config
    by_deployment = config.get("surface") == "deployments" or endpoint.deployment != ""
    api_version = str(config.get("api_version") or endpoint.api_version)
    if by_deployment:
        api_version = api_version or DEFAULT_API_VERSION
        base_url, suffix = f"{endpoint.root}/deployments", f"?api-version={quote(api_version)}"
        chat_path, embeddings_path = "{deployment}/chat/completions", "{deployment}/embeddings"
        audio_path = "{deployment}/audio/{kind}"
    else:
        base_url, suffix = f"{endpoint.root}/v1", "?api-version=preview" if api_version == "preview" else ""
        chat_path, embeddings_path, audio_path = "chat/completions", "embeddings", "audio/{kind}"
    key = (("api-key", settings.secret.reveal()),) if settings.secret else ()
    return Connection(
        base_url=base_url,
        headers=COMMON_HEADERS + key,
        chat_url=f"{base_url}/{chat_path}{suffix}",
        embeddings_url=f"{base_url}/{embeddings_path}{suffix}",
        options={
            "by_deployment": by_deployment,
            "deployment": endpoint.deployment,
            "deployments": dict(config.get("deployments") or {}),
            "audio_url": f"{base_url}/{audio_path}{suffix}",
            "ask_usage": not by_deployment or api_version >= FIRST_API_VERSION_WITH_STREAM_OPTIONS,
        },
    )


def _read_endpoint(pasted: str) -> _Endpoint:
    parts = urlsplit(pasted.strip())
    before, _, after = f"{parts.path.rstrip('/')}/".partition("/openai/")
    surface, _, rest = after.partition("/")
    deployment = unquote(rest.partition("/")[0]) if surface == "deployments" else ""
    versions = parse_qs(parts.query).get("api-version", [""])
    return _Endpoint(f"{parts.scheme}://{parts.netloc}{before.rstrip('/')}/openai", deployment, versions[0])


def build_chat(request: ChatRequest, connection: Connection, model: str) -> WireRequest:
    """Return the request to the deployment that serves `model`."""
    deployment = _deployment(connection, model)
    by_deployment = connection.options["by_deployment"]
    body = chat_body(
        ROW,
        request,
        request.model if by_deployment else deployment,
        ask_usage=connection.options["ask_usage"],
    )
    return WireRequest(_url(connection.chat_url, deployment), connection.headers, *body)


def build_azure_embeddings(request: EmbeddingsRequest, connection: Connection, model: str) -> WireRequest:
    """Return the request to the deployment that serves `model`."""
    deployment = _deployment(connection, model)
    named = request.model if connection.options["by_deployment"] else deployment
    wire = build_embeddings(ROW, EMBEDDINGS, request, connection, named)
    return WireRequest(_url(wire.url, deployment), wire.headers, wire.body, wire.dropped)


def build_azure_speech(request: SpeechRequest, connection: Connection, model: str) -> WireRequest:
    """Return the request to the deployment that serves `model`."""
    deployment = _deployment(connection, model)
    named = request.model if connection.options["by_deployment"] else deployment
    wire = build_speech(ROW, SPEECH, request, connection, named)
    return _redirected(wire, connection, deployment, "speech")


def build_azure_transcription(
    request: TranscriptionRequest, connection: Connection, model: str
) -> WireRequest:
    """Return the request to the deployment that serves `model`."""
    deployment = _deployment(connection, model)
    named = request.model if connection.options["by_deployment"] else deployment
    wire = build_transcription(ROW, TRANSCRIPTION, request, connection, named)
    return _redirected(wire, connection, deployment, "transcriptions")


def _redirected(wire: WireRequest, connection: Connection, deployment: str, kind: str) -> WireRequest:
    template: str = connection.options["audio_url"]
    return msgspec.structs.replace(wire, url=_url(template.replace("{kind}", kind), deployment))


def _deployment(connection: Connection, model: str) -> str:
    """Return the deployment for a model: by the map, else the pasted one, else the one of the same name."""
    found: str = connection.options["deployments"].get(model) or connection.options["deployment"]
    return found or model


def _url(template: str, deployment: str) -> str:
    return template.replace("{deployment}", quote(deployment, safe=""))


ADAPTER = Adapter(
    slug="azure",
    connect=connect,
    build_chat=build_chat,
    parse_chat=partial(parse_chat, ROW),
    open_chat_stream=partial(ChatStream, ROW),
    parse_error=parse_error,
    build_embeddings=build_azure_embeddings,
    parse_embeddings=parse_embeddings,
    build_speech=build_azure_speech,
    open_speech=open_speech,
    build_transcription=build_azure_transcription,
    parse_transcription=partial(parse_transcription, TRANSCRIPTION),
    known_voices=OPENAI_VOICES,
)
