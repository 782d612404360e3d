"""OpenAI and the providers that speak its format: chat completions, embeddings, speech and transcriptions.

One adapter for each row of openai_rows. What is sent: openai_requests, openai_messages, openai_embeddings,
openai_audio. What comes back: the latter two, openai_answers, openai_stream with openai_choice, openai_usage,
openai_errors.
Reference: platform.openai.com/docs/api-reference. Known gaps: files, images and schemas are not looked into;
Perplexity's rule of alternating turns is left to Perplexity.
"""

from collections.abc import Mapping
from functools import partial
from urllib.parse import urlsplit

from gateway.providers.base import Adapter
from gateway.providers.model_lists import build_list, parse_openai_models
from gateway.providers.openai_answers import parse_chat
from gateway.providers.openai_audio import (
    build_speech,
    build_transcription,
    open_speech,
    parse_transcription,
)
from gateway.providers.openai_embeddings import build_embeddings, parse_embeddings
from gateway.providers.openai_errors import parse_error
from gateway.providers.openai_requests import chat_body
from gateway.providers.openai_rows import ROWS, Row
from gateway.providers.openai_stream import ChatStream
from gateway.types import ChatRequest, Connection, CredentialSettings, ListedModel, WireRequest

USER_AGENT = "axiom-llm-gateway"
COMMON_HEADERS = (
    ("content-type", "application/json"),
    ("accept", "application/json"),
    ("accept-encoding", "identity"),
    ("user-agent", USER_AGENT),
)


def connect(row: Row, settings: CredentialSettings) -> Connection:
    """Return the addresses and headers of a credential; the key goes into a header and nowhere else."""
    base_url = settings.base_url.strip().rstrip("/")
    parts = urlsplit(base_url)
    if not parts.path:
        base_url += row.default_path
    headers = list(COMMON_HEADERS)
    if settings.secret:
        headers.append(("authorization", f"Bearer {settings.secret.reveal()}"))
    headers += configured_headers(row.headers, settings.config)
    has_embeddings = row.embeddings is not None and parts.hostname not in row.hosts_without_embeddings
    return Connection(
        base_url=base_url,
        headers=tuple(headers),
        chat_url=f"{base_url}/chat/completions",
        embeddings_url=f"{base_url}/embeddings" if has_embeddings else "",
    )


def configured_headers(names: Mapping[str, str], config: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return the headers for the configuration fields that are set; control characters are left out."""
    values = {header: str(config.get(name) or "") for name, header in names.items()}
    return [
        (header, "".join(filter(str.isprintable, value)).strip()) for header, value in values.items() if value
    ]


def build_chat(row: Row, request: ChatRequest, connection: Connection, model: str) -> WireRequest:
    """Return the request to the provider. Raises ProviderFailure (unsupported) for what it cannot do."""
    return WireRequest(connection.chat_url, connection.headers, *chat_body(row, request, model))


def _adapter(row: Row) -> Adapter:
    rules, speech, transcription = row.embeddings, row.speech, row.transcription
    return Adapter(
        slug=row.slug,
        connect=partial(connect, row),
        build_chat=partial(build_chat, row),
        parse_chat=partial(parse_chat, row),
        open_chat_stream=partial(ChatStream, row),
        parse_error=parse_error,
        build_embeddings=None if rules is None else partial(build_embeddings, row, rules),
        parse_embeddings=None if rules is None else parse_embeddings,
        build_speech=None if speech is None else partial(build_speech, row, speech),
        open_speech=None if speech is None else open_speech,
        build_transcription=None
        if transcription is None
        else partial(build_transcription, row, transcription),
        parse_transcription=None if transcription is None else partial(parse_transcription, transcription),
        known_voices=() if speech is None else speech.voices,
        build_models=partial(build_list, path=row.models_path) if row.models_path else None,
        parse_models=parse_openai_models if row.models_path else None,
        known_models=tuple(map(ListedModel, row.known_models)),
    )


ADAPTERS = {row.slug: _adapter(row) for row in ROWS}
