"""Anthropic's Messages API: chat, whole and streamed, at POST {base}/v1/messages; the model list.

What is sent: anthropic_request with anthropic_messages, anthropic_tools, anthropic_schema, anthropic_models.
What comes back: anthropic_answer, anthropic_stream, anthropic_errors. Vertex AI has the same bodies.
Reference: platform.claude.com/docs/en/api/messages. Of the two API versions 2023-06-01, the default, still
takes temperature, on the models that know it. What is sent again after a 400: anthropic_lessons. Known gap:
no token counting.
"""

from functools import partial

from gateway.providers import anthropic_lessons
from gateway.providers.anthropic_answer import parse_message
from gateway.providers.anthropic_errors import parse_error
from gateway.providers.anthropic_request import (
    DEFAULT_MAX_TOKENS,
    WITH_SAMPLING,
    BodyOptions,
    build_messages_body,
)
from gateway.providers.anthropic_stream import MessageStream
from gateway.providers.base import Adapter
from gateway.providers.chat_answer import encode
from gateway.providers.model_lists import PAGE, build_list, parse_anthropic_models
from gateway.types import ChatRequest, Connection, CredentialSettings, WireRequest

COMMON_HEADERS = (
    ("content-type", "application/json"),
    ("accept-encoding", "identity"),
    ("user-agent", "axiom-llm-gateway"),
)
_JSON = ("accept", "application/json")
_EVENTS = ("accept", "text/event-stream")
# Configuration fields and the headers they become.
_HEADERS = {"beta": "anthropic-beta", "workspace": "anthropic-workspace-id"}


def connect(settings: CredentialSettings) -> Connection:
    """Return the addresses and headers of a credential; the key goes into a header and nowhere else.

    `options` has `body`, the BodyOptions, and `stream_headers`. Base URLs may be pasted with /v1.
    """
    base_url = settings.base_url.strip().rstrip("/").removesuffix("/v1")
    config = settings.config
    options = BodyOptions(
        api_version=str(config.get("api_version") or WITH_SAMPLING),
        default_max_tokens=int(config.get("max_tokens") or DEFAULT_MAX_TOKENS),
        max_tokens_limit=int(config.get("max_tokens_limit") or 0),
    )
    headers = [*COMMON_HEADERS, ("anthropic-version", options.api_version)]
    if settings.secret:
        headers.append(("x-api-key", settings.secret.reveal()))
    headers += [(header, str(config[name])) for name, header in _HEADERS.items() if config.get(name)]
    return Connection(
        base_url=base_url,
        headers=(*headers, _JSON),
        chat_url=f"{base_url}/v1/messages",
        options={"body": options, "stream_headers": (*headers, _EVENTS)},
    )


def build_chat(request: ChatRequest, connection: Connection, model: str) -> WireRequest:
    """Return the request to the provider. Raises ProviderFailure for what it cannot do, with the field."""
    found = build_messages_body(request, model, connection.options["body"])
    return WireRequest(
        connection.chat_url,
        connection.options["stream_headers"] if request.stream else connection.headers,
        encode(found.body),
        found.dropped,
        found.adjusted,
        notes=found.notes,
    )


ADAPTER = Adapter(
    slug="anthropic",
    connect=connect,
    build_chat=build_chat,
    parse_chat=parse_message,
    open_chat_stream=MessageStream,
    parse_error=parse_error,
    build_models=partial(build_list, path=f"/v1/models?limit={PAGE}"),
    parse_models=parse_anthropic_models,
    amend=anthropic_lessons.amend,
    apply_lesson=anthropic_lessons.apply_lesson,
)
