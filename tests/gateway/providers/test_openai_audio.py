"""Speech and transcriptions of OpenAI, Azure and the compatible providers."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.audio import Transcription, TranscriptionVerbose

from gateway.errors import FailureClass, ProviderFailure
from gateway.providers.base import SpeechStream
from gateway.providers.registry import ADAPTERS
from gateway.types import Answer, Reply, WireRequest
from tests.gateway.audio import WAV, form_in, read_form_body, speech, transcription
from tests.gateway.providers.samples import KEY, connection_of, sample

Kind = FailureClass
SLUGS_WITH_SPEECH = {"openai", "azure", "groq", "elevenlabs"}
SLUGS_WITH_TRANSCRIPTIONS = SLUGS_WITH_SPEECH | {"mistral"}


def said(
    slug: str,
    *,
    base_url: str = "https://provider.example/v1",
    model: str = "",
    config: Any = None,
    **fields: Any,
) -> WireRequest:
    build = ADAPTERS[slug].build_speech
    assert build is not None
    request = speech(**fields)
    return build(request, connection_of(slug, base_url, **(config or {})), model or request.model)


def heard(
    slug: str,
    *fields: tuple[str, str],
    base_url: str = "https://provider.example/v1",
    model: str = "",
    config: Any = None,
    **more: str,
) -> WireRequest:
    build = ADAPTERS[slug].build_transcription
    assert build is not None
    request = transcription(*fields, **more)
    return build(request, connection_of(slug, base_url, **(config or {})), model or request.model)


def answered(
    slug: str, body: bytes, *fields: tuple[str, str], content_type: str = "application/json", **more: str
) -> Answer:
    parse = ADAPTERS[slug].parse_transcription
    assert parse is not None
    return parse(transcription(*fields, **more), Reply(body, {"content-type": content_type}))


def opened(slug: str = "openai", content_type: str = "audio/mpeg", **fields: Any) -> SpeechStream:
    open_speech = ADAPTERS[slug].open_speech
    assert open_speech is not None
    return open_speech(speech(**fields), Reply(headers={"content-type": content_type}))


def test_exactly_the_providers_of_the_table_have_audio() -> None:
    assert {slug for slug, each in ADAPTERS.items() if each.build_speech} == SLUGS_WITH_SPEECH
    assert {slug for slug, each in ADAPTERS.items() if each.build_transcription} == SLUGS_WITH_TRANSCRIPTIONS
    for each in ADAPTERS.values():
        assert (each.build_speech is None) == (each.open_speech is None)
        assert (each.build_transcription is None) == (each.parse_transcription is None)


# -- speech


@pytest.mark.parametrize("name", ["audio_speech.request.json"])
def test_the_sample_goes_on_byte_for_byte(name: str) -> None:
    request = speech(**sample("openai", name).json)
    build = ADAPTERS["openai"].build_speech
    assert build is not None
    wire = build(request, connection_of("openai"), request.model)
    assert wire.body is request.raw
    assert (wire.method, wire.url) == ("POST", "https://provider.example/v1/audio/speech")
    headers = dict(wire.headers)
    assert headers["authorization"] == f"Bearer {KEY}"
    assert (headers["content-type"], headers["accept"]) == ("application/json", "*/*")
    assert len(headers) == len(wire.headers)


def test_the_model_is_named_as_the_provider_knows_it() -> None:
    assert json.loads(said("openai", model="tts-1-hd").body)["model"] == "tts-1-hd"


@pytest.mark.parametrize(
    ("surface", "url"),
    [
        ("v1", "https://r.example/openai/v1/audio/speech"),
        ("deployments", "https://r.example/openai/deployments/my%20tts/audio/speech?api-version=2024-10-21"),
    ],
)
def test_azure_speaks_at_the_deployment(surface: str, url: str) -> None:
    config = {"surface": surface, "api_version": "2024-10-21", "deployments": {"tts-1": "my tts"}}
    wire = said("azure", base_url="https://r.example", config=config)
    assert wire.url == url
    assert json.loads(wire.body)["model"] == ("tts-1" if surface == "deployments" else "my tts")
    assert dict(wire.headers)["api-key"] == KEY


@pytest.mark.parametrize("response_format", ["opus", "aac", "pcm"])
def test_groq_refuses_the_formats_it_lacks(response_format: str) -> None:
    with pytest.raises(ProviderFailure) as problem:
        said("groq", response_format=response_format)
    assert (problem.value.failure.kind, problem.value.param) == (Kind.UNSUPPORTED, "response_format")


def test_groq_is_not_sent_what_it_does_not_take() -> None:
    wire = said("groq", instructions="calm", stream_format="audio", response_format="wav")
    assert json.loads(wire.body) == {
        "model": "tts-1", "input": "Hello", "voice": "alloy", "response_format": "wav",
    }  # fmt: skip
    assert wire.dropped == ("instructions", "stream_format")
    with pytest.raises(ProviderFailure, match="stream_format"):
        said("groq", stream_format="sse")


@pytest.mark.parametrize(
    ("response_format", "content_type"),
    [
        ("mp3", "audio/mpeg"), ("opus", "audio/opus"), ("aac", "audio/aac"),
        ("flac", "audio/flac"), ("wav", "audio/wav"), ("pcm", "audio/pcm"),
    ],
)  # fmt: skip
def test_sound_has_the_content_type_of_its_format(response_format: str, content_type: str) -> None:
    stream = opened(content_type="application/octet-stream", response_format=response_format)
    assert stream.content_type == content_type
    assert stream.feed(b"abc") == b"abc"
    assert stream.started
    assert stream.finish() == b""
    assert stream.usage is not None
    assert (stream.usage.characters, stream.output_bytes) == (5, 3)


def test_characters_are_counted_and_not_bytes() -> None:
    stream = opened(input="h\u00e9\U0001f600")
    assert stream.usage is not None
    assert stream.usage.characters == 3


@pytest.mark.parametrize(
    ("content_type", "body", "kind", "message"),
    [
        ("application/json", b'{"error": {"message": "m", "code": "insufficient_quota"}}', Kind.BILLING, "m"),
        ("Application/JSON", b"{}", Kind.SERVER_ERROR, "The provider reported an error."),
        ("text/html", b"<html>", Kind.SERVER_ERROR, "The provider's answer cannot be read."),
        ("audio/mpeg", b"", Kind.SERVER_ERROR, "The provider sent no sound."),
    ],
)  # fmt: skip
def test_a_200_without_sound_is_a_failure(content_type: str, body: bytes, kind: Kind, message: str) -> None:
    stream = opened(content_type=content_type)
    assert b"".join(stream.feed(body[at : at + 1]) for at in range(len(body))) == b""
    assert not stream.started
    with pytest.raises(ProviderFailure) as problem:
        stream.finish()
    assert (problem.value.failure.kind, problem.value.message) == (kind, message)


def test_an_endless_error_is_not_kept() -> None:
    stream = opened(content_type="text/plain")
    for _ in range(100):
        stream.feed(bytes(65536))
    with pytest.raises(ProviderFailure):
        stream.finish()


EVENTS = (
    b'data: {"type":"speech.audio.delta","audio":"AAAA"}\n\n'
    b'data: {"type":"speech.audio.delta","audio":"BBBB"}\n\n'
    b'data: {"type":"speech.audio.done","usage":{"input_tokens":5,"output_tokens":40,"total_tokens":45}}\n\n'
)


@pytest.mark.parametrize("piece", [1, 7, 64, 10_000])
def test_events_are_passed_on_and_say_what_is_billed(piece: int) -> None:
    stream = opened(content_type="text/event-stream", stream_format="sse")
    out = b"".join(stream.feed(EVENTS[at : at + piece]) for at in range(0, len(EVENTS), piece))
    assert out + stream.finish() == EVENTS
    assert stream.content_type.startswith("text/event-stream")
    assert stream.usage is not None
    assert (stream.usage.characters, stream.usage.input, stream.usage.output) == (5, 5, 40)


@pytest.mark.parametrize("cut", range(0, len(EVENTS) - 2, 5))
def test_events_cut_anywhere_never_end_cleanly(cut: int) -> None:
    stream = opened(content_type="text/event-stream", stream_format="sse")
    stream.feed(EVENTS[:cut])
    with pytest.raises(ProviderFailure):
        stream.finish()


def test_an_error_among_the_events_is_a_failure() -> None:
    stream = opened(content_type="text/event-stream", stream_format="sse")
    with pytest.raises(ProviderFailure, match="overloaded"):
        stream.feed(b'data: {"type":"error","error":{"message":"overloaded"}}\n\n')


# -- transcriptions


@pytest.mark.parametrize("name", ["audio_transcription.request.txt"])
def test_the_form_goes_on_as_the_sample_shows_it(name: str) -> None:
    head, _, body = sample("openai", name).raw.replace(b"\n", b"\r\n").partition(b"\r\n\r\n")
    content_type = head.decode().rpartition("Content-Type: ")[2]
    recorded = read_form_body(content_type, body)
    assert (recorded.values["model"], recorded.file) == (["gpt-4o-transcribe"], b"<bytes>")
    fields = [(field, value) for field, values in recorded.values.items() for value in values]
    form = form_in(heard("openai", *fields[1:], model="gpt-4o-transcribe"))
    assert form.values == recorded.values
    assert (form.filename, form.file_type) == (recorded.filename, recorded.file_type)


def test_the_form_and_the_file_go_on_as_they_are() -> None:
    wire = heard("openai", ("include[]", "logprobs"), language="de", prompt="\u00fc", stream="false")
    assert (wire.method, wire.url) == ("POST", "https://provider.example/v1/audio/transcriptions")
    assert "content-type" not in dict(wire.headers)
    assert dict(wire.headers)["authorization"] == f"Bearer {KEY}"
    form = form_in(wire)
    assert form.values == {
        "model": ["whisper-1"], "include[]": ["logprobs"], "language": ["de"], "prompt": ["\u00fc"],
    }  # fmt: skip
    assert (form.file, form.filename, form.file_type) == (WAV, "a.wav", "audio/wav")
    assert wire.dropped == ()


@pytest.mark.parametrize(
    ("surface", "url"),
    [
        ("v1", "https://r.example/openai/v1/audio/transcriptions"),
        ("deployments", "https://r.example/openai/deployments/w/audio/transcriptions?api-version=2024-10-21"),
    ],
)
def test_azure_listens_at_the_deployment(surface: str, url: str) -> None:
    config = {"surface": surface, "api_version": "2024-10-21", "deployments": {"whisper-1": "w"}}
    wire = heard("azure", base_url="https://r.example", config=config)
    assert wire.url == url
    assert form_in(wire)["model"] == ("whisper-1" if surface == "deployments" else "w")


@pytest.mark.parametrize("slug", ["groq", "mistral"])
@pytest.mark.parametrize("response_format", ["srt", "vtt", "diarized_json"])
def test_a_form_of_transcript_that_is_lacking_is_refused(slug: str, response_format: str) -> None:
    with pytest.raises(ProviderFailure) as problem:
        heard(slug, response_format=response_format)
    assert (problem.value.failure.kind, problem.value.param) == (Kind.UNSUPPORTED, "response_format")


def test_groq_and_mistral_are_not_sent_what_they_do_not_take() -> None:
    wire = heard("groq", ("include[]", "logprobs"), chunking_strategy="auto", prompt="p", stream="false")
    assert form_in(wire).values == {"model": ["whisper-1"], "prompt": ["p"]}
    assert wire.dropped == ("chunking_strategy", "include")
    wire = heard(
        "mistral",
        ("timestamp_granularities[]", "word"),
        response_format="verbose_json",
        prompt="p",
        diarize="true",
    )
    assert form_in(wire).values == {
        "model": ["whisper-1"],
        "timestamp_granularities": ["word"],
        "diarize": ["true"],
    }
    assert wire.dropped == ("prompt",)
    wire = heard("mistral", response_format="verbose_json")
    assert form_in(wire).values == {"model": ["whisper-1"], "timestamp_granularities": ["segment"]}


def test_names_that_could_break_a_form_are_escaped() -> None:
    request = transcription(('x"\r\ny', "v"))
    odd = msgspec.structs.replace(request.upload, filename='a"\r\nb.wav', content_type="audio/wav\r\nx: y")
    build = ADAPTERS["openai"].build_transcription
    assert build is not None
    wire = build(msgspec.structs.replace(request, upload=odd), connection_of("openai"), "whisper-1")
    form = form_in(wire)
    assert (form.filename, form.file_type) == ("a%22%0D%0Ab.wav", "application/octet-stream")
    assert form["x%22%0D%0Ay"] == "v"


@pytest.mark.parametrize("name", ["audio_transcription.response.json"])
def test_json_goes_on_byte_for_byte_with_its_tokens(name: str) -> None:
    raw = sample("openai", name).raw
    answer = answered("openai", raw)
    assert answer.body is raw
    Transcription.model_validate_json(answer.body, strict=True)
    assert answer.usage is not None
    assert (answer.usage.input, answer.usage.audio, answer.usage.output, answer.usage.seconds) == (
        0,
        14,
        5,
        0,
    )


@pytest.mark.parametrize("name", ["audio_transcription_verbose.response.json"])
@pytest.mark.parametrize("slug", ["openai", "azure"])
def test_verbose_json_goes_on_byte_for_byte_with_its_seconds(name: str, slug: str) -> None:
    raw = sample("openai", name).raw
    answer = answered(slug, raw, response_format="verbose_json")
    assert answer.body is raw
    TranscriptionVerbose.model_validate_json(answer.body)
    assert answer.usage is not None
    assert (answer.usage.seconds, answer.usage.input) == (2, 0)
    without = {"text": "x", "duration": 1.25}
    usage = answered("openai", json.dumps(without).encode(), response_format="verbose_json").usage
    assert usage is not None
    assert usage.seconds == 1.25


def test_text_is_asked_for_as_json_so_that_it_can_be_billed() -> None:
    assert form_in(heard("openai", response_format="text"))["response_format"] == "json"
    body = b'{"text": "Hi \xc3\xa9", "usage": {"type": "duration", "seconds": 3}}'
    answer = answered("openai", body, response_format="text")
    assert (answer.body.decode(), answer.content_type) == ("Hi \u00e9\n", "text/plain; charset=utf-8")
    assert answer.usage is not None
    assert answer.usage.seconds == 3


SRT = b"1\n00:00:00,000 --> 00:00:01,500\nHi\n\n2\n01:00:01,500 --> 01:00:02,250\nthere\n"
VTT = b"WEBVTT\n\n00:00.000 --> 00:01.500\nHi\n"


@pytest.mark.parametrize(("response_format", "body", "seconds"), [("srt", SRT, 3602.25), ("vtt", VTT, 1.5)])
def test_subtitles_go_on_byte_for_byte(response_format: str, body: bytes, seconds: float) -> None:
    assert form_in(heard("openai", response_format=response_format))["response_format"] == response_format
    answer = answered("openai", body, content_type="text/plain", response_format=response_format)
    assert (answer.body, answer.content_type) == (body, "text/plain; charset=utf-8")
    assert answer.usage is not None
    assert answer.usage.seconds == seconds


def test_subtitles_without_a_cue_have_no_known_length() -> None:
    assert answered("openai", b"WEBVTT\n\n", content_type="text/plain", response_format="vtt").usage is None


@pytest.mark.parametrize("response_format", ["srt", "vtt"])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"error": {"message": "no"}}'),
        ("text/html", b"<html>"),
        ("text/plain", b"\xff"),
    ],
)
def test_what_is_no_subtitle_is_a_failure(response_format: str, content_type: str, body: bytes) -> None:
    with pytest.raises(ProviderFailure) as problem:
        answered("openai", body, content_type=content_type, response_format=response_format)
    assert problem.value.failure.kind is Kind.SERVER_ERROR


MISTRAL = {
    "model": "voxtral-mini-2507",
    "text": "Hi there.",
    "language": "en",
    "segments": [{"text": " Hi there.", "start": 0.0, "end": 1.5, "type": "transcription_segment"}, 7],
    "usage": {"prompt_audio_seconds": 2, "prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10},
}


def test_mistrals_answer_gets_openais_form() -> None:
    raw = json.dumps(MISTRAL).encode()
    answer = answered("mistral", raw)
    assert json.loads(answer.body) == {"text": "Hi there.", "usage": {"type": "duration", "seconds": 2}}
    assert answer.usage is not None
    assert (answer.usage.seconds, answer.usage.input, answer.usage.output) == (2, 4, 6)
    verbose = answered("mistral", raw, response_format="verbose_json")
    found = TranscriptionVerbose.model_validate_json(verbose.body)
    assert (found.language, found.duration, found.text) == ("english", 2, "Hi there.")
    assert found.segments is not None
    assert [(part.text, part.start, part.end) for part in found.segments] == [(" Hi there.", 0, 1.5)]
    assert answered("mistral", raw, response_format="text").body == b"Hi there.\n"


@pytest.mark.parametrize("slug", ["openai", "mistral"])
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'{"text": 1}', b'{"text": "x', b'{"text": "\xff"}', b"{}"]
)
def test_what_cannot_be_read_is_a_server_error(slug: str, body: bytes) -> None:
    with pytest.raises(ProviderFailure) as problem:
        answered(slug, body)
    assert problem.value.failure.kind is Kind.SERVER_ERROR


def test_an_error_inside_a_200_is_classed() -> None:
    body = b'{"error": {"message": "too long", "code": "context_length_exceeded"}}'
    with pytest.raises(ProviderFailure) as problem:
        answered("openai", body)
    assert problem.value.failure.kind is Kind.CONTEXT_LENGTH
    with pytest.raises(ProviderFailure, match="too long"):
        answered("openai", b'{"text": "", "error": {"message": "too long"}}')


@pytest.mark.parametrize("seconds", [-1, True, "3", None, 1e300, 0])
def test_an_odd_duration_is_unknown(seconds: Any) -> None:
    body = {"text": "x", "usage": {"type": "duration", "seconds": seconds}}
    assert answered("openai", json.dumps(body).encode()).usage is None


MEMBERS = ("text", "usage", "seconds", "duration", "segments", "start", "end", "error", "language", "type")
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=6),
)


@given(
    body=st.binary() | values.map(msgspec.json.encode),
    slug=st.sampled_from(["openai", "mistral"]),
    form=st.sampled_from(["json", "text", "verbose_json", "srt", "vtt"]),
)
def test_reading_anything_raises_nothing_but_our_errors(body: bytes, slug: str, form: str) -> None:
    for content_type in ("application/json", "text/plain"):
        with suppress(ProviderFailure):
            answered(slug, body, content_type=content_type, response_format=form)
    for content_type in ("application/json", "text/event-stream"):
        stream = opened(content_type=content_type, stream_format="sse")
        with suppress(ProviderFailure):
            stream.feed(body)
            stream.finish()
