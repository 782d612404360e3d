"""Google Gemini, the developer API: chat and embeddings at {base}/{version}/models/{model}:{verb}.

The key goes into x-goog-api-key, and never into the address. Requests: gemini_request, gemini_contents.
Answers: gemini_parts, gemini_answer, gemini_stream. Embeddings: gemini_embeddings. Errors: gemini_errors.
Reference: ai.google.dev/api. Known gaps: thought signatures that a caller lost are replaced, not remembered;
no code execution and no search as tools. What is sent again after a 400: gemini_lessons.
"""

import re
from urllib.parse import urlsplit

from gateway.providers import gemini_lessons
from gateway.providers.base import Adapter
from gateway.providers.gemini_answer import parse_chat
from gateway.providers.gemini_contents import GEMINI
from gateway.providers.gemini_embeddings import (
    MOST_CONTENTS,
    EmbeddingsInput,
    batch_body,
    batches,
    notes_for,
    parse_contents,
    read_input,
    requests_for,
)
from gateway.providers.gemini_errors import parse_error
from gateway.providers.gemini_models import model_path
from gateway.providers.gemini_request import generate_body
from gateway.providers.gemini_stream import GeminiStream
from gateway.providers.model_lists import PAGE, build_list, parse_gemini_models
from gateway.types import ChatRequest, Connection, CredentialSettings, EmbeddingsRequest, WireRequest

DEFAULT_VERSION = "v1beta"  # has every field; v1 lacks new ones
HEADERS = (
    ("content-type", "application/json"),
    ("accept", "application/json"),
    ("accept-encoding", "identity"),
    ("user-agent", "axiom-llm-gateway"),
)
_VERSION = re.compile(r"/v\d[a-z0-9]*")


def connect(settings: CredentialSettings) -> Connection:
    """Return the addresses and headers of a credential. `options` has `normalizes`, of embeddings."""
    base_url = settings.base_url.strip().rstrip("/")
    if not _VERSION.fullmatch(urlsplit(base_url).path):
        base_url = f"{base_url}/{settings.config.get('api_version') or DEFAULT_VERSION}"
    key = (("x-goog-api-key", settings.secret.reveal()),) if settings.secret else ()
    return Connection(
        base_url=base_url,
        headers=HEADERS + key,
        options={"normalizes": settings.config.get("normalize_embeddings") != "no"},
    )


def build_chat(request: ChatRequest, connection: Connection, model: str) -> WireRequest:
    """Return the request to the model. Raises ProviderFailure for what Gemini cannot do."""
    body = generate_body(request.raw, model, GEMINI, stream=request.stream)
    verb = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    return WireRequest(
        f"{connection.base_url}/{model_path(model)}:{verb}",
        connection.headers,
        body.raw,
        body.dropped,
        body.adjusted,
        notes=body.notes,
    )


def build_embeddings(request: EmbeddingsRequest, connection: Connection, model: str) -> WireRequest:
    """Return the request to the model. Raises ProviderFailure for what Gemini cannot do."""
    asked = read_input(request, model)
    notes = notes_for(asked, model, normalizes=connection.options["normalizes"])
    url = f"{connection.base_url}/{model_path(model)}:batchEmbedContents"

    def make(piece: EmbeddingsInput) -> WireRequest:
        return WireRequest(url, connection.headers, batch_body(piece, model))

    return requests_for(batches(asked, MOST_CONTENTS), notes, make)


def build_models(connection: Connection) -> WireRequest:
    """Return the request for the model list."""
    return build_list(connection, f"/models?pageSize={PAGE}")


ADAPTER = Adapter(
    slug="gemini",
    connect=connect,
    build_chat=build_chat,
    parse_chat=parse_chat,
    open_chat_stream=GeminiStream,
    parse_error=parse_error,
    build_embeddings=build_embeddings,
    parse_embeddings=parse_contents,
    build_models=build_models,
    parse_models=parse_gemini_models,
    amend=gemini_lessons.amend,
    apply_lesson=gemini_lessons.apply_lesson,
)
