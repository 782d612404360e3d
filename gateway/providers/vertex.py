"""Google Vertex AI: Gemini, Claude and embeddings under the addresses of a project and a location.

{host}/v1/projects/{project}/locations/{location}/publishers/{google|anthropic}/models/{model}:{verb}. Bodies
and answers are those of gemini_* and anthropic_*. Tokens: vertex_auth; with an API key (express mode) the
address has no project. Reference: cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference.
Sent again in another way: structured outputs of Claude that an organization policy forbids, embeddings where
embedContent isn't there. Known gaps: no models of other publishers, no model list, no count of tokens.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import msgspec

from credentials.service_accounts import InvalidServiceAccount, is_key_file, read_service_account
from gateway.errors import Failure
from gateway.providers import (
    anthropic_errors,
    anthropic_lessons,
    anthropic_request,
    gemini_embeddings,
    gemini_errors,
    gemini_lessons,
)
from gateway.providers.anthropic_answer import parse_message
from gateway.providers.anthropic_models import ADAPTIVE, rules_for
from gateway.providers.anthropic_stream import MessageStream
from gateway.providers.base import Adapter, ChatStream
from gateway.providers.chat_answer import encode
from gateway.providers.chat_problems import unsupported
from gateway.providers.gemini_answer import parse_chat as parse_gemini
from gateway.providers.gemini_contents import VERTEX
from gateway.providers.gemini_request import generate_body
from gateway.providers.gemini_stream import GeminiStream
from gateway.providers.vertex_auth import (
    broken_source,
    file_source,
    metadata_source,
    put_token,
    service_account_source,
)
from gateway.types import (
    Amendment,
    Answer,
    ChatRequest,
    Connection,
    CredentialSettings,
    EmbeddingsRequest,
    Reply,
    Request,
    TokenSource,
    WireRequest,
)

DEFAULT_BASE_URL = "https://aiplatform.googleapis.com"  # stands for the host of the location
DEFAULT_LOCATION = "global"
ANTHROPIC_VERSION = "vertex-2023-10-16"
HEADERS = (
    ("content-type", "application/json"),
    ("accept-encoding", "identity"),
    ("user-agent", "axiom-llm-gateway"),
)
_VERSION = re.compile(r"/v\d[a-z0-9]*")
_MULTI_REGIONS = ("us", "eu")
_PUBLISHERS = ("google", "anthropic")
_EMULATED = anthropic_request.BodyOptions(structured_outputs=False)
_NATIVE = anthropic_request.BodyOptions()
EMULATED_OUTPUT = "emulated_output"  # lessons
PREDICT = "predict"
_ALSO_PREDICTS = "gemini-embedding-001"  # later ones know embedContent only
_NAMES_POLICY = re.compile(r"allowedPartnerModelFeatures|organi[sz]ation policy", re.IGNORECASE)


class _Model(NamedTuple):
    publisher: str
    name: str


class _ClaudeNotes(msgspec.Struct, frozen=True, gc=False):
    """The Anthropic reader's notes, and the model asked for: Vertex AI spells it otherwise in its answers."""

    model: str
    notes: anthropic_request.Notes | None


def connect(settings: CredentialSettings) -> Connection:
    """Return the addresses and headers of a credential, and where its token comes from.

    `options`: `claude_headers`, `structured_outputs`, and `normalizes`, of embeddings. Never fails: what
    cannot be used fails when it is used, with class auth.
    """
    config, secret = settings.config, settings.secret.reveal() if settings.secret else ""
    way = config.get("authentication") or "secret"
    is_express = way == "secret" and secret != "" and not is_key_file(secret)
    source = None if is_express else _token_source(way, secret, settings)
    key = (("x-goog-api-key", secret),) if is_express else ()
    project = str(config.get("project") or _project_of(secret))
    location = str(config.get("location") or DEFAULT_LOCATION)
    place = "" if is_express else f"/projects/{quote(project, safe=':')}/locations/{quote(location, safe='')}"
    headers = HEADERS + key
    beta = config.get("beta")
    return Connection(
        base_url=f"{_root(settings.base_url, DEFAULT_LOCATION if is_express else location)}{place}",
        headers=headers,
        options={
            "claude_headers": (*headers, ("anthropic-beta", str(beta))) if beta else headers,
            "structured_outputs": config.get("structured_outputs") != "tool",
            "normalizes": config.get("normalize_embeddings") != "no",
        },
        authorize=None if source is None else put_token,
        token_source=source,
    )


def _token_source(way: str, secret: str, settings: CredentialSettings) -> TokenSource:
    if way == "metadata":
        return metadata_source()
    if way == "token_file":
        return file_source(str(settings.config.get("token_file") or ""))
    if not secret:
        return broken_source("This credential has no service-account key.")
    return service_account_source(secret, settings.token_hosts)


def _project_of(secret: str) -> str:
    try:
        return read_service_account(secret).project_id
    except InvalidServiceAccount:
        return ""


def _root(base_url: str, location: str) -> str:
    """Return the address up to the API's version. The default one means the host of the location."""
    base_url = base_url.strip().rstrip("/")
    if base_url == DEFAULT_BASE_URL:
        base_url = f"https://{host_of(location)}"
    return base_url if _VERSION.fullmatch(urlsplit(base_url).path) else f"{base_url}/v1"


def host_of(location: str) -> str:
    """Return the host that serves a location: a region, a multi-region, or global."""
    if location == DEFAULT_LOCATION:
        return "aiplatform.googleapis.com"
    if location in _MULTI_REGIONS:
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def build_chat(request: ChatRequest, connection: Connection, model: str) -> WireRequest:
    """Return the request to Gemini or Claude. Raises ProviderFailure for what it cannot do."""
    found = _read_model(model)
    if found.publisher == "anthropic":
        return _build_claude(request, connection, model, found)
    body = generate_body(request.raw, found.name, VERTEX, stream=request.stream)
    verb = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    notes = body.notes if model == found.name else msgspec.structs.replace(body.notes, model=model)
    url = _url(connection, found, verb)
    return WireRequest(url, connection.headers, body.raw, body.dropped, body.adjusted, notes=notes)


def _build_claude(request: ChatRequest, connection: Connection, model: str, found: _Model) -> WireRequest:
    # Before 4.6, and where an organization policy forbids it, Vertex AI has no structured outputs.
    is_native = connection.options["structured_outputs"] and rules_for(found.name).thinking == ADAPTIVE
    made = anthropic_request.build_messages_body(request, found.name, _NATIVE if is_native else _EMULATED)
    body = {name: value for name, value in made.body.items() if name != "model"}
    return WireRequest(
        _url(connection, found, "streamRawPredict" if request.stream else "rawPredict"),
        connection.options["claude_headers"],
        encode({"anthropic_version": ANTHROPIC_VERSION, **body}),
        made.dropped,
        made.adjusted,
        notes=_ClaudeNotes(model, made.notes),
    )


def _read_model(model: str) -> _Model:
    """Return who publishes a model: by the name before a slash, else by the model's own."""
    publisher, slash, name = model.removeprefix("publishers/").replace("/models/", "/").partition("/")
    if not slash:
        return _Model("anthropic" if model.startswith("claude-") else "google", model)
    if publisher == "models":
        return _read_model(name)
    if publisher not in _PUBLISHERS:
        raise unsupported(
            "model", "Vertex AI's models of other publishers than Google and Anthropic are not offered."
        )
    return _Model(publisher, name)


def _url(connection: Connection, model: _Model, verb: str) -> str:
    return f"{connection.base_url}/publishers/{model.publisher}/models/{quote(model.name, safe='@')}:{verb}"


def parse_chat(request: ChatRequest, reply: Reply) -> Answer:
    """Read an answer of Gemini or Claude. Raises ProviderFailure."""
    notes = reply.notes
    if not isinstance(notes, _ClaudeNotes):
        return parse_gemini(request, reply)
    found = parse_message(request, Reply(reply.body, reply.headers, notes.notes))
    # The first member of this name is the answer's own: quotes inside strings are escaped.
    spelled, asked = (b'"model":%b' % encode(name) for name in (found.model, notes.model))
    return Answer(found.body.replace(spelled, asked, 1), found.usage, notes.model)


class _ClaudeStream(MessageStream):
    """A stream of Claude that names the model as it was asked for."""

    __slots__ = ("_asked",)

    def __init__(self, request: ChatRequest, reply: Reply, notes: _ClaudeNotes) -> None:
        super().__init__(request, Reply(reply.body, reply.headers, notes.notes))
        self._asked = notes.model

    def begin(self, identity: str, model: str) -> None:
        """Fix the id and the model. See TranslatedStream."""
        del model
        super().begin(identity, self._asked)


def open_chat_stream(request: ChatRequest, reply: Reply) -> ChatStream:
    """Return the reader of a stream of Gemini or Claude."""
    notes = reply.notes
    return (
        _ClaudeStream(request, reply, notes)
        if isinstance(notes, _ClaudeNotes)
        else GeminiStream(request, reply)
    )


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Class an HTTP error of Google's shape or Anthropic's. Header names are lower-cased; never raises."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    is_anthropic = isinstance(document, dict) and document.get("type") == "error"
    parse = anthropic_errors.parse_error if is_anthropic else gemini_errors.parse_error
    return parse(status, headers, body)


def build_embeddings(request: EmbeddingsRequest, connection: Connection, model: str) -> WireRequest:
    """Return the request to an embedding model. Raises ProviderFailure for what it cannot do."""
    found = _read_model(model)
    if found.publisher != "google":
        raise unsupported("model", "Claude makes no embeddings.")
    asked = gemini_embeddings.read_input(request, found.name)
    notes = gemini_embeddings.notes_for(asked, model, normalizes=connection.options["normalizes"])
    is_gemini = "gemini" in found.name
    most = gemini_embeddings.MOST_CONTENTS if is_gemini else gemini_embeddings.MOST_INSTANCES

    def make(piece: gemini_embeddings.EmbeddingsInput) -> WireRequest:
        if not is_gemini:
            verb, body = "predict", gemini_embeddings.predict_body(piece)
        else:
            verb = "embedContent" if len(piece.texts) == 1 else "batchEmbedContents"
            body = gemini_embeddings.vertex_contents_body(piece)
        return WireRequest(_url(connection, found, verb), connection.headers, body)

    return gemini_embeddings.requests_for(gemini_embeddings.batches(asked, most), notes, make)


def parse_embeddings(request: EmbeddingsRequest, reply: Reply) -> Answer:
    """Read the vectors. Raises ProviderFailure for an error inside a 200 and for what cannot be read."""
    is_prediction = b'"predictions"' in reply.body
    parse = gemini_embeddings.parse_predictions if is_prediction else gemini_embeddings.parse_contents
    return parse(request, reply)


def amend(request: Request, wire: WireRequest, failure: Failure) -> Amendment | None:
    """Return what to send after a refusal, None where the caller or the operator must change something."""
    notes, status, lesson = wire.notes, failure.upstream_status, ""
    if isinstance(request, EmbeddingsRequest):
        lesson = PREDICT if status in (404, 501) else ""
    elif not isinstance(notes, _ClaudeNotes):
        return gemini_lessons.amend(request, wire, failure)
    elif status in (400, 403) and _NAMES_POLICY.search(failure.message):
        lesson = EMULATED_OUTPUT
    else:
        return anthropic_lessons.amend(request, wire, failure, notes.model)
    amended = apply_lesson(request, wire, lesson)
    return Amendment(amended, lesson) if amended is not wire else None


def apply_lesson(request: Request, wire: WireRequest, lesson: str) -> WireRequest:
    """Return the request as the lesson wants it: the very same where nothing is to be done."""
    notes = wire.notes
    if isinstance(request, EmbeddingsRequest):
        return _predicted(request, wire) if lesson == PREDICT else wire
    if not isinstance(notes, _ClaudeNotes):
        return gemini_lessons.apply_lesson(request, wire, lesson)
    if lesson != EMULATED_OUTPUT:
        return anthropic_lessons.apply_lesson(request, wire, lesson)
    return _emulated(request, wire, notes) if isinstance(request, ChatRequest) else wire


def _predicted(request: EmbeddingsRequest, wire: WireRequest) -> WireRequest:
    """Ask gemini-embedding-001 by predict, which takes one text of it at a time."""
    notes: gemini_embeddings.Notes = wire.notes
    found = _read_model(notes.model)
    address, _, verb = wire.url.rpartition(":")
    if found.name != _ALSO_PREDICTS or verb == "predict":
        return wire

    def make(piece: gemini_embeddings.EmbeddingsInput) -> WireRequest:
        return WireRequest(f"{address}:predict", wire.headers, gemini_embeddings.predict_body(piece))

    asked = gemini_embeddings.read_input(request, found.name)
    return gemini_embeddings.requests_for(gemini_embeddings.batches(asked, 1), notes, make)


def _emulated(request: ChatRequest, wire: WireRequest, notes: _ClaudeNotes) -> WireRequest:
    """Write the body without structured outputs; what other lessons took from it stays away."""
    sent = msgspec.json.decode(wire.body)
    if not _has_structured_outputs(sent):
        return wire
    made = anthropic_request.build_messages_body(request, _read_model(notes.model).name, _EMULATED)
    body = {name: value for name, value in made.body.items() if name != "model"}
    for name in anthropic_lessons.SAMPLING:
        if name not in sent:
            body.pop(name, None)
    if effort := sent.get("output_config", {}).get("effort"):
        body["output_config"]["effort"] = effort
    return msgspec.structs.replace(
        wire,
        body=encode({"anthropic_version": ANTHROPIC_VERSION, **body}),
        dropped=tuple(sorted({*wire.dropped, *made.dropped})),
        adjusted=tuple(sorted({*wire.adjusted, *made.adjusted})),
        notes=_ClaudeNotes(notes.model, made.notes),
    )


def _has_structured_outputs(body: Mapping[str, Any]) -> bool:
    return "format" in body.get("output_config", {}) or any(
        tool.get("strict") for tool in body.get("tools", ())
    )


ADAPTER = Adapter(
    slug="vertex",
    connect=connect,
    build_chat=build_chat,
    parse_chat=parse_chat,
    open_chat_stream=open_chat_stream,
    parse_error=parse_error,
    build_embeddings=build_embeddings,
    parse_embeddings=parse_embeddings,
    amend=amend,
    apply_lesson=apply_lesson,
)
