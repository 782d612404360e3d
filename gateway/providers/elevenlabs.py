"""ElevenLabs: speech (text-to-speech) and transcriptions (speech-to-text). It has no chat and no embeddings.

POST /v1/text-to-speech/{voice} answers bare sound (/stream: as it is made); POST /v1/speech-to-text takes a
form. Voices belong to the account: OpenAI's names lead to one by the credential's voice map only.
Reference: elevenlabs.io/docs/api-reference. Known gaps: aac and flac, diarized_json, streamed transcriptions.
Errors: elevenlabs_errors.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.errors import Failure, FailureClass, ProviderFailure
from gateway.providers import transcripts
from gateway.providers.base import Adapter
from gateway.providers.elevenlabs_errors import explain, parse_error
from gateway.providers.model_lists import build_list, parse_elevenlabs_models
from gateway.providers.multipart import multipart_body
from gateway.providers.sound import CONTENT_TYPES, SoundStream
from gateway.providers.transcripts import Span, Transcript
from gateway.types import (
    Answer,
    Connection,
    CredentialSettings,
    ListedModel,
    Reply,
    SpeechRequest,
    TranscriptionRequest,
    Usage,
    WireRequest,
)

LABEL = "ElevenLabs"
VOICE = re.compile(r"[A-Za-z0-9]{10,40}")
OUTPUT_FORMATS = {
    "mp3": "mp3_44100_128",
    "opus": "opus_48000_128",
    "pcm": "pcm_24000",
    "wav": "wav_24000",
}  # of OpenAI's six, aac and flac are lacking
MIN_SPEED, MAX_SPEED = 0.7, 1.2
MAX_SECONDS = 10**7  # of sound; no file has more
# Fields of a speech request that are seen to here, and ElevenLabs' own ones, which go on as they are.
_READ = frozenset({"model", "input", "voice", "response_format", "speed", "stream_format"})
_OWN = frozenset({"voice_settings", "language_code", "seed"})
# Fields of a form by the names they go on under; all others are dropped.
_FORM = {
    "language": "language_code",
    "temperature": "temperature",
    "diarize": "diarize",
    "num_speakers": "num_speakers",
    "tag_audio_events": "tag_audio_events",
    "keywords": "keyterms",
    "keyterms": "keyterms",
}
_FORM_READ = frozenset({"model", "response_format", "stream", "timestamp_granularities"})
SPEECH_MODELS = ("eleven_multilingual_v2", "eleven_flash_v2_5", "eleven_turbo_v2_5", "eleven_v3")
SCRIBE = tuple(ListedModel(name, ("audio.transcriptions",)) for name in ("scribe_v1", "scribe_v2"))


def connect(settings: CredentialSettings) -> Connection:
    """Return the address and headers of a credential; `options` has `voices` (a name: a voice's id)."""
    headers = [("accept-encoding", "identity"), ("user-agent", "axiom-llm-gateway")]
    if settings.secret:
        headers.append(("xi-api-key", settings.secret.reveal()))
    return Connection(
        base_url=settings.base_url.strip().rstrip("/").removesuffix("/v1"),
        headers=tuple(headers),
        options={"voices": dict(settings.config.get("voices") or {})},
    )


# -- speech


def build_speech(request: SpeechRequest, connection: Connection, model: str) -> WireRequest:
    """Return the request for a voice. Raises ProviderFailure (unsupported) for what it cannot do."""
    fields = msgspec.json.decode(request.raw, type=dict[str, Any])
    output_format = OUTPUT_FORMATS.get(request.format)
    if output_format is None:
        raise _unsupported("response_format")
    if request.events:
        raise _unsupported("stream_format")
    body = {"text": fields["input"], "model_id": model}
    body |= {name: fields[name] for name in _OWN & fields.keys() if fields[name] is not None}
    adjusted = _set_speed(body, fields.get("speed"))
    stream = "/stream" if fields.get("stream_format") == "audio" else ""
    voice = _voice(fields["voice"], connection.options["voices"])
    return WireRequest(
        f"{connection.base_url}/v1/text-to-speech/{voice}{stream}?output_format={output_format}",
        (
            ("content-type", "application/json"),
            ("accept", CONTENT_TYPES[request.format]),
            *connection.headers,
        ),
        msgspec.json.encode(body),
        tuple(sorted(name for name in fields.keys() - _READ - _OWN if fields[name] is not None)),
        adjusted,
    )


def _voice(voice: Any, names: Mapping[str, str]) -> str:
    """Return the id of a voice, which becomes part of the path. Raises ProviderFailure (unsupported)."""
    asked = voice["id"] if isinstance(voice, dict) else voice
    found = names.get(asked, asked)
    if not VOICE.fullmatch(found):
        raise _unsupported("voice")
    return found


def _set_speed(body: dict[str, Any], speed: Any) -> tuple[str, ...]:
    """Put the speed into the voice settings, in the range that is taken; return what was adjusted."""
    if speed is None or speed == 1:
        return ()
    clamped = min(MAX_SPEED, max(MIN_SPEED, speed))
    own = body.get("voice_settings")
    body["voice_settings"] = {**(own if isinstance(own, dict) else {}), "speed": clamped}
    return () if clamped == speed else ("speed",)


def open_speech(request: SpeechRequest, reply: Reply) -> SoundStream:
    """Return the sound; `character-cost` says how many characters are billed."""
    cost = reply.headers.get("character-cost", "")
    characters = int(cost) if re.fullmatch(r"[1-9]\d{0,8}", cost) else request.characters
    return SoundStream(request.format, Usage(characters=characters), reply, explain)


# -- transcriptions


def build_transcription(request: TranscriptionRequest, connection: Connection, model: str) -> WireRequest:
    """Return the request. Raises ProviderFailure (unsupported) for a form of transcript that it lacks."""
    if request.format == "diarized_json":
        raise _unsupported("response_format")
    form = {"model_id": model, "tag_audio_events": "false", "timestamps_granularity": "word"}
    if request.format in {"json", "text"}:
        form["timestamps_granularity"] = "none"
    if request.format == "srt":
        form["additional_formats"] = '[{"format":"srt"}]'
    terms: list[tuple[str, str]] = []
    dropped = set()
    for name, value in request.fields:
        bare = name.removesuffix("[]")
        own = _FORM.get(bare)
        if own == "keyterms":
            terms.append((own, value))
        elif own is not None:
            form[own] = value
        elif bare not in _FORM_READ:
            dropped.add(bare)
    return WireRequest(
        f"{connection.base_url}/v1/speech-to-text",
        (("accept", "application/json"), *connection.headers),
        b"",
        tuple(sorted(dropped)),
        upload=multipart_body((*form.items(), *terms), request.upload, request.request_id),
    )


class _Word(msgspec.Struct):
    text: str
    start: float | None = None
    end: float | None = None
    type: str = "word"
    logprob: float | None = None


class _File(msgspec.Struct):
    content: str
    requested_format: str = ""
    is_base64_encoded: bool = False


class _Answer(msgspec.Struct):
    text: str
    language_code: str | None = None
    words: list[_Word] | None = None
    audio_duration_secs: float | None = None
    additional_formats: list[_File | None] | None = None


_answer = msgspec.json.Decoder(_Answer)


def parse_transcription(request: TranscriptionRequest, reply: Reply) -> Answer:
    """Read an answer. Raises ProviderFailure for an error inside a 200 and for what cannot be read."""
    try:
        reply.body.decode()  # the decoder leaves the strings that it skips unchecked
        found = _answer.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProviderFailure(explain(reply.body)) from None
    transcript, pieces = _transcript(found)
    usage = Usage(seconds=transcript.duration)
    if request.format == "text":
        return transcripts.plain_text(transcript.text, usage)
    if request.format == "json":
        return transcripts.as_json(transcript, usage)
    if request.format == "srt":
        return transcripts.subtitles(_srt(found), usage, "srt")
    transcript = transcript._replace(segments=tuple(transcripts.sentences(pieces)))
    if request.format == "vtt":
        return transcripts.as_vtt(transcript.segments, usage)
    asked = [value for name, value in request.fields if name.removesuffix("[]") == "timestamp_granularities"]
    return transcripts.as_verbose_json(transcript, usage, asked)


def _transcript(found: _Answer) -> tuple[Transcript, list[Span]]:
    """Return what was heard, and the words with the spaces between them."""
    listed = [word for word in found.words or () if word.type != "audio_event"]
    pieces = [Span(word.text, word.start or 0.0, word.end or 0.0, word.logprob or 0.0) for word in listed]
    words = [piece for piece, word in zip(pieces, listed, strict=True) if word.type == "word"]
    last = max((word.end for word in words), default=0.0)
    duration = found.audio_duration_secs or last
    duration = duration if 0 < duration <= MAX_SECONDS else 0.0
    return Transcript(found.text, found.language_code or "", duration, words, ()), pieces


def _srt(found: _Answer) -> str:
    """Return the subtitles. Raises ProviderFailure when there are none."""
    for file in found.additional_formats or ():
        if file is not None and file.requested_format in {"", "srt"}:
            try:
                return (
                    base64.b64decode(file.content, validate=True).decode()
                    if file.is_base64_encoded
                    else file.content
                )
            except (binascii.Error, UnicodeDecodeError, ValueError):
                break
    raise ProviderFailure(Failure(FailureClass.SERVER_ERROR, "The provider sent no subtitles."))


# -- what an account has


def build_models(connection: Connection) -> WireRequest:
    """Ask for the models."""
    return build_list(connection, "/v1/models")


def parse_models(reply: Reply) -> tuple[ListedModel, ...]:
    """Read the models for speech and add those for transcriptions, which are never listed."""
    return parse_elevenlabs_models(reply) + SCRIBE


def build_voices(connection: Connection) -> WireRequest:
    """Ask for the account's voices."""
    return build_list(connection, "/v1/voices")


class _ListedVoice(msgspec.Struct):
    voice_id: str


class _VoiceList(msgspec.Struct):
    voices: list[_ListedVoice]


def parse_voices(reply: Reply) -> tuple[str, ...]:
    """Read `{"voices": [{"voice_id", "name"}]}`: the ids. Raises ProviderFailure (server_error)."""
    try:
        listed = msgspec.json.decode(reply.body, type=_VoiceList).voices
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProviderFailure(
            Failure(FailureClass.SERVER_ERROR, "The provider's list of voices cannot be read.")
        ) from None
    return tuple(dict.fromkeys(voice.voice_id for voice in listed if VOICE.fullmatch(voice.voice_id)))


def _unsupported(param: str) -> ProviderFailure:
    message = f"{LABEL} does not support this value of '{param}'."
    return ProviderFailure(Failure(FailureClass.UNSUPPORTED, message, param=param))


ADAPTER = Adapter(
    slug="elevenlabs",
    connect=connect,
    parse_error=parse_error,
    build_speech=build_speech,
    open_speech=open_speech,
    build_transcription=build_transcription,
    parse_transcription=parse_transcription,
    build_models=build_models,
    parse_models=parse_models,
    build_voices=build_voices,
    parse_voices=parse_voices,
    known_models=(*(ListedModel(name, ("audio.speech",)) for name in SPEECH_MODELS), *SCRIBE),
)
