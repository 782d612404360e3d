"""A streamed chat answer of an OpenAI-compatible provider, made into the stream that OpenAI's clients expect.

Events that conform are forwarded as the bytes they came in; at most a member is cut out of them. Others are
decoded whole, repaired and encoded again. Usage, wherever the provider puts it, is kept and written once, at
the end, if the caller asked for it.
"""

from typing import Any

import msgspec

from gateway.errors import ProviderFailure
from gateway.framing.sse import EventReader
from gateway.providers.chat_problems import interrupted, unreadable
from gateway.providers.openai_choice import UNSET, ChoiceState, Tally, WireChoice
from gateway.providers.openai_errors import failure_in_answer
from gateway.providers.openai_repairs import decode, encode
from gateway.providers.openai_rows import Row
from gateway.providers.openai_usage import conforming_usage, read_usage
from gateway.types import ChatRequest, Reply, Usage

OBJECT = "chat.completion.chunk"
DONE = b"data: [DONE]\n\n"

# A quote inside a JSON string is escaped, so these bytes can only be members of an object.
_ROLE = b'"role":"assistant",'
_NO_USAGE = (b',"usage":null', b', "usage": null')
_NO_USAGE_AT_END = b',"usage":null}'


class _Vendor(msgspec.Struct, gc=False):
    """Groq's x_groq."""

    usage: Any = None
    error: Any = None


class _Event(msgspec.Struct, gc=False):
    id: Any = None
    object: Any = None
    created: Any = None
    model: Any = None
    choices: list[WireChoice] | None = None
    usage: Any = None
    error: Any = None
    x_groq: _Vendor | None = None
    prompt_filter_results: Any = None


_read = msgspec.json.Decoder(_Event).decode


class ChatStream(Tally):
    """One streamed answer. See gateway.providers.base.ChatStream."""

    __slots__ = (
        "_asked_usage",
        "_choices",
        "_created",
        "_failure",
        "_held_filter",
        "_id",
        "_model",
        "_over",
        "_reader",
        "_request",
        "_row",
        "_usage_event",
        "_usage_figures",
        "model",
        "usage",
    )

    def __init__(self, row: Row, request: ChatRequest, reply: Reply) -> None:
        del reply  # everything that matters comes in the events
        super().__init__()
        self.usage: Usage | None = None
        self.model = ""
        self._row = row
        self._request = request
        self._asked_usage = request.include_usage
        self._reader = EventReader()
        self._choices: dict[int, ChoiceState] = {}
        self._id = ""  # with created and model: equal in every chunk that the caller gets
        self._created = 0
        self._model = ""
        self._usage_figures: dict[str, Any] = {}
        self._usage_event = b""  # the provider's own usage chunk, where it conforms
        self._held_filter: Any = None  # Azure's verdict on the prompt, until the first chunk
        self._failure: ProviderFailure | None = None
        self._over = False

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came; return whole frames. Raises ProviderFailure.

        What came before a failure in the same bytes is returned first, the failure raised by the next call.
        """
        if self._failure is not None:
            raise self._failure
        frames: list[bytes] = []
        try:
            for payload in self._reader.feed(data):
                if self._over or payload.startswith(b"[DONE]"):
                    self._over = True
                    break
                if frame := self._translate(payload):
                    frames.append(frame)
        except ProviderFailure as failure:
            if not (frames and self.started):
                raise
            self._failure = failure
        return b"".join(frames)

    def finish(self) -> bytes:
        """Return the closing frames. Raises ProviderFailure unless every choice that began has finished."""
        if self._failure is not None:
            raise self._failure
        frames = [self._cut_off_event(), self._unnamed_finishes()]
        if not self._choices or not all(state.finished for state in self._choices.values()):
            raise interrupted()
        if self._asked_usage and self.usage is not None:
            frames.append(self._usage_chunk())
        frames.append(DONE)
        return b"".join(frames)

    def _translate(self, payload: bytes) -> bytes:
        """Return the frame that an event becomes, maybe nothing. Raises ProviderFailure."""
        try:
            event = _read(payload)
            if not payload.isascii():
                payload.decode()  # the decoder leaves the strings that it skips unchecked
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise unreadable() from None
        if event.error or event.object == "error":
            raise ProviderFailure(failure_in_answer(decode(payload)))
        if event.usage or event.x_groq is not None:
            self._note_usage(event, payload)
        choices = event.choices
        if not choices:
            self._held_filter = event.prompt_filter_results or self._held_filter
            return b""
        if not self._id:
            self._begin(event)
        if edited := self._as_it_came(event, choices, payload):
            for choice in choices:
                self._state(choice.index).note(choice, self)
            return b"data: %b\n\n" % edited
        return self._repaired(payload)

    def _begin(self, event: _Event) -> None:
        """Fix what is equal in all chunks: by the first one with choices, filled up where it is empty."""
        request, identity, created, model = self._request, event.id, event.created, event.model
        is_named = isinstance(identity, str) and identity != "" and not self._row.own_ids
        self._id = identity if is_named else f"chatcmpl-{request.request_id}"
        self._created = created if type(created) is int and created > 0 else request.received_at
        self.model = model if isinstance(model, str) else ""
        self._model = self.model or request.model

    def _as_it_came(self, event: _Event, choices: list[WireChoice], payload: bytes) -> bytes:
        """Return the event's own bytes, at most with members cut out; nothing when that doesn't do."""
        if (
            event.created != self._created
            or event.model != self._model
            or event.object != OBJECT
            or event.usage
            or self._held_filter is not None
        ):
            return b""
        repeated_roles = 0
        for choice in choices:
            state = self._state(choice.index)
            if not state.conforms(choice):
                return b""
            if state.opened and choice.delta is not None and choice.delta.role is not UNSET:
                repeated_roles += 1
        if len(choices) > 1 and len({choice.index for choice in choices}) < len(choices):
            return b""  # each is judged by what came before the event
        if event.id != self._id:
            payload = self._with_own_id(payload, event.id)
        if repeated_roles:
            payload = _cut(payload, _ROLE, repeated_roles)
        return payload if self._asked_usage else _without_usage(payload)

    def _with_own_id(self, payload: bytes, identity: Any) -> bytes:
        """Put our id where most providers write theirs: first. Return nothing when it isn't there."""
        start = b'{"id":%b' % encode(identity)
        return b'{"id":%b%b' % (encode(self._id), payload[len(start) :]) if payload.startswith(start) else b""

    def _state(self, index: int | None) -> ChoiceState:
        """Return what is known of a choice, beginning it when it is new."""
        state = self._choices.get(index or 0)
        if state is None:
            index = index or 0
            state = self._choices[index] = ChoiceState(f"call_{self._request.request_id}_{index}")
        return state

    def _repaired(self, payload: bytes) -> bytes:
        """Return the frame of an event that had to be decoded whole. Raises ProviderFailure."""
        document = decode(payload)
        kept = []
        for choice in document["choices"]:
            choice["index"] = int(choice.get("index") or 0)
            if self._state(choice["index"]).repair(choice, self):
                kept.append(choice)
        if not kept:
            return b""
        document.pop("usage", None)
        if self._held_filter is not None:
            document["prompt_filter_results"], self._held_filter = self._held_filter, None
        return self._frame({**document, **self._identity(), "choices": kept})

    def _identity(self) -> dict[str, Any]:
        return {"id": self._id, "object": OBJECT, "created": self._created, "model": self._model}

    def _frame(self, document: dict[str, Any]) -> bytes:
        return b"data: %b\n\n" % encode(document)

    def _note_usage(self, event: _Event, payload: bytes) -> None:
        """Keep the last figures. Raises ProviderFailure when x_groq names an error."""
        vendor = event.x_groq
        if vendor is not None and vendor.error:
            raise ProviderFailure(failure_in_answer(decode(payload)))
        figures = event.usage or (vendor.usage if vendor is not None else None)
        if (conforming := conforming_usage(figures)) is None:
            return
        self.usage = read_usage(conforming)
        self._usage_figures = conforming
        may_be_forwarded = (
            conforming is figures
            and event.choices == []
            and self._id != ""
            and (event.id, event.created, event.model) == (self._id, self._created, self._model)
            and event.object == OBJECT
        )
        self._usage_event = payload if may_be_forwarded else b""

    def _usage_chunk(self) -> bytes:
        if self._usage_event:
            return b"data: %b\n\n" % self._usage_event
        return self._frame({**self._identity(), "choices": [], "usage": self._usage_figures})

    def _cut_off_event(self) -> bytes:
        """Return the frame of a last event whose blank line never came; one that is cut off doesn't count."""
        payload = self._reader.finish()
        if not payload or self._over or payload.startswith(b"[DONE]"):
            return b""
        try:
            _read(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return b""
        return self._translate(payload)

    def _unnamed_finishes(self) -> bytes:
        """Return finish chunks for calls that ended with an empty finish reason (seen at xAI), and [DONE]."""
        if not self._over:
            return b""
        closing = ((index, state.close()) for index, state in self._choices.items())
        return b"".join(
            self._frame({**self._identity(), "choices": [{"index": index, **choice}]})
            for index, choice in closing
            if choice is not None
        )


def _without_usage(payload: bytes) -> bytes:
    """Return the bytes without the empty usage that came because the gateway asked for it."""
    if payload.endswith(_NO_USAGE_AT_END):  # where most write it
        return payload[: -len(_NO_USAGE_AT_END)] + b"}"
    for member in _NO_USAGE if b'"usage"' in payload else ():
        payload = payload.replace(member, b"")
    return payload


def _cut(payload: bytes, member: bytes, times: int) -> bytes:
    """Return the bytes without a member that occurs at least so often; nothing when it doesn't."""
    return payload.replace(member, b"", times) if payload.count(member) >= times else b""
