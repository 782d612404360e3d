"""Whole requests through the running gateway to Gemini and Vertex AI, played by the fake provider."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tenants.actors import actor_for_user
from tenants.models import Organization, User
from tenants.services import token_create
from tests.fakes.provider import Asked, Provider, Reply
from tests.fakes.service_accounts import key_file
from tests.gateway.conftest import connect
from tests.gateway.providers.samples import hear
from tests.live import Live, serve

TOKEN = "FAKE-google-token"
REFUSED = {"error": {"code": 401, "message": "Request had invalid authentication credentials."}}
EVENT = {
    "candidates": [{"content": {"parts": [{"text": "Grüezi"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 3},
    "modelVersion": "gemini-2.5-flash-002",
    "responseId": "r1",
}


def whole(document: Any, status: int = 200) -> Reply:
    return Reply(status=status, chunks=[(0, json.dumps(document).encode())])


class Google:
    """Answers at /token and everywhere else; `refusals` of the next requests' tokens."""

    def __init__(self, fake: Provider) -> None:
        self.refusals = 0
        self.exchanges = 0
        fake.script = self.answer

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/token":
            self.exchanges += 1
            return whole({"access_token": f"{TOKEN}-{self.exchanges}", "expires_in": 3599})
        if self.refusals:
            self.refusals -= 1
            return whole(REFUSED, 401)
        if "stream" in asked.path:
            data = f"data: {json.dumps(EVENT, ensure_ascii=False)}\r\n\r\n".encode()
            return Reply(
                headers={"content-type": "text/event-stream"}, chunks=[(0, data[:40]), (0, data[40:])]
            )
        return whole(EVENT)


@pytest.fixture
def google(fake: Provider) -> Google:
    return Google(fake)


@pytest.fixture
def live(
    google: Google, fake: Provider, transactional_db: None, acme: Organization, alice: User, settings: Any
) -> Iterator[Live]:
    settings.AXIOM_TOKEN_HOSTS = [f"127.0.0.1:{fake.port}"]
    root = f"http://127.0.0.1:{fake.port}"
    secret = key_file(token_uri=f"{root}/token")
    connect(
        acme, alice, fake, provider="vertex", base_url=root, secret=secret, default_model="gemini-2.5-flash"
    )
    connect(
        acme,
        alice,
        fake,
        provider="gemini",
        name="direct",
        base_url=root,
        secret="FAKE-key",
        default_model="gemini-x",
    )
    _, token = token_create(actor=actor_for_user(alice), organization=acme, name="app")
    with serve(token) as running:
        yield running


def test_vertex_exchanges_its_key_once_and_answers(live: Live, google: Google, fake: Provider) -> None:
    for _ in range(3):
        response = live.chat(model="gemini-2.5-flash", user="u")
        assert response.status_code == 200
        assert response.json()["choices"][0]["message"]["content"] == "Grüezi"
        assert response.headers["x-axiom-provider"] == "vertex"
        assert response.headers["x-axiom-dropped-params"] == "user"
    chats = [asked for asked in fake.asked if asked.path != "/token"]
    assert google.exchanges == 1
    assert {asked.headers["authorization"] for asked in chats} == {f"Bearer {TOKEN}-1"}
    assert chats[0].path == (
        "/v1/projects/proj-fake/locations/global/publishers/google/models/gemini-2.5-flash:generateContent"
    )


def test_a_refused_token_is_renewed_and_the_caller_notices_nothing(live: Live, google: Google) -> None:
    google.refusals = 1
    response = live.chat(model="gemini-2.5-flash")
    assert response.status_code == 200
    assert response.headers["x-axiom-attempts"] == "1"
    assert google.exchanges == 2


def test_a_token_that_is_refused_twice_is_our_fault_and_not_the_callers(live: Live, google: Google) -> None:
    google.refusals = 2
    response = live.chat(model="gemini-2.5-flash")
    assert response.status_code == 502
    assert response.json()["error"]["code"] == "upstream_auth_failed"
    assert google.exchanges == 2


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-x"])
def test_streams(live: Live, model: str) -> None:
    response = live.chat(model=model, stream=True, stream_options={"include_usage": True})
    assert response.status_code == 200
    heard = hear(response.content)
    assert (heard.text, heard.finish_reason, heard.usage, heard.done) == ("Grüezi", "stop", [4, 3], True)
    (record,) = live.usage(1)
    assert record.input_tokens == 4
    assert record.output_tokens == 3


def test_gemini_gets_its_key_in_a_header(live: Live, fake: Provider) -> None:
    assert live.chat(model="gemini-x").status_code == 200
    (asked,) = fake.asked
    assert asked.path == "/v1beta/models/gemini-x:generateContent"
    assert asked.headers["x-goog-api-key"] == "FAKE-key"
    assert "authorization" not in asked.headers
