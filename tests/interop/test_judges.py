"""The judges accept what is right and refuse what is not; and what else only an SDK can tell.

That is: signatures, embeddings, sound.
"""

import copy
import email
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypedDict

import botocore.auth
import cohere
import httpx
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from elevenlabs import VoiceSettings
from elevenlabs.client import ElevenLabs
from google.genai import types as gemini
from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.lib.redaction import Secret
from gateway.providers.registry import ADAPTERS
from gateway.types import CredentialSettings, SpeechRequest, TranscriptionRequest, Upload, WireRequest
from tests.gateway.providers.cases import Case, cases
from tests.gateway.providers.samples import build_chat, chat_request_of, embeddings_request_of
from tests.interop.connections import connection
from tests.interop.converse import converse_problems
from tests.interop.judges import problems
from tests.interop.typed import violations

RECORDED = [
    case
    for slug in ("anthropic", "bedrock", "cohere", "gemini", "vertex")
    for case in cases(slug, "chat", "chat_stream")
]
NOW = 1764000000.0
RESULT = re.compile(r'tool_result|toolResult|functionResponse|"role": "tool"')


def wire_of(case: Case, body: dict[str, Any]) -> WireRequest:
    return WireRequest(case.about["wire_request"]["url"], (), json.dumps(body).encode())


def changed(case: Case, change: Callable[[dict[str, Any]], Any]) -> list[str]:
    body = copy.deepcopy(case.about["wire_request"]["body"])
    change(body)
    return problems(case.slug, wire_of(case, body))


# -- the judges


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: f"{case.slug}/{case}")
def test_a_judge_accepts_what_was_recorded(case: Case) -> None:
    assert problems(case.slug, wire_of(case, case.about["wire_request"]["body"])) == []


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: f"{case.slug}/{case}")
def test_a_judge_refuses_a_field_that_does_not_exist(case: Case) -> None:
    assert changed(case, lambda body: body.update(bogus=1))


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: f"{case.slug}/{case}")
def test_a_judge_refuses_turns_of_nobody_and_none_at_all(case: Case) -> None:
    name = "contents" if "contents" in case.about["wire_request"]["body"] else "messages"
    assert changed(case, lambda body: body[name][0].update(role="robot"))
    assert changed(case, lambda body: body[name].clear())


@pytest.mark.parametrize("slug", ["anthropic", "bedrock", "cohere", "gemini"])
def test_a_judge_refuses_a_call_without_its_result(slug: str) -> None:
    case = next(case for case in RECORDED if (case.slug, case.name) == (slug, "04_tool_result"))
    name = "contents" if slug == "gemini" else "messages"
    results = [each for each in case.about["wire_request"]["body"][name] if RESULT.search(json.dumps(each))]
    assert results
    assert changed(case, lambda body: body[name].remove(results[0]))


@given(text=st.text(max_size=3), count=st.integers(-5, 5))
def test_the_reading_of_types_is_strict(text: str, count: int) -> None:
    assert violations(text, str) == violations(count, int) == violations(count, float) == []
    assert violations(text, int)
    assert violations(count, str)
    assert violations(float(count), int)
    assert violations(True, int)
    assert violations({text: count}, dict[str, str])
    assert violations([text, count], list[str])


# -- signatures


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from(
        [
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123",
            "us.amazon.nova_x-1.0:0",
        ]
    ),
    said=st.text(min_size=1, max_size=20).filter(str.strip),
    session_token=st.sampled_from(["", "FAKE/session+token=="]),
    region=st.sampled_from(["us-east-1", "eu-central-1"]),
)
def test_botocore_signs_a_request_as_we_do(model: str, said: str, session_token: str, region: str) -> None:
    config = {"auth": "access_key", "region": region, "access_key_id": "AKIDEXAMPLE"}
    secret = Secret("FAKE-secret" + (f":{session_token}" if session_token else ""))
    base_url = "https://bedrock-runtime.{region}.amazonaws.com"
    made = ADAPTERS["bedrock"].connect(CredentialSettings("bedrock", base_url, secret, config))
    request = chat_request_of({"model": model, "messages": [{"role": "user", "content": said}]})
    assert made.authorize is not None
    signed = made.authorize(build_chat(ADAPTERS["bedrock"], request, made, model), None, NOW)
    ours = dict(signed.headers)
    assert ours["authorization"] == _by_botocore(signed, region, session_token)


def _by_botocore(signed: WireRequest, region: str, session_token: str) -> str:
    """Return botocore's signature over the same headers."""
    ours = dict(signed.headers)
    covered = ours["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    headers = {name: ours[name] for name in covered if name in ours and not name.startswith("x-amz-")}
    request = AWSRequest(signed.method, signed.url, headers=headers, data=signed.body)
    credentials = Credentials("AKIDEXAMPLE", "FAKE-secret", session_token or None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda: datetime.fromtimestamp(NOW, UTC))
        botocore.auth.SigV4Auth(credentials, "bedrock", region).add_auth(request)
    assert request.headers["X-Amz-Date"] == ours["x-amz-date"]
    assert (request.headers.get("X-Amz-Security-Token") or "") == ours.get("x-amz-security-token", "")
    return str(request.headers["Authorization"])


# -- embeddings


class CohereEmbed(TypedDict, total=False):
    """The keyword arguments of cohere.ClientV2.embed."""

    model: str
    texts: list[str]
    input_type: cohere.EmbedInputType
    embedding_types: list[cohere.EmbeddingType]
    output_dimension: int
    truncate: str


class GeminiEmbed(TypedDict, total=False):
    """One request of batchEmbedContents."""

    model: str
    content: gemini.Content
    outputDimensionality: int
    taskType: str
    title: str


class GeminiBatch(TypedDict):
    """The body of batchEmbedContents."""

    requests: list[GeminiEmbed]


@pytest.mark.parametrize(("slug", "type_"), [("cohere", CohereEmbed), ("gemini", GeminiBatch)])
@pytest.mark.parametrize(
    "fields", [{}, {"dimensions": 256}, {"encoding_format": "base64", "user": "u"}, {"input": ["a", "b"]}]
)
def test_an_embeddings_request_is_one_that_the_provider_knows(
    slug: str, type_: Any, fields: dict[str, Any]
) -> None:
    adapter = ADAPTERS[slug]
    assert adapter.build_embeddings is not None
    request = embeddings_request_of({"model": "embed", "input": "a", **fields})
    wire = adapter.build_embeddings(request, connection(slug), "embed")
    assert violations(json.loads(wire.body), type_) == []


def test_what_bedrock_invokes_is_named_as_botocore_knows_it() -> None:
    assert converse_problems({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}) == []
    assert converse_problems({"messages": [{"role": "user", "content": [{"text": "Hi", "image": {}}]}]})


# -- sound, as ElevenLabs' client sends it


class Recorder(httpx.BaseTransport):
    """Takes down what a client sends."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        return httpx.Response(
            200, json={"language_code": "en", "language_probability": 1, "text": "", "words": []}
        )


class Sound:
    """A file in memory."""

    def read(self, offset: int, size: int) -> bytes:
        return b"RIFF-sound"[offset : offset + size]

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def recorder() -> Recorder:
    """What the client's requests end in."""
    return Recorder()


@pytest.fixture
def client(recorder: Recorder) -> ElevenLabs:
    """The official client."""
    return ElevenLabs(api_key="FAKE-key", httpx_client=httpx.Client(transport=recorder))


VOICE = "21m00Tcm4TlvDq8ikWAM"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"speed": 1.1},
        {"speed": 4},
        {"seed": 5, "language_code": "en"},
        {"voice_settings": {"stability": 0.5}},
    ],
)
@pytest.mark.parametrize(
    ("format_", "output_format"), [("mp3", "mp3_44100_128"), ("opus", "opus_48000_128"), ("pcm", "pcm_24000")]
)
def test_speech_is_asked_for_as_by_the_client(
    client: ElevenLabs, recorder: Recorder, fields: dict[str, Any], format_: str, output_format: Any
) -> None:
    asked = {
        "model": "eleven_flash_v2_5",
        "input": "Hi",
        "voice": VOICE,
        "response_format": format_,
        **fields,
    }
    request = SpeechRequest(json.dumps(asked).encode(), "eleven_flash_v2_5", 2, format_, False, "req1", 1)
    adapter = ADAPTERS["elevenlabs"]
    assert adapter.build_speech is not None
    wire = adapter.build_speech(request, connection("elevenlabs"), "eleven_flash_v2_5")
    body = json.loads(wire.body)
    if "voice_settings" in body:
        assert violations(body["voice_settings"], VoiceSettings) == []
    list(
        client.text_to_speech.convert(VOICE, output_format=output_format, **body)
    )  # unknown names are errors
    (theirs,) = recorder.requests
    assert (wire.method, wire.url) == (theirs.method, str(theirs.url))
    assert body == json.loads(theirs.content)
    assert dict(wire.headers)["content-type"] == theirs.headers["content-type"]


@pytest.mark.parametrize(
    ("format_", "fields", "same"),
    [
        ("json", (), {"timestamps_granularity": "none"}),
        ("verbose_json", (("language", "en"),), {"timestamps_granularity": "word", "language_code": "en"}),
        (
            "text",
            (("temperature", "0.5"), ("keywords", "Axiom")),
            {"timestamps_granularity": "none", "temperature": 0.5, "keyterms": ["Axiom"]},
        ),
        ("vtt", (("diarize", "true"),), {"timestamps_granularity": "word", "diarize": True}),
    ],
)
def test_a_transcription_is_asked_for_as_by_the_client(
    client: ElevenLabs,
    recorder: Recorder,
    format_: str,
    fields: tuple[tuple[str, str], ...],
    same: dict[str, Any],
) -> None:
    upload = Upload("a.wav", "audio/wav", 10, Sound())
    request = TranscriptionRequest(fields, upload, "scribe_v1", format_, "req1", 1)
    adapter = ADAPTERS["elevenlabs"]
    assert adapter.build_transcription is not None
    wire = adapter.build_transcription(request, connection("elevenlabs"), "scribe_v1")
    assert wire.upload is not None
    client.speech_to_text.convert(
        model_id="scribe_v1", file=("a.wav", b"RIFF-sound", "audio/wav"), tag_audio_events=False, **same
    )
    (theirs,) = recorder.requests
    assert (wire.method, wire.url) == (theirs.method, str(theirs.url))
    ours = _form(wire.upload.content_type, b"".join(wire.upload.pieces()))
    assert ours == _form(theirs.headers["content-type"], theirs.content)


def _form(content_type: str, body: bytes) -> list[tuple[str, str, str]]:
    """Return the parts of a form, sorted: name, file name, content."""
    document = email.message_from_bytes(b"content-type: %b\r\n\r\n%b" % (content_type.encode(), body))
    parts = document.get_payload()
    assert isinstance(parts, list)
    found = []
    for part in parts:
        name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
        content = part.get_payload(decode=True)  # type: ignore[union-attr]
        found.append((str(name), str(part.get_filename()), content.decode()))  # type: ignore[union-attr]
    # The client writes three fields that it wasn't given as `null`.
    return sorted(each for each in found if each[2] != "null")
