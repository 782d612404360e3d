"""Toy, which doesn't exist: POST /v1/say.

Reference: docs/adding-a-provider.md. Known gaps: text only, no tools.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from axiom.lib.redaction import redact
from gateway.errors import MESSAGE_LIMIT, Failure, FailureClass
from gateway.framing.sse import EventReader
from gateway.providers.base import Adapter
from gateway.providers.chat_answer import TranslatedStream, answer, choice_object, message_object
from gateway.providers.chat_messages import Turn, read_turns
from gateway.providers.chat_parts import Text, plain_text
from gateway.providers.chat_problems import unreadable, unsupported
from gateway.providers.chat_request import MEANINGFUL, Fields, read_body, take_max_tokens
from gateway.providers.retry_after import retry_after
from gateway.types import Answer, ChatRequest, Connection, CredentialSettings, Reply, Usage, WireRequest

FINISH_REASONS: Mapping[str, str] = {"end": "stop", "cut": "length"}
CLASSES: Mapping[int, FailureClass] = {
    401: FailureClass.AUTH,
    404: FailureClass.NOT_FOUND,
    429: FailureClass.RATE_LIMIT,
}


class _Said(msgspec.Struct):
    id: str = ""
    text: str = ""
    end: str = ""
    tokens_in: int = 0
    tokens_out: int = 0


def connect(settings: CredentialSettings) -> Connection:
    """Return the address and headers of a credential."""
    key = settings.secret.reveal() if settings.secret else ""
    return Connection(
        base_url=settings.base_url,
        headers=(("content-type", "application/json"), ("x-toy-key", key)),
        chat_url=f"{settings.base_url}/v1/say",
    )


def build_chat(request: ChatRequest, connection: Connection, model: str) -> WireRequest:
    """Return the request to Toy. Raises ProviderFailure for what it cannot do."""
    fields = Fields(read_body(request.raw))
    lines = [_line(turn) for turn in read_turns(fields.take("messages"), str)]
    fields.refuse("tools", "functions", *MEANINGFUL)
    body: dict[str, Any] = {"model": model, "lines": lines, "live": request.stream}
    if (limit := take_max_tokens(fields)) is not None:
        body["limit"] = limit
    encoded = msgspec.json.encode(body)
    return WireRequest(connection.chat_url, connection.headers, encoded, fields.dropped, notes=model)


def _line(turn: Turn) -> str:
    if turn.calls or turn.results or not all(isinstance(part, Text) for part in turn.parts):
        raise unsupported("messages", "Toy takes nothing but text.")
    return f"{turn.role}: {plain_text(turn.parts)}"


def parse_chat(request: ChatRequest, reply: Reply) -> Answer:
    """Return the answer in OpenAI's shape. Raises ProviderFailure (server_error) when it isn't one."""
    said = _read(reply.body)
    if not said.end:
        raise unreadable()
    choice = choice_object(message_object(said.text), FINISH_REASONS.get(said.end, "stop"))
    return answer(request, said.id, reply.notes, [choice], usage=_usage(said))


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> Failure:
    """Class an error by its status; the body is the message."""
    other = FailureClass.SERVER_ERROR if status >= 500 else FailureClass.INVALID_REQUEST
    message = redact(body.decode("utf-8", "replace"))[:MESSAGE_LIMIT]
    return Failure(CLASSES.get(status, other), message, status, retry_after(headers))


class ToyStream(TranslatedStream[bytes]):
    """One streamed answer: text until an event has an end."""

    __slots__ = ()

    def __init__(self, request: ChatRequest, reply: Reply) -> None:
        super().__init__(request, EventReader())
        self.model = reply.notes

    def translate(self, event: bytes) -> bytes:
        """Return the frames that an event becomes. Raises ProviderFailure."""
        said = _read(event)
        if said.id:
            self.begin(said.id, self.model)
        if not said.end:
            return self.text(said.text)
        self.note_usage(_usage(said))
        return self.text(said.text) + self.end(FINISH_REASONS.get(said.end, "stop"))


def _read(body: bytes) -> _Said:
    try:
        return msgspec.json.decode(body, type=_Said)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise unreadable() from None


def _usage(said: _Said) -> Usage:
    return Usage(input=said.tokens_in, output=said.tokens_out)


ADAPTER = Adapter(
    slug="toy",
    connect=connect,
    build_chat=build_chat,
    parse_chat=parse_chat,
    open_chat_stream=ToyStream,
    parse_error=parse_error,
)
