"""Speech and transcriptions of OpenAI and of the providers that speak its format, by a row's rules.

A transcript wanted as text is asked for as JSON, which says what is billed; srt and vtt come as they are.
Known gaps: translations; streamed transcriptions; Mistral's speech, whose answers are in a form of its own.
Source: wire facts of 23 Nov 2026 (OpenAI, audio; endpoints of compatible providers).
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.errors import Failure, FailureClass, ProviderFailure
from gateway.framing.sse import EventReader
from gateway.providers import transcripts
from gateway.providers.chat_problems import unreadable
from gateway.providers.multipart import multipart_body
from gateway.providers.openai_errors import failure_in_answer
from gateway.providers.openai_repairs import decode
from gateway.providers.openai_requests import Fields, unsupported
from gateway.providers.openai_rows import Row, SpeechRules, TranscriptionRules
from gateway.providers.sound import SoundStream
from gateway.providers.transcripts import Span, Transcript
from gateway.types import (
    Answer,
    Connection,
    Reply,
    SpeechRequest,
    TranscriptionRequest,
    Usage,
    WireRequest,
)

EVENT_STREAM = "text/event-stream; charset=utf-8"
MAX_SECONDS = 10**7  # of sound; no file has more
_OWN_HEADERS = frozenset({"content-type", "accept"})
_CUE_END = re.compile(rb"-->\s*(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{3})")
_TIMES = "timestamp_granularities"


def _headers(connection: Connection, *own: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return (*own, *(header for header in connection.headers if header[0] not in _OWN_HEADERS))


# -- speech


def build_speech(
    row: Row, rules: SpeechRules, request: SpeechRequest, connection: Connection, model: str
) -> WireRequest:
    """Return the request to the provider. Raises ProviderFailure (unsupported) for a format that it lacks."""
    if request.format not in rules.formats:
        raise unsupported(row, "response_format")
    if request.events and not rules.events:
        raise unsupported(row, "stream_format")
    headers = _headers(connection, ("content-type", "application/json"), ("accept", "*/*"))
    url = f"{connection.base_url}/audio/speech"
    if not rules.drop and request.model == model:
        return WireRequest(url, headers, request.raw)
    fields = Fields(request.raw)
    for name in rules.drop:
        fields.drop(name)
    if request.model != model:
        fields.put("model", model)
    return WireRequest(url, headers, *fields.body(request.raw))


def open_speech(request: SpeechRequest, reply: Reply) -> "SoundStream | SpeechEvents":
    """Return the answer as it is passed on: sound, or events where the caller asked for them."""
    usage = Usage(characters=request.characters)
    if request.events and reply.headers.get("content-type", "").startswith("text/event-stream"):
        return SpeechEvents(usage)
    return SoundStream(request.format, usage, reply, explain)


def explain(body: bytes) -> Failure:
    """Class a body that came with a 2xx in place of sound or of a transcript; never raises."""
    try:
        return failure_in_answer(decode(body))
    except ProviderFailure as problem:
        return problem.failure


class SpeechEvents:
    """Speech as server-sent events, passed on as they are; the last one says what is billed."""

    __slots__ = ("_done", "_reader", "content_type", "model", "output_bytes", "started", "usage")

    def __init__(self, usage: Usage) -> None:
        self.content_type = EVENT_STREAM
        self.started = False
        self.usage: Usage | None = usage
        self.model = ""
        self.output_bytes = 0
        self._reader = EventReader()
        self._done = False

    def feed(self, data: bytes) -> bytes:
        """Return whole events. Raises ProviderFailure when one reports an error or cannot be read."""
        events = self._reader.feed(data)
        for event in events:
            self._look_into(event)
        self.output_bytes += len(data)
        return b"".join(b"data: %b\n\n" % event for event in events)

    def _look_into(self, event: bytes) -> None:
        document = decode(event)
        if not isinstance(document, dict) or document.get("error") or document.get("type") == "error":
            raise ProviderFailure(failure_in_answer(document))
        self.started = True
        if document.get("type") == "speech.audio.done":
            self._done = True
            if self.usage is not None:
                self.usage = _with_tokens(self.usage, document.get("usage"))

    def finish(self) -> bytes:
        """The provider ended the body. Raises ProviderFailure when the last event has not come."""
        last = self._reader.finish()
        if last:
            self._look_into(last)
        if not self._done:
            raise ProviderFailure(
                Failure(
                    FailureClass.SERVER_ERROR, "The provider ended the stream before the speech was over."
                )
            )
        return b"data: %b\n\n" % last if last else b""


# -- transcriptions


def build_transcription(
    row: Row, rules: TranscriptionRules, request: TranscriptionRequest, connection: Connection, model: str
) -> WireRequest:
    """Return the request to the provider. Raises ProviderFailure (unsupported) for a form that it lacks."""
    if request.format not in rules.formats:
        raise unsupported(row, "response_format")
    form = _Form(request, rules)
    form.put("model", model)
    if not rules.takes_format:
        form.leave_out("response_format")
        if request.format == "verbose_json" and not _granularities(request):
            form.add(rules.granularities, "segment")
    elif request.format == "text":
        form.put("response_format", "json")
    body = multipart_body(form.fields, request.upload, request.request_id)
    return WireRequest(
        f"{connection.base_url}/audio/transcriptions",
        _headers(connection, ("accept", "application/json")),
        b"",
        form.dropped,
        upload=body,
    )


class _Form:
    """The fields of a form while they are being changed."""

    def __init__(self, request: TranscriptionRequest, rules: TranscriptionRules) -> None:
        kept, dropped = [], set()
        for name, value in request.fields:
            bare = name.removesuffix("[]")
            if bare in rules.drop:
                dropped.add(bare)
            elif bare == _TIMES:
                kept.append((rules.granularities, value))
            elif name != "stream":  # false, as everything else is refused before
                kept.append((name, value))
        self.fields = kept
        self.dropped = tuple(sorted(dropped))

    def put(self, name: str, value: str) -> None:
        """Set a field that is there."""
        self.fields = [(key, value if key == name else found) for key, found in self.fields]

    def add(self, name: str, value: str) -> None:
        """Append a field."""
        self.fields.append((name, value))

    def leave_out(self, name: str) -> None:
        """Leave a field out whose meaning is seen to here."""
        self.fields = [field for field in self.fields if field[0] != name]


def _granularities(request: TranscriptionRequest) -> frozenset[str]:
    return frozenset(value for name, value in request.fields if name.removesuffix("[]") == _TIMES)


class _Transcription(msgspec.Struct):
    text: str
    duration: Any = None
    usage: Any = None
    error: Any = None


_transcription = msgspec.json.Decoder(_Transcription)


def parse_transcription(rules: TranscriptionRules, request: TranscriptionRequest, reply: Reply) -> Answer:
    """Read an answer. Raises ProviderFailure for an error inside a 200 and for what cannot be read."""
    body = reply.body
    if request.format in {"srt", "vtt"}:
        return _subtitles(request.format, reply)
    try:
        body.decode()  # the decoder leaves the strings that it skips unchecked
        found = _transcription.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _why_not(body) from None
    if found.error:
        raise _why_not(body)
    usage = read_audio_usage(found.usage, found.duration)
    if request.format == "text":
        return transcripts.plain_text(found.text, usage)
    if rules.takes_format:
        return Answer(body, usage, "")
    return _in_openais_form(request, decode(body), usage or Usage())


def _why_not(body: bytes) -> ProviderFailure:
    """Return the failure for a body without a transcript: the error it names, else that it's unreadable."""
    try:
        document = decode(body)
    except ProviderFailure as failure:
        return failure
    names_error = isinstance(document, dict) and (document.get("error") or document.get("object") == "error")
    return ProviderFailure(failure_in_answer(document)) if names_error else unreadable()


def _subtitles(format: str, reply: Reply) -> Answer:
    """Pass subtitles on; what was listened to lasts at least until the end of the last cue."""
    media_type = reply.headers.get("content-type", "").lower()
    if media_type.startswith(("application/json", "text/html")):
        raise _why_not(reply.body)
    try:
        text = reply.body.decode()
    except UnicodeDecodeError:
        raise unreadable() from None
    ends = [
        int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(rest) / 1000
        for hours, minutes, seconds, rest in _CUE_END.findall(reply.body)
    ]
    seconds = max((end for end in ends if end <= MAX_SECONDS), default=0.0)
    return transcripts.subtitles(text, Usage(seconds=seconds) if seconds else None, format)


def _in_openais_form(request: TranscriptionRequest, document: Mapping[str, Any], usage: Usage) -> Answer:
    """Return a transcript of a provider that knows no response_format: Mistral."""
    segments = tuple(_spans(document.get("segments")))
    duration = usage.seconds or max((span.end for span in segments), default=0.0)
    language = document.get("language")
    transcript = Transcript(
        text=document["text"],
        language=language if isinstance(language, str) else "",
        duration=duration,
        words=segments,
        segments=segments,
    )
    if request.format == "json":
        return transcripts.as_json(transcript, usage)
    return transcripts.as_verbose_json(transcript, usage, _granularities(request))


def _spans(found: Any) -> "list[Span]":
    entries = [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    return [
        Span(entry["text"], seconds_of(entry.get("start")), seconds_of(entry.get("end")))
        for entry in entries
        if isinstance(entry.get("text"), str)
    ]


def seconds_of(value: Any) -> float:
    """Return a duration in seconds; 0 for what is none."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) and 0 < value <= MAX_SECONDS else 0.0


def read_audio_usage(usage: Any, duration: Any = None) -> Usage | None:
    """Return what a transcription is billed by: seconds, tokens, or both; None where nothing is known."""
    given = usage if isinstance(usage, dict) else {}
    seconds = seconds_of(given.get("seconds")) or seconds_of(given.get("prompt_audio_seconds"))
    found = _with_tokens(Usage(seconds=seconds or seconds_of(duration)), given)
    return None if found == Usage() else found


def _with_tokens(usage: Usage, given: Any) -> Usage:
    """Add the tokens, where there are any: input_tokens contain the audio ones."""
    if not isinstance(given, dict):
        return usage
    details = given.get("input_token_details")
    audio = _count(details.get("audio_tokens")) if isinstance(details, dict) else 0
    prompt = _count(given.get("input_tokens")) or _count(given.get("prompt_tokens"))
    output = _count(given.get("output_tokens")) or _count(given.get("completion_tokens"))
    return msgspec.structs.replace(usage, input=max(0, prompt - audio), audio=audio, output=output)


def _count(value: Any) -> int:
    return value if type(value) is int and 0 < value < 10**12 else 0
