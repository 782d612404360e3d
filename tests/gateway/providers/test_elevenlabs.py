"""ElevenLabs: every recorded sample, and the rules that no sample shows."""

import base64
import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiom.lib.redaction import Secret
from gateway.errors import FAILURES, Failure, FailureClass, ProviderFailure
from gateway.providers.elevenlabs import ADAPTER, build_voices, parse_voices
from gateway.types import Answer, Connection, CredentialSettings, Reply, TranscriptionRequest, WireRequest
from tests.gateway.audio import WAV, form_in, speech, transcription
from tests.gateway.providers.samples import WIRE

KEY = "FAKE-ELEVENLABS-KEY"
FOLDER = WIRE / "elevenlabs"
WORDS = json.loads((FOLDER / "11_transcription_verbose.json").read_text())["wire_response"]["body"]


def sample(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def connection(base_url: str = "https://api.elevenlabs.io", **config: Any) -> Connection:
    return ADAPTER.connect(CredentialSettings("elevenlabs", base_url, Secret(KEY), config))


def said(**fields: Any) -> WireRequest:
    assert ADAPTER.build_speech is not None
    request = speech(**({"model": "eleven_v3", "voice": "voiceIdFake12345"} | fields))
    return ADAPTER.build_speech(request, connection(voices={"alloy": "mappedVoice1234"}), request.model)


def heard(*fields: tuple[str, str], **more: str) -> WireRequest:
    assert ADAPTER.build_transcription is not None
    request = transcription(*fields, model="scribe_v1", **more)
    return ADAPTER.build_transcription(request, connection(), request.model)


def answered(body: Any, *fields: tuple[str, str], **more: str) -> Answer:
    assert ADAPTER.parse_transcription is not None
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ADAPTER.parse_transcription(transcription(*fields, model="scribe_v1", **more), Reply(raw))


# -- the samples


@pytest.mark.parametrize("name", ["01_speech", "02_speech_stream_pcm"])
def test_speech_is_sent_as_recorded(name: str) -> None:
    case = sample(name)
    request = speech(**case["openai_request"])
    assert ADAPTER.build_speech is not None
    wire = ADAPTER.build_speech(request, connection(), request.model)
    expected = case["wire_request"]
    assert (wire.method, wire.url) == (expected["method"], expected["url"])
    assert dict(wire.headers).items() >= expected["headers"].items()
    assert json.loads(wire.body) == expected["body"]
    assert list(wire.dropped) == case["dropped_params"]
    assert list(wire.adjusted) == case.get("adjusted_params", [])


@pytest.mark.parametrize("name", ["01_speech", "02_speech_stream_pcm"])
@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_sound_is_passed_on_as_recorded(name: str, piece: int) -> None:
    case = sample(name)
    answer = case["wire_response"]
    sound = base64.b64decode(answer["body_base64"])
    assert ADAPTER.open_speech is not None
    stream = ADAPTER.open_speech(speech(**case["openai_request"]), Reply(headers=answer["headers"]))
    out = b"".join(stream.feed(sound[at : at + piece]) for at in range(0, len(sound), piece))
    assert out + stream.finish() == base64.b64decode(case["openai_response"]["body_base64"])
    assert stream.content_type == case["openai_response"]["headers"]["content-type"]
    assert stream.started
    assert stream.usage is not None
    assert (stream.usage.characters, stream.output_bytes) == (5, len(sound))


@pytest.mark.parametrize(
    "row", sample("03_formats")["rows"], ids=lambda row: f"03_formats-{row['response_format']}"
)
def test_formats_are_those_of_the_table(row: dict[str, str | None]) -> None:
    if row["output_format"] is None:
        with pytest.raises(ProviderFailure) as problem:
            said(response_format=row["response_format"])
        assert (problem.value.failure.kind, problem.value.param) == (
            FailureClass.UNSUPPORTED,
            "response_format",
        )
        return
    assert said(response_format=row["response_format"]).url.endswith(f"?output_format={row['output_format']}")
    assert ADAPTER.open_speech is not None
    stream = ADAPTER.open_speech(speech(response_format=row["response_format"]), Reply())
    assert stream.content_type == row["content_type"]


def recorded(case: Any) -> TranscriptionRequest:
    fields: list[tuple[str, str]] = []
    for name, value in case["openai_request"].items():
        if isinstance(value, list):
            fields += [(f"{name}[]", entry) for entry in value]
        elif name not in {"file", "model"}:
            fields.append((name, str(value)))
    return transcription(*fields, model=case["openai_request"]["model"])


@pytest.mark.parametrize("name", ["10_transcription_json", "11_transcription_verbose"])
def test_a_transcription_goes_as_recorded_and_so_does_its_answer(name: str) -> None:
    case = sample(name)
    request, expected = recorded(case), case["wire_request"]
    assert ADAPTER.build_transcription is not None
    assert ADAPTER.parse_transcription is not None
    wire = ADAPTER.build_transcription(request, connection(), request.model)
    assert (wire.method, wire.url) == (expected["method"], expected["url"])
    assert dict(wire.headers)["xi-api-key"] == KEY
    assert wire.upload is not None
    assert wire.upload.content_type.startswith(expected["headers"]["content-type"])
    form = form_in(wire)
    assert {field: values[0] for field, values in form.values.items()} == expected["form"]
    assert (form.filename, form.file) == (expected["files"]["file"], WAV)
    assert list(wire.dropped) == case["dropped_params"]
    reply = Reply(json.dumps(case["wire_response"]["body"]).encode(), case["wire_response"]["headers"])
    answer = ADAPTER.parse_transcription(request, reply)
    assert json.loads(answer.body) == case["openai_response"]
    assert answer.content_type == "application/json"
    assert answer.usage is not None
    assert answer.usage.seconds == 1.0


@pytest.mark.parametrize("case", sample("errors")["errors"], ids=lambda case: str(case["name"]))
def test_errors_are_classed_as_recorded(case: Any) -> None:
    wire, expect = case["wire"], case["expect"]
    failure = ADAPTER.parse_error(wire["status"], wire["headers"], json.dumps(wire["body"]).encode())
    problem = ProviderFailure(failure)
    assert (failure.kind, problem.status) == (expect["class"], expect["http_status"])
    assert failure.retry_after == expect["retry_after_seconds"]
    assert json.loads(problem.body()) == expect["openai_body"]
    rule = FAILURES[failure.kind]
    assert rule.falls_back == (expect["fallback"] == "yes")
    assert rule.credential_fault == expect["credential_fault"]


# -- speech


def test_the_credentials_map_names_voices() -> None:
    assert "/mappedVoice1234?" in said(voice="alloy").url
    assert "/mappedVoice1234?" in said(voice={"id": "alloy"}).url


@pytest.mark.parametrize(
    "voice", ["nova", "", "../../v1/user", "a" * 41, "voiceIdFake12345/x", "voiceIdFake1234\u00e9"]
)
def test_a_voice_that_could_break_the_path_is_refused(voice: str) -> None:
    with pytest.raises(ProviderFailure) as problem:
        said(voice=voice)
    assert (problem.value.failure.kind, problem.value.param) == (FailureClass.UNSUPPORTED, "voice")


def test_events_are_refused() -> None:
    with pytest.raises(ProviderFailure) as problem:
        said(stream_format="sse")
    assert problem.value.param == "stream_format"


@pytest.mark.parametrize(
    ("speed", "sent", "adjusted"),
    [(1.0, None, ()), (1, None, ()), (0.7, 0.7, ()), (0.25, 0.7, ("speed",)), (4, 1.2, ("speed",))],
)
def test_speed_is_brought_into_range(speed: float, sent: float | None, adjusted: tuple[str, ...]) -> None:
    wire = said(speed=speed)
    assert json.loads(wire.body).get("voice_settings", {}).get("speed") == sent
    assert wire.adjusted == adjusted


def test_extensions_go_on_and_all_else_is_dropped() -> None:
    own = {"voice_settings": {"stability": 0.5}, "language_code": "de", "seed": 7}
    wire = said(**own, speed=1.1, user="u", metadata={}, instructions=None)
    body = json.loads(wire.body)
    assert body == {
        "text": "Hello",
        "model_id": "eleven_v3",
        "voice_settings": {"stability": 0.5, "speed": 1.1},
        "language_code": "de",
        "seed": 7,
    }
    assert wire.dropped == ("metadata", "user")


def test_building_twice_gives_the_same_and_changes_nothing() -> None:
    request = speech(voice="voiceIdFake12345", speed=2, voice_settings={"stability": 1})
    before = request.raw
    assert ADAPTER.build_speech is not None
    first, second = (ADAPTER.build_speech(request, connection(), "eleven_v3") for _ in range(2))
    assert first == second
    assert request.raw == before


@pytest.mark.parametrize(
    "base_url", ["https://eu.example/", "https://eu.example/v1", "https://eu.example/v1/"]
)
def test_a_base_url_may_be_pasted_in_any_form(base_url: str) -> None:
    assert connection(base_url).base_url == "https://eu.example"


@pytest.mark.parametrize("cost", ["", "abc", "-1", "1e9", "0", "99999999999"])
def test_an_odd_character_cost_falls_back_to_the_texts_length(cost: str) -> None:
    assert ADAPTER.open_speech is not None
    stream = ADAPTER.open_speech(speech(input="four"), Reply(headers={"character-cost": cost}))
    assert stream.usage is not None
    assert stream.usage.characters == 4


def test_an_error_in_place_of_sound_never_reaches_the_caller_as_sound() -> None:
    assert ADAPTER.open_speech is not None
    stream = ADAPTER.open_speech(speech(), Reply(headers={"content-type": "application/json; charset=utf-8"}))
    assert stream.feed(b'{"detail": {"status": "quota_exceeded", ') == b""
    assert stream.feed(b'"message": "You have 5 credits remaining."}}') == b""
    assert not stream.started
    with pytest.raises(ProviderFailure) as problem:
        stream.finish()
    assert problem.value.failure.kind is FailureClass.BILLING
    assert problem.value.message == "You have 5 credits remaining."


def test_no_sound_at_all_is_a_failure() -> None:
    assert ADAPTER.open_speech is not None
    stream = ADAPTER.open_speech(speech(), Reply(headers={"content-type": "audio/mpeg"}))
    assert stream.feed(b"") == b""
    with pytest.raises(ProviderFailure, match="sent no sound"):
        stream.finish()


# -- transcriptions


def test_text_is_the_text_and_a_newline() -> None:
    answer = answered(WORDS, response_format="text")
    assert (answer.body, answer.content_type) == (b"Hello world\n", "text/plain; charset=utf-8")


def test_vtt_is_made_of_the_words() -> None:
    assert form_in(heard(response_format="vtt"))["timestamps_granularity"] == "word"
    answer = answered(WORDS, response_format="vtt")
    assert answer.body.decode() == "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nHello world\n\n"
    assert answer.content_type == "text/plain; charset=utf-8"


def test_srt_is_asked_for_and_passed_on() -> None:
    assert json.loads(form_in(heard(response_format="srt"))["additional_formats"]) == [{"format": "srt"}]
    cues = "1\n00:00:00,000 --> 00:00:01,000\nHello world\n"
    file = {"requested_format": "srt", "is_base64_encoded": False, "content": cues}
    answer = answered(WORDS | {"additional_formats": [file]}, response_format="srt")
    assert (answer.body.decode(), answer.content_type) == (cues, "text/plain; charset=utf-8")
    encoded = {**file, "is_base64_encoded": True, "content": base64.b64encode(cues.encode()).decode()}
    assert answered(WORDS | {"additional_formats": [encoded]}, response_format="srt").body == answer.body


@pytest.mark.parametrize("files", [None, [], [None], [{"content": "###", "is_base64_encoded": True}]])
def test_missing_subtitles_are_a_failure(files: Any) -> None:
    with pytest.raises(ProviderFailure, match="no subtitles"):
        answered(WORDS | {"additional_formats": files}, response_format="srt")


def test_segments_are_sentences() -> None:
    pieces = [
        ("Hello.", 0, 0.5),
        (" ", 0.5, 0.6),
        ("How", 0.6, 0.8),
        (" ", 0.8, 0.9),
        ("are you?", 0.9, 1.5),
        ("Well", 2, 9.5),
        ("then", 9.6, 9.8),
    ]
    words = [
        {
            "text": text,
            "start": start,
            "end": end,
            "type": "word" if text.strip() else "spacing",
            "logprob": -0.5,
        }
        for text, start, end in pieces
    ]
    answer = answered(WORDS | {"words": words, "audio_duration_secs": None}, response_format="verbose_json")
    document = json.loads(answer.body)
    assert "words" not in document
    assert [(part["id"], part["text"], part["start"], part["end"]) for part in document["segments"]] == [
        (0, "Hello.", 0, 0.5),
        (1, " How are you?", 0.6, 1.5),
        (2, "Well", 2, 9.5),
        (3, "then", 9.6, 9.8),
    ]
    assert document["segments"][0]["avg_logprob"] == -0.5
    assert document["duration"] == 9.8


def test_sound_that_is_no_word_is_left_out() -> None:
    event = {"text": "(laughter)", "start": 1.0, "end": 2.0, "type": "audio_event"}
    answer = answered(
        WORDS | {"words": [*WORDS["words"], event]},
        ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"),
        response_format="verbose_json",
    )
    document = json.loads(answer.body)
    assert [word["word"] for word in document["words"]] == ["Hello", "world"]
    assert [part["text"] for part in document["segments"]] == ["Hello world"]


@pytest.mark.parametrize(("code", "name"), [("eng", "english"), ("de", "german"), ("xyz", "xyz"), (None, "")])
def test_languages_have_openais_names(code: str | None, name: str) -> None:
    answer = answered(WORDS | {"language_code": code}, response_format="verbose_json")
    assert json.loads(answer.body)["language"] == name


def test_extensions_of_a_form_go_on_and_all_else_is_dropped() -> None:
    wire = heard(
        ("keywords[]", "Axiom"), ("keywords[]", "LLM"), ("include[]", "logprobs"),
        diarize="true", num_speakers="2", tag_audio_events="true", chunking_strategy="auto", stream="false",
    )  # fmt: skip
    form = form_in(wire)
    assert form.values["keyterms"] == ["Axiom", "LLM"]
    assert (form["diarize"], form["num_speakers"], form["tag_audio_events"]) == ("true", "2", "true")
    assert wire.dropped == ("chunking_strategy", "include")
    assert "stream" not in form.values


def test_diarized_json_is_refused() -> None:
    with pytest.raises(ProviderFailure) as problem:
        heard(response_format="diarized_json")
    assert (problem.value.failure.kind, problem.value.param) == (FailureClass.UNSUPPORTED, "response_format")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'{"text": 1}', b'{"words": []}', b'{"text": "\xff"}', b'{"text": "x', b"null"],
)
def test_what_cannot_be_read_is_a_server_error(body: bytes) -> None:
    with pytest.raises(ProviderFailure) as problem:
        answered(body)
    assert problem.value.failure.kind is FailureClass.SERVER_ERROR


MEMBERS = (
    "text", "words", "start", "end", "type", "detail", "status", "message", "voices", "audio_duration_secs",
    "language_code", "additional_formats", "content", "loc", "msg",
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=6),
)


@given(
    body=st.binary() | json_values.map(msgspec.json.encode),
    form=st.sampled_from(["json", "text", "verbose_json", "srt", "vtt"]),
)
def test_reading_anything_raises_nothing_but_our_errors(body: bytes, form: str) -> None:
    assert isinstance(ADAPTER.parse_error(418, {}, body), Failure)
    assert ADAPTER.parse_transcription is not None
    with suppress(ProviderFailure):
        ADAPTER.parse_transcription(transcription(model="scribe_v1", response_format=form), Reply(body))
    with suppress(ProviderFailure):
        parse_voices(Reply(body))


# -- errors


@pytest.mark.parametrize(
    ("status", "detail", "kind"),
    [
        (401, {"status": "odd"}, FailureClass.AUTH),
        (403, None, FailureClass.PERMISSION),
        (402, "pay", FailureClass.BILLING),
        (400, {"code": "voice_not_found", "status": "x"}, FailureClass.NOT_FOUND),
        (400, {"status": "blocked_generation"}, FailureClass.CONTENT_FILTER),
        (400, {"status": "text_too_long"}, FailureClass.CONTEXT_LENGTH),
        (429, {"status": "concurrent_limit_exceeded"}, FailureClass.RATE_LIMIT),
        (429, {}, FailureClass.RATE_LIMIT),
        (503, {}, FailureClass.OVERLOADED),
        (502, {}, FailureClass.SERVER_ERROR),
        (529, {}, FailureClass.SERVER_ERROR),
        (418, {}, FailureClass.INVALID_REQUEST),
    ],
)
def test_other_errors_follow_the_table(status: int, detail: Any, kind: FailureClass) -> None:
    failure = ADAPTER.parse_error(status, {}, json.dumps({"detail": detail}).encode())
    assert failure.kind is kind
    assert failure.message == ("pay" if detail == "pay" else f"The provider returned HTTP {status}.")


def test_a_wait_is_read_and_a_key_is_not_shown() -> None:
    body = {"detail": {"status": "rate_limit_exceeded", "message": "key sk_0123456789abcdef0123456789abcdef"}}
    failure = ADAPTER.parse_error(429, {"retry-after": "3"}, json.dumps(body).encode())
    assert failure.retry_after == 3
    assert "0123456789abcdef" not in failure.message


def test_a_proxys_html_never_reaches_the_caller() -> None:
    assert ADAPTER.parse_error(502, {}, b"<html>no</html>").message == "The provider returned HTTP 502."


# -- lists


def test_models_are_the_listed_ones_and_scribe() -> None:
    assert ADAPTER.build_models is not None
    assert ADAPTER.parse_models is not None
    wire = ADAPTER.build_models(connection())
    assert (wire.method, wire.url) == ("GET", "https://api.elevenlabs.io/v1/models")
    listed = [{"model_id": "eleven_v3", "can_do_text_to_speech": True}, {"model_id": "eleven_sts"}]
    found = ADAPTER.parse_models(Reply(json.dumps(listed).encode()))
    assert [(model.id, model.surfaces) for model in found] == [
        ("eleven_v3", ("audio.speech",)),
        ("scribe_v1", ("audio.transcriptions",)),
        ("scribe_v2", ("audio.transcriptions",)),
    ]


def test_voices_are_those_whose_id_can_be_called() -> None:
    assert build_voices(connection()).url == "https://api.elevenlabs.io/v1/voices"
    voices = [
        {"voice_id": "21m00Tcm4TlvDq8ikWAM", "name": "Rachel"},
        {"voice_id": "../x"},
        {"voice_id": "21m00Tcm4TlvDq8ikWAM"},
    ]
    assert parse_voices(Reply(json.dumps({"voices": voices}).encode())) == ("21m00Tcm4TlvDq8ikWAM",)


def test_there_is_no_chat_and_there_are_no_embeddings() -> None:
    assert ADAPTER.build_chat is None
    assert ADAPTER.build_embeddings is None
