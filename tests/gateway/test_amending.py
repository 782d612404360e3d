"""A refusal that names a field, through the running gateway: one more request, and one lesson."""

import json
from collections.abc import Iterator

import pytest

from tenants.actors import actor_for_user
from tenants.models import Organization, User
from tenants.services import token_create
from tests.fakes.provider import Asked, Provider, Reply
from tests.gateway.conftest import connect
from tests.gateway.providers.samples import hear
from tests.live import Live, serve

MODEL = "claude-next"
DEPRECATED = "`temperature` is deprecated for this model."
EMBEDDER = "gemini-embedding-001"
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": MODEL,
    "content": [{"type": "text", "text": "Hello!"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 9, "output_tokens": 3},
}
EVENTS = (
    {"type": "message_start", "message": MESSAGE | {"content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello!"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
    {"type": "message_stop"},
)


def answer() -> Reply:
    return Reply(chunks=[(0, json.dumps(MESSAGE).encode())])


def streamed() -> Reply:
    frames = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in EVENTS]
    return Reply(headers={"content-type": "text/event-stream"}, chunks=[(0, frame) for frame in frames])


def refusal(message: str = DEPRECATED, status: int = 400) -> Reply:
    error = {"type": "invalid_request_error", "message": message}
    return Reply(status=status, chunks=[(0, json.dumps({"type": "error", "error": error}).encode())])


@pytest.fixture
def live(fake: Provider, transactional_db: None, acme: Organization, alice: User) -> Iterator[Live]:
    root = f"http://127.0.0.1:{fake.port}"
    connect(acme, alice, fake, provider="anthropic", base_url=root, default_model=MODEL)
    connect(
        acme,
        alice,
        fake,
        provider="vertex",
        name="google",
        base_url=root,
        secret="FAKE-key",
        default_model=EMBEDDER,
    )
    _, token = token_create(actor=actor_for_user(alice), organization=acme, name="app")
    with serve(token) as running:
        yield running


def sampled(fake: Provider) -> list[bool]:
    """For each request that the provider got: did it name a temperature?"""
    return ["temperature" in asked.json for asked in fake.asked]


def test_a_field_that_the_model_refuses_is_dropped_once_and_then_for_good(live: Live, fake: Provider) -> None:
    fake.replies = [refusal(), answer(), answer()]
    for expected in ([True, False], [True, False, False]):
        response = live.chat(model=MODEL, temperature=0.5)
        assert response.status_code == 200
        assert response.json()["choices"][0]["message"]["content"] == "Hello!"
        assert response.headers["x-axiom-dropped-params"] == "temperature"
        assert response.headers["x-axiom-attempts"] == "1"
        assert sampled(fake) == expected
    for record in live.usage(2):
        assert (record.status, record.attempts) == (200, 1)


def test_streams_are_asked_for_again_likewise(live: Live, fake: Provider) -> None:
    fake.replies = [refusal(), streamed(), streamed()]
    for _ in range(2):
        response = live.chat(model=MODEL, temperature=0.5, stream=True)
        assert response.headers["x-axiom-dropped-params"] == "temperature"
        heard = hear(response.content)
        assert (heard.text, heard.done) == ("Hello!", True)
    assert sampled(fake) == [True, False, False]
    assert all(asked.json["stream"] is True for asked in fake.asked)


def test_any_other_refusal_is_the_callers_after_one_request(live: Live, fake: Provider) -> None:
    fake.replies = [refusal("max_tokens: too many")]
    response = live.chat(model=MODEL, temperature=0.5)
    assert response.status_code == 400
    assert response.json()["error"]["message"] == "max_tokens: too many"
    assert len(fake.asked) == 1


def test_there_is_no_third_request_and_what_did_not_help_is_not_learned(live: Live, fake: Provider) -> None:
    for second in (refusal("top_p: also not"), refusal("out of order", 500)):
        fake.asked.clear()
        fake.replies = [refusal(), second]
        assert live.chat(model=MODEL, temperature=0.5).status_code in {400, 502}
        assert sampled(fake) == [True, False]
    assert fake.replies == []


def test_a_model_that_takes_the_field_keeps_getting_it(live: Live, fake: Provider) -> None:
    fake.script = lambda asked: answer()
    fake.replies = [refusal(), answer()]
    assert live.chat(model=MODEL, temperature=0.5).status_code == 200
    assert live.chat(model="anthropic/claude-other", temperature=0.5).status_code == 200
    assert sampled(fake) == [True, False, True]


def prediction(asked: Asked) -> Reply:
    """What Vertex AI says where only predict is there: the length of each text as its vector."""
    if not asked.path.endswith(":predict"):
        return Reply(status=404, chunks=[(0, b'{"error": {"code": 404, "message": "Not found."}}')])
    found = [
        {"embeddings": {"values": [float(len(each["content"]))], "statistics": {"token_count": 2}}}
        for each in asked.json["instances"]
    ]
    return Reply(chunks=[(0, json.dumps({"predictions": found}).encode())])


def test_an_amended_request_may_be_several_and_their_answers_stay_in_order(
    live: Live, fake: Provider
) -> None:
    fake.script = prediction
    texts = ["a", "bb", "ccc"]
    for expected in (["batchEmbedContents", *["predict"] * 3], ["predict"] * 3):
        fake.asked.clear()
        response = live.client.post("/embeddings", json={"model": EMBEDDER, "input": texts})
        assert response.status_code == 200
        assert [each["embedding"] for each in response.json()["data"]] == [[1], [2], [3]]
        assert response.json()["usage"]["prompt_tokens"] == 6
        assert [asked.path.rpartition(":")[2] for asked in fake.asked] == expected
