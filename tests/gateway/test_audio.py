"""Speech and transcriptions through the running gateway."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
import openai
import pytest

from credentials.models import ProviderCredential
from finops.models import UsageAttempt
from tenants.actors import actor_for_user
from tenants.models import Organization, User
from tenants.services import token_create
from tests.fakes.provider import Asked, Provider, Reply, error, provider
from tests.gateway.audio import WAV, multipart, read_form_body
from tests.gateway.conftest import CANARY, connect
from tests.live import Live, wait_until
from tests.program import Program

LIMIT = 0.25  # seconds
MIB = 1024 * 1024
MP3 = b"ID3" + bytes(range(256)) * 40
SPEECH = {"model": "tts-1", "input": "Hello there.", "voice": "alloy"}
HEARD = {"text": "Hello there.", "usage": {"type": "duration", "seconds": 2}}
VERBOSE = {
    "task": "transcribe", "language": "english", "duration": 2.0, "text": "Hello there.",
    "segments": [], "usage": {"type": "duration", "seconds": 2},
}  # fmt: skip


def sound(*pieces: bytes, gap: float = 0.0, end: Literal["ok", "close", "reset"] = "ok") -> Reply:
    """Speech that comes in pieces."""
    return Reply(headers={"content-type": "audio/mpeg"}, chunks=[(gap, piece) for piece in pieces], end=end)


def heard(body: Any, content_type: str = "application/json") -> Reply:
    """A transcript."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(headers={"content-type": content_type}, chunks=[(0, raw)])


def transcribe(live: Live, *, file: bytes = WAV, **fields: str) -> httpx.Response:
    """Send a file to be transcribed."""
    files = {"file": ("a.wav", file, "audio/wav")}
    return live.client.post("/audio/transcriptions", data={"model": "whisper-1"} | fields, files=files)


def form_of(asked: Asked) -> Any:
    return read_form_body(asked.headers["content-type"], asked.body)


@contextmanager
def raw_speech(live: Live) -> Iterator[socket.socket]:
    """Ask for speech on a socket of our own and hand the socket over."""
    with live.raw_post("/audio/speech", SPEECH) as connection:
        yield connection


# -- speech


def test_speech_is_the_providers_bytes_with_our_headers(live: Live, fake: Provider) -> None:
    fake.replies.append(sound(MP3[:1000], MP3[1000:]))
    response = live.client.post("/audio/speech", json=SPEECH)
    assert response.status_code == 200
    assert response.content == MP3
    assert response.headers["content-type"] == "audio/mpeg"
    assert response.headers["x-axiom-provider"] == "openai"
    assert response.headers["x-axiom-model"] == "tts-1"
    assert len(response.headers["x-request-id"]) == 32
    (asked,) = fake.asked
    assert asked.path == "/v1/audio/speech"
    assert asked.json == SPEECH
    assert asked.headers["authorization"] == f"Bearer {CANARY}"
    (record,) = live.usage(1)
    assert (record.endpoint, record.outcome, record.status, record.streamed) == (
        "audio.speech",
        "ok",
        200,
        True,
    )
    assert (record.characters, record.audio_seconds) == (12, None)
    assert (record.input_tokens, record.output_tokens, record.estimated) == (None, None, False)
    assert record.first_token_ms is not None
    assert record.model == "tts-1"


@pytest.mark.parametrize(
    ("response_format", "content_type"),
    [
        ("opus", "audio/opus"),
        ("aac", "audio/aac"),
        ("flac", "audio/flac"),
        ("wav", "audio/wav"),
        ("pcm", "audio/pcm"),
    ],
)
def test_every_format_has_its_content_type(
    live: Live, fake: Provider, response_format: str, content_type: str
) -> None:
    fake.replies.append(sound(b"x"))
    response = live.client.post("/audio/speech", json=SPEECH | {"response_format": response_format})
    assert response.headers["content-type"] == content_type


def test_the_first_sound_arrives_before_the_provider_has_sent_the_last(live: Live, fake: Provider) -> None:
    fake.replies.append(sound(b"first", b"last", gap=0.5))
    with live.client.stream("POST", "/audio/speech", json=SPEECH) as response:
        pieces = response.iter_raw()
        assert next(pieces) == b"first"
        assert fake.open_answers == 1
        assert b"".join(pieces) == b"last"


def test_nothing_is_sent_before_the_first_sound(
    live: Live, fake: Provider, acme: Organization, alice: User
) -> None:
    with provider() as other:
        connect(acme, alice, other, name="spare", default_model="tts-1", weight=0)
        connect(acme, alice, fake, name="first", default_model="tts-1", weight=1)
        wait_for_targets(live, acme, 3)
        fake.script = lambda asked: sound(end="reset")  # a 200 and then nothing
        other.replies.append(sound(MP3))
        response = live.client.post("/audio/speech", json=SPEECH)
    assert (response.status_code, response.content) == (200, MP3)
    assert response.headers["x-axiom-fallback"] == "1"
    (record,) = live.usage(1)
    assert (record.attempts, record.credential_name, record.characters) == (2, "spare", 12)
    assert [row.error_class for row in UsageAttempt.objects.order_by("number")] == ["server_error", ""]


def wait_for_targets(live: Live, organization: Organization, count: int) -> None:
    wait_until(lambda: len(live.runtime().store.current.organizations[organization.id].targets) == count)


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        (
            error(429, "slow down", {"retry-after": "3"}, code="rate_limit_exceeded"),
            429,
            "rate_limit_exceeded",
        ),
        (error(401, "bad key"), 502, "upstream_auth_failed"),
        (error(400, "no such voice", type="invalid_request_error", param="voice"), 400, "invalid_request"),
        (heard({"error": {"message": "no", "code": "insufficient_quota"}}), 429, "insufficient_quota"),
        (heard(b"<html>", "text/html"), 502, "upstream_error"),
        (sound(), 502, "upstream_error"),
    ],
)
def test_an_error_is_json_although_sound_was_asked_for(
    live: Live, fake: Provider, reply: Reply, status: int, code: str
) -> None:
    fake.script = lambda asked: reply
    response = live.client.post("/audio/speech", json=SPEECH)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"]["code"] == code
    (record,) = live.usage(1)
    assert (record.outcome, record.status, record.characters) == ("error", status, None)


def test_speech_that_breaks_off_is_seen_to_break_off(live: Live, fake: Provider) -> None:
    fake.replies.append(sound(b"first", b"second", end="reset"))
    with (
        live.client.stream("POST", "/audio/speech", json=SPEECH) as response,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        response.read()
    assert response.status_code == 200
    (record,) = live.usage(1)
    assert (record.outcome, record.status, record.error_class) == ("incomplete", 200, "server_error")
    assert record.characters == 12
    fake.replies.append(sound(MP3))
    assert live.client.post("/audio/speech", json=SPEECH).content == MP3


def test_leaving_before_the_sound_closes_the_upstream(live: Live, fake: Provider) -> None:
    fake.script = lambda asked: Reply(delay=20)
    with raw_speech(live):
        fake.wait_until(lambda: fake.open_answers == 1)
        time.sleep(0.1)
    left = time.monotonic()
    fake.wait_until(lambda: fake.open_answers == 0)
    assert time.monotonic() - left < LIMIT
    (record,) = live.usage(1)
    assert (record.outcome, record.status, record.characters) == ("cancelled", None, None)


def test_leaving_amid_the_sound_closes_the_upstream_and_bills_it(live: Live, fake: Provider) -> None:
    fake.script = lambda asked: sound(*[b"x" * 1000] * 500, gap=0.02)
    with raw_speech(live) as connection:
        received = b""
        while received.count(b"x") < 4000:
            received += connection.recv(65536)
    left = time.monotonic()
    fake.wait_until(lambda: fake.open_answers == 0)
    assert time.monotonic() - left < LIMIT
    (record,) = live.usage(1)
    assert (record.outcome, record.status, record.characters) == ("cancelled", 200, 12)


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"voice": None}, "voice", "invalid_type"),
        ({"input": ""}, "input", "invalid_value"),
        ({"input": 5}, "input", "invalid_type"),
        ({"model": ""}, "model", "invalid_value"),
        ({"response_format": "ogg"}, "response_format", "invalid_value"),
        ({"stream_format": "chunks"}, "stream_format", "invalid_value"),
        ({"speed": "fast"}, "speed", "invalid_type"),
    ],
)
def test_a_wrong_body_is_refused_with_the_fields_name(
    live: Live, fake: Provider, changes: dict[str, Any], param: str, code: str
) -> None:
    response = live.client.post("/audio/speech", json=SPEECH | changes)
    found = response.json()["error"]
    assert (response.status_code, found["param"], found["code"]) == (400, param, code)
    assert fake.asked == []


@pytest.mark.parametrize("missing", ["model", "input", "voice"])
def test_a_missing_field_is_named(live: Live, missing: str) -> None:
    body = {name: value for name, value in SPEECH.items() if name != missing}
    found = live.client.post("/audio/speech", json=body).json()["error"]
    assert (found["param"], found["code"]) == (missing, "missing_required_parameter")


# -- transcriptions


def test_a_transcription_is_sent_as_a_form_and_answered_as_it_comes(live: Live, fake: Provider) -> None:
    fake.replies.append(heard(HEARD))
    response = transcribe(live, language="en")
    assert response.status_code == 200
    assert response.json() == HEARD
    assert response.headers["content-type"] == "application/json"
    (asked,) = fake.asked
    assert asked.path == "/v1/audio/transcriptions"
    assert asked.headers["authorization"] == f"Bearer {CANARY}"
    assert int(asked.headers["content-length"]) == len(asked.body)
    form = form_of(asked)
    assert form.values == {"model": ["whisper-1"], "language": ["en"]}
    assert (form.file, form.filename, form.file_type) == (WAV, "a.wav", "audio/wav")
    (record,) = live.usage(1)
    assert (record.endpoint, record.outcome, record.status) == ("audio.transcriptions", "ok", 200)
    assert (record.audio_seconds, record.characters, record.input_tokens) == (2, None, None)
    assert not record.streamed
    assert not record.estimated


def test_tokens_are_recorded_where_the_provider_counts_in_them(live: Live, fake: Provider) -> None:
    usage = {
        "type": "tokens", "input_tokens": 14, "output_tokens": 5, "total_tokens": 19,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
    }  # fmt: skip
    fake.replies += [heard({"text": "Hi", "usage": usage}), heard({"text": "Hi"})]
    transcribe(live)
    transcribe(live)
    counted, unknown = live.usage(2)
    assert (counted.input_tokens, counted.audio_tokens, counted.output_tokens) == (0, 14, 5)
    assert (counted.audio_seconds, counted.estimated) == (None, False)
    assert (unknown.input_tokens, unknown.audio_seconds, unknown.estimated) == (None, None, False)


def test_a_large_file_is_sent_whole_to_every_target_in_turn(
    live: Live, fake: Provider, acme: Organization, alice: User
) -> None:
    data = os.urandom(5 * MIB)
    with provider() as other:
        connect(acme, alice, other, name="spare", default_model="whisper-1", weight=0)
        connect(acme, alice, fake, name="first", default_model="whisper-1", weight=1)
        wait_for_targets(live, acme, 3)
        fake.replies.append(error(503, "busy"))
        other.replies.append(heard(HEARD))
        response = transcribe(live, file=data)
        assert (response.status_code, response.json()) == (200, HEARD)
        assert [form_of(asked).file for asked in (*fake.asked, *other.asked)] == [data, data]
    assert response.headers["x-axiom-attempts"] == "2"


def test_a_provider_that_cannot_do_it_is_passed_over(
    live: Live, fake: Provider, acme: Organization, alice: User
) -> None:
    connect(acme, alice, fake, name="groq", provider="groq", default_model="whisper-1", weight=1)
    connect(acme, alice, fake, name="other", default_model="whisper-1", weight=1)
    wait_for_targets(live, acme, 3)
    fake.replies.append(heard(b"WEBVTT\n\n00:00.000 --> 00:01.500\nHi\n", "text/plain"))
    assert transcribe(live, response_format="vtt").status_code == 200
    (record,) = live.usage(1)
    assert (record.attempts, record.credential_name, record.audio_seconds) == (2, "other", 1.5)


def test_chat_models_of_a_provider_without_audio_answer_unsupported(
    live: Live, acme: Organization, alice: User, fake: Provider
) -> None:
    connect(acme, alice, fake, name="cerebras", provider="cerebras", default_model="llama")
    wait_for_targets(live, acme, 2)
    response = transcribe(live, model="llama")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "unsupported_parameter")
    response = live.client.post("/audio/speech", json=SPEECH | {"model": "llama"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "unsupported_parameter")
    assert fake.asked == []


def send_raw(live: Live, body: bytes, content_type: str) -> httpx.Response:
    return live.client.post("/audio/transcriptions", content=body, headers={"content-type": content_type})


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ([("model", b"whisper-1", None)], "file"),
        ([("file", WAV, "a.wav")], "model"),
        ([("file", WAV, "a.wav"), ("file", WAV, "b.wav"), ("model", b"whisper-1", None)], "file"),
        ([("file", WAV, "a.wav"), ("model", b"whisper-1", None), ("stream", b"true", None)], "stream"),
    ],
)
def test_a_wrong_form_is_refused_before_any_call(
    live: Live, fake: Provider, parts: list[tuple[str, bytes, str | None]], param: str
) -> None:
    response = send_raw(live, *multipart(*parts))
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert fake.asked == []


def test_a_form_without_boundary_or_end_is_refused(live: Live, fake: Provider) -> None:
    body, content_type = multipart(("model", b"whisper-1", None), ("file", WAV, "a.wav"))
    no_boundary = send_raw(live, body, "multipart/form-data")
    assert (no_boundary.status_code, no_boundary.json()["error"]["code"]) == (400, "invalid_multipart")
    cut = send_raw(live, body[:-30], content_type)
    assert (cut.status_code, cut.json()["error"]["param"]) == (400, "file")
    wrong = send_raw(live, b"{}", "application/json")
    assert wrong.status_code == 415
    assert fake.asked == []


def test_fields_may_come_after_the_file(live: Live, fake: Provider) -> None:
    fake.replies.append(heard(HEARD))
    body, content_type = multipart(("file", WAV, "a.wav"), ("model", b"whisper-1", None))
    assert send_raw(live, body, content_type).json() == HEARD


def test_a_file_over_the_limit_is_refused_and_the_connection_goes_on(
    live: Live, fake: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.bodies import Limits

    limits = live.runtime().limits
    monkeypatch.setattr(live.runtime(), "limits", Limits(limits.body, 2 * MIB, limits.directory))
    response = transcribe(live, file=bytes(2 * MIB + 1))
    assert (response.status_code, response.json()["error"]["code"]) == (413, "request_too_large")
    fake.replies.append(heard(HEARD))
    assert transcribe(live, file=bytes(2 * MIB)).status_code == 200


def test_leaving_during_the_call_closes_the_upstream_and_the_file(live: Live, fake: Provider) -> None:
    fake.script = lambda asked: Reply(delay=20)
    body, content_type = multipart(("file", bytes(2 * MIB), "a.wav"), ("model", b"whisper-1", None))
    head = (
        f"POST /rest/v1/llm-gateway/v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\n"
        f"authorization: Bearer {live.token}\r\ncontent-type: {content_type}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", live.port), timeout=5) as connection:
        connection.sendall(head.encode() + body)
        fake.wait_until(lambda: fake.open_answers == 1)
        time.sleep(0.1)
        assert spooled_files() == 1
    left = time.monotonic()
    fake.wait_until(lambda: fake.open_answers == 0)
    assert time.monotonic() - left < LIMIT
    (record,) = live.usage(1)
    assert (record.outcome, record.status) == ("cancelled", None)
    assert spooled_files() == 0


def spooled_files() -> int:
    """The unnamed files of this process below a directory of uploads."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found += "/uploads/" in str(descriptor.readlink())
        except OSError:
            continue
    return found


# -- who may call it, and what it is


def test_a_token_without_the_scope_is_refused(
    live: Live, acme: Organization, alice: User, fake: Provider
) -> None:
    _, token = token_create(
        actor=actor_for_user(alice),
        organization=acme,
        name="chat only",
        scopes=("chat.completions", "models"),
    )
    wait_until(lambda: len(live.runtime().store.current.callers) == 2)
    live.client.headers["authorization"] = f"Bearer {token}"
    for response in (live.client.post("/audio/speech", json=SPEECH), transcribe(live)):
        assert (response.status_code, response.json()["error"]["code"]) == (403, "insufficient_scope")
    assert fake.asked == []


def test_metrics_count_in_audios_own_units(live: Live, fake: Provider) -> None:
    fake.replies += [sound(MP3), heard(HEARD)]
    live.client.post("/audio/speech", json=SPEECH)
    transcribe(live)
    from gateway.metrics import exposition

    lines = [
        line for line in exposition().decode().splitlines() if line.startswith("llm_gateway_tokens_total")
    ]
    spoken = [line for line in lines if 'endpoint="audio.speech",kind="characters"' in line]
    listened = [line for line in lines if 'endpoint="audio.transcriptions",kind="audio_seconds"' in line]
    assert any(float(line.rsplit(" ", 1)[1]) >= 12 for line in spoken)
    assert any(float(line.rsplit(" ", 1)[1]) >= 2 for line in listened)


def test_the_model_list_has_surfaces_and_voices(
    live: Live, acme: Organization, alice: User, fake: Provider
) -> None:
    connect(acme, alice, fake, name="audio", default_model="gpt-4o-mini-tts", model_list=["whisper-1"])
    wait_for_targets(live, acme, 2)
    found = live.client.get("/models", params={"surface": "audio.speech"}).json()
    assert found["links"] == {"next": None}
    (model,) = found["data"]
    assert model["id"] == "gpt-4o-mini-tts"
    assert model["model_ref"] == "openai/gpt-4o-mini-tts"
    assert model["surfaces"] == ["audio.speech"]
    assert "alloy" in model["supported_voices"]
    assert model["display_name"]
    listed = live.client.get("/models", params={"surface": "audio.transcriptions"}).json()["data"]
    assert [(entry["id"], entry["supported_voices"]) for entry in listed] == [("whisper-1", [])]


def test_the_document_describes_the_endpoints(live: Live) -> None:
    paths = live.client.get("/openapi.json").json()["paths"]
    speech = paths["/rest/v1/llm-gateway/v1/audio/speech"]["post"]
    assert "audio/mpeg" in speech["responses"]["200"]["content"]
    heard_form = paths["/rest/v1/llm-gateway/v1/audio/transcriptions"]["post"]["requestBody"]["content"]
    assert heard_form["multipart/form-data"]["schema"]["required"] == ["file", "model"]


# -- ElevenLabs


@pytest.fixture
def elevenlabs(live: Live, acme: Organization, alice: User, fake: Provider) -> ProviderCredential:
    found = connect(
        acme, alice, fake, name="voice", provider="elevenlabs", default_model="eleven_v3",
        model_list=["scribe_v1"], config={"voices": {"alloy": "mappedVoice1234"}},
    )  # fmt: skip
    wait_for_targets(live, acme, 2)
    return found


def test_elevenlabs_speaks(live: Live, fake: Provider, elevenlabs: ProviderCredential) -> None:
    reply = sound(b"one", b"two")
    reply.headers["character-cost"] = "24"
    fake.replies.append(reply)
    body = SPEECH | {"model": "eleven_v3", "speed": 2, "instructions": "calm"}
    response = live.client.post("/audio/speech", json=body)
    assert (response.status_code, response.content) == (200, b"onetwo")
    assert response.headers["x-axiom-dropped-params"] == "instructions"
    assert response.headers["x-axiom-adjusted-params"] == "speed"
    assert fake.asked[0].path == "/v1/text-to-speech/mappedVoice1234?output_format=mp3_44100_128"
    assert fake.asked[0].headers["xi-api-key"] == CANARY
    assert "authorization" not in fake.asked[0].headers
    (record,) = live.usage(1)
    assert (record.provider, record.characters) == ("elevenlabs", 24)


def test_elevenlabs_listens(live: Live, fake: Provider, elevenlabs: ProviderCredential) -> None:
    words = [{"text": "Hi.", "start": 0, "end": 1.5, "type": "word"}]
    fake.replies.append(heard({"language_code": "eng", "text": "Hi.", "words": words}))
    response = transcribe(live, model="scribe_v1", response_format="vtt", prompt="names")
    assert response.text == "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHi.\n\n"
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-axiom-dropped-params"] == "prompt"
    assert form_of(fake.asked[0])["model_id"] == "scribe_v1"
    (record,) = live.usage(1)
    assert record.audio_seconds == 1.5


def test_elevenlabs_has_no_chat(live: Live, fake: Provider, elevenlabs: ProviderCredential) -> None:
    response = live.chat(model="eleven_v3")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "unsupported_parameter")
    assert fake.asked == []


# -- the official client


@pytest.fixture
def client(live: Live) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=live.base_url, api_key=live.token, max_retries=0) as running:
        yield running


def test_the_official_client_streams_speech(client: openai.OpenAI, fake: Provider, tmp_path: Path) -> None:
    fake.replies.append(sound(MP3[:500], MP3[500:], gap=0.05))
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="Hello there."
    ) as response:
        response.stream_to_file(tmp_path / "out.mp3")
    assert (tmp_path / "out.mp3").read_bytes() == MP3


def test_the_official_client_sees_errors_of_speech(client: openai.OpenAI, fake: Provider) -> None:
    fake.replies.append(error(429, "slow down", code="rate_limit_exceeded"))
    with pytest.raises(openai.RateLimitError) as problem:
        client.audio.speech.create(model="tts-1", voice="alloy", input="x")
    assert problem.value.code == "rate_limit_exceeded"


def test_the_official_client_reads_speech_events(client: openai.OpenAI, fake: Provider) -> None:
    events = b'data: {"type":"speech.audio.delta","audio":"AAAA"}\n\n'
    done = b'data: {"type":"speech.audio.done","usage":{"input_tokens":5,"output_tokens":9}}\n\n'
    fake.replies.append(
        Reply(headers={"content-type": "text/event-stream"}, chunks=[(0, events), (0.05, done)])
    )
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="alloy", input="x", stream_format="sse"
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.read() == events + done


def test_the_official_client_reads_json_and_verbose_json(client: openai.OpenAI, fake: Provider) -> None:
    fake.replies += [heard(HEARD), heard(VERBOSE)]
    plain = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", WAV), response_format="json")
    assert plain.text == "Hello there."
    assert plain.usage is not None
    verbose = client.audio.transcriptions.create(
        model="whisper-1", file=("a.wav", WAV), response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )  # fmt: skip
    assert (verbose.text, verbose.duration) == ("Hello there.", 2)
    assert form_of(fake.asked[1]).values["timestamp_granularities[]"] == ["word", "segment"]


def test_the_official_client_reads_text_srt_and_vtt(client: openai.OpenAI, fake: Provider) -> None:
    srt, vtt = "1\n00:00:00,000 --> 00:00:01,000\nHi\n", "WEBVTT\n\n00:00.000 --> 00:01.000\nHi\n"
    fake.replies += [heard(HEARD), heard(srt.encode(), "text/plain"), heard(vtt.encode(), "text/plain")]
    ask = client.audio.transcriptions.create
    assert ask(model="whisper-1", file=("a.wav", WAV), response_format="text") == "Hello there.\n"
    assert ask(model="whisper-1", file=("a.wav", WAV), response_format="srt") == srt
    assert ask(model="whisper-1", file=("a.wav", WAV), response_format="vtt") == vtt


def test_the_official_client_is_told_that_transcriptions_do_not_stream(
    client: openai.OpenAI, fake: Provider
) -> None:
    with pytest.raises(openai.BadRequestError) as problem:
        client.audio.transcriptions.create(model="whisper-1", file=("a.wav", WAV), stream=True)
    assert (problem.value.code, problem.value.param) == ("unsupported_parameter", "stream")
    assert fake.asked == []


# -- memory

DOCUMENT = """
organizations:
  - slug: acme
    name: Acme Inc
    credentials:
      - name: primary
        provider: openai
        secret: {{env: FAKE_KEY}}
        default_model: whisper-1
        base_url: "{base_url}"
    tokens:
      - {{name: app, models: ["*"]}}
"""


@pytest.mark.serial
def test_a_20_mb_upload_is_never_whole_in_memory(tmp_path: Path, fake: Provider) -> None:
    program = Program(tmp_path, FAKE_KEY="sk-fake")
    token = program.configure(DOCUMENT.format(base_url=fake.base_url))["tokens"]["acme/app"]
    fake.script = lambda asked: heard(HEARD)
    program.start()
    try:
        upload_to(program, token, bytes(100_000))
        assert program.process is not None
        process = Path(f"/proc/{program.process.pid}")
        (process / "clear_refs").write_text("5")  # the peak is counted from here
        before = kilobytes(process, "VmRSS")
        upload_to(program, token, os.urandom(20 * MIB))
        growth = kilobytes(process, "VmHWM") - before
    finally:
        program.stop()
    assert [len(form_of(asked).file) for asked in fake.asked] == [100_000, 20 * MIB]
    assert growth <= 8 * 1024


def upload_to(program: Program, token: str, data: bytes) -> None:
    body, content_type = multipart(("file", data, "a"), ("model", b"whisper-1", None))
    headers = {"authorization": f"Bearer {token}", "content-type": content_type}
    url = f"{program.base_url}/audio/transcriptions"
    assert httpx.post(url, content=body, headers=headers, timeout=30).status_code == 200


def kilobytes(process: Path, name: str) -> int:
    """A figure of a process's status."""
    (line,) = [line for line in (process / "status").read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1])
