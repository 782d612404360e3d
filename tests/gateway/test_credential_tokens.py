"""Tokens of credentials: one exchange for all who wait, renewed in time, forgotten when they are refused."""

import asyncio
import gc
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from axiom.lib.egress import EgressPolicy
from gateway import credential_tokens
from gateway.attempts import Dispatcher
from gateway.credential_tokens import PAUSE_SECONDS, CredentialTokens
from gateway.errors import FailureClass, ProviderFailure
from gateway.providers import vertex
from gateway.providers.vertex_auth import file_source, parse_token, put_token
from gateway.types import Connection, Timeouts, Token, TokenSource, WireRequest
from gateway.upstream import Upstream, make_upstream
from tests.fakes.provider import Asked, Provider, Reply, error

TIMEOUTS = Timeouts(connect=2, first_byte=2, idle=2)
LIFETIME = 3600
ASSERTION = b"assertion=FAKE-signed-by-the-private-key"


class Clock:
    """The time of day that the cache sees, in seconds."""

    def __init__(self) -> None:
        self.now = 1_764_000_000.0

    def __call__(self) -> float:
        return self.now


class TokenEndpoint:
    """A fake provider that gives tokens at /token, and elsewhere answers to those it takes."""

    def __init__(self, fake: Provider) -> None:
        self.fake = fake
        self.given: list[str] = []
        self.taken: list[str] = []
        self.accepts: Callable[[str], bool] = lambda token: True
        self.trouble: Reply | None = None
        self.delay = 0.0
        fake.script = self._answer

    def _answer(self, asked: Asked) -> Reply:
        if asked.path != "/v1/token":
            token = asked.headers["authorization"].removeprefix("Bearer ")
            self.taken.append(token)
            return Reply(chunks=[(0, b"{}")]) if self.accepts(token) else error(401)
        if self.trouble is not None:
            return self.trouble
        self.given.append(f"FAKE-token-{len(self.given) + 1}")
        body = {"access_token": self.given[-1], "expires_in": LIFETIME, "token_type": "Bearer"}
        return Reply(chunks=[(0, json.dumps(body).encode())], delay=self.delay)

    def source(self, **fields: Any) -> TokenSource:
        """A source that asks here."""
        url = f"{self.fake.base_url}/token"
        return TokenSource(parse=parse_token, build=lambda now: WireRequest(url, (), ASSERTION), **fields)

    def connection(self, **fields: Any) -> Connection:
        """A connection with such a source."""
        return Connection(self.fake.base_url, (), authorize=put_token, token_source=self.source(**fields))


@pytest.fixture
def endpoint(fake: Provider) -> TokenEndpoint:
    return TokenEndpoint(fake)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    client = make_upstream(EgressPolicy(["127.0.0.0/8"]))
    yield client
    await client.close()


@pytest.fixture
def tokens(upstream: Upstream) -> CredentialTokens:
    return CredentialTokens(upstream)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(credential_tokens, "time", clock)
    return clock


async def get(tokens: CredentialTokens, connection: Connection) -> str:
    assert connection.token_source is not None
    token = await tokens.get(connection, connection.token_source)
    return str(token.value)


async def settle(tokens: CredentialTokens) -> None:
    """Wait for renewals that nobody waits for."""
    await asyncio.gather(*tokens._renewals.values(), return_exceptions=True)
    await asyncio.sleep(0)


async def failure_of(tokens: CredentialTokens, connection: Connection) -> FailureClass:
    with pytest.raises(ProviderFailure) as caught:
        await get(tokens, connection)
    return caught.value.failure.kind


async def test_fifty_who_wait_share_one_exchange(endpoint: TokenEndpoint, tokens: CredentialTokens) -> None:
    endpoint.delay = 0.05
    connection = endpoint.connection()
    found = await asyncio.gather(*[get(tokens, connection) for _ in range(50)])
    assert set(found) == {"FAKE-token-1"}
    assert await get(tokens, connection) == "FAKE-token-1"
    assert [asked.body for asked in endpoint.fake.asked] == [ASSERTION]


async def test_a_token_is_renewed_300_seconds_before_its_end_while_it_still_serves(
    endpoint: TokenEndpoint, tokens: CredentialTokens, clock: Clock
) -> None:
    connection = endpoint.connection()
    assert await get(tokens, connection) == "FAKE-token-1"
    clock.now += LIFETIME - 300 - 1
    assert await get(tokens, connection) == "FAKE-token-1"
    assert endpoint.given == ["FAKE-token-1"]
    clock.now += 1
    found = await asyncio.gather(*[get(tokens, connection) for _ in range(50)])
    assert set(found) == {"FAKE-token-1"}  # nobody waits for the new one
    await settle(tokens)
    assert await get(tokens, connection) == "FAKE-token-2"
    assert endpoint.given == ["FAKE-token-1", "FAKE-token-2"]


async def test_a_token_that_has_ended_is_not_used(
    endpoint: TokenEndpoint, tokens: CredentialTokens, clock: Clock
) -> None:
    connection = endpoint.connection()
    await get(tokens, connection)
    clock.now += LIFETIME - 10
    assert await get(tokens, connection) == "FAKE-token-2"


async def test_one_who_leaves_does_not_take_the_exchange_from_the_others(
    endpoint: TokenEndpoint, tokens: CredentialTokens
) -> None:
    endpoint.delay = 0.05
    connection = endpoint.connection()
    first, *others = [asyncio.create_task(get(tokens, connection)) for _ in range(5)]
    await asyncio.sleep(0.01)
    first.cancel()
    assert set(await asyncio.gather(*others)) == {"FAKE-token-1"}
    assert first.cancelled()
    assert endpoint.given == ["FAKE-token-1"]


async def test_when_all_leave_the_exchange_still_serves_the_next(
    endpoint: TokenEndpoint, tokens: CredentialTokens
) -> None:
    endpoint.delay = 0.05
    connection = endpoint.connection()
    waiting = [asyncio.create_task(get(tokens, connection)) for _ in range(3)]
    await asyncio.sleep(0.01)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await get(tokens, connection) == "FAKE-token-1"
    assert endpoint.given == ["FAKE-token-1"]


async def test_a_refused_token_is_renewed_once_and_the_request_sent_again(
    endpoint: TokenEndpoint, upstream: Upstream
) -> None:
    endpoint.accepts = lambda token: token != "FAKE-token-1"
    dispatcher, connection = Dispatcher(upstream, TIMEOUTS), endpoint.connection()
    wire = WireRequest(f"{connection.base_url}/chat", (), b"{}")
    response = await dispatcher.send(wire, connection)
    assert response.status == 200
    response.close()
    assert endpoint.taken == ["FAKE-token-1", "FAKE-token-2"]
    assert endpoint.given == ["FAKE-token-1", "FAKE-token-2"]


async def test_tokens_that_are_refused_again_are_an_auth_failure(
    endpoint: TokenEndpoint, upstream: Upstream
) -> None:
    endpoint.accepts = lambda token: False
    dispatcher, connection = Dispatcher(upstream, TIMEOUTS), endpoint.connection()
    response = await dispatcher.send(WireRequest(f"{connection.base_url}/chat", (), b"{}"), connection)
    failure = vertex.parse_error(response.status, response.headers, await response.read(1 << 16))
    response.close()
    assert failure.kind is FailureClass.AUTH
    assert endpoint.taken == ["FAKE-token-1", "FAKE-token-2"]  # and not a third time


async def test_twenty_whose_token_is_refused_at_once_renew_it_once(
    endpoint: TokenEndpoint, upstream: Upstream
) -> None:
    endpoint.accepts = lambda token: token != "FAKE-token-1"
    dispatcher, connection = Dispatcher(upstream, TIMEOUTS), endpoint.connection()
    wire = WireRequest(f"{connection.base_url}/chat", (), b"{}")

    async def send(delay: float) -> int:
        await asyncio.sleep(delay)
        response = await dispatcher.send(wire, connection)
        response.close()
        return response.status

    assert set(await asyncio.gather(*[send(number / 1000) for number in range(20)])) == {200}
    assert endpoint.given == ["FAKE-token-1", "FAKE-token-2"]


async def test_a_token_that_took_the_place_of_a_refused_one_is_kept(
    endpoint: TokenEndpoint, tokens: CredentialTokens
) -> None:
    connection = endpoint.connection()
    source = connection.token_source
    assert source is not None
    first = await tokens.get(connection, source)
    tokens.forget(connection, source, first)
    assert await get(tokens, connection) == "FAKE-token-2"
    tokens.forget(connection, source, first)  # the answer of a slower request
    assert await get(tokens, connection) == "FAKE-token-2"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(503), FailureClass.SERVER_ERROR),
        (error(429), FailureClass.RATE_LIMIT),
        (error(400), FailureClass.AUTH),
        (Reply(chunks=[(0, b"<html>")]), FailureClass.SERVER_ERROR),
        (Reply(chunks=[(0, b"{")], end="reset"), FailureClass.SERVER_ERROR),
        (Reply(chunks=[(0, b"x" * 100_000)]), FailureClass.SERVER_ERROR),
    ],
    ids=["503", "429", "400", "html", "reset", "huge"],
)
async def test_a_token_endpoint_that_fails_is_a_classed_failure_for_all_who_wait(
    endpoint: TokenEndpoint, tokens: CredentialTokens, reply: Reply, kind: FailureClass
) -> None:
    endpoint.trouble = reply
    connection = endpoint.connection()
    assert await asyncio.gather(*[failure_of(tokens, connection) for _ in range(5)]) == [kind] * 5
    endpoint.trouble = None
    assert await get(tokens, connection) == "FAKE-token-1"  # a failure isn't kept


async def test_a_token_endpoint_that_is_not_there_or_silent_is_a_classed_failure(
    endpoint: TokenEndpoint, tokens: CredentialTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/token"
        source = TokenSource(parse=parse_token, build=lambda now: WireRequest(url, (), b""))
        assert await failure_of(tokens, Connection("", (), token_source=source)) is FailureClass.SERVER_ERROR
    endpoint.delay = 5
    monkeypatch.setattr(credential_tokens, "_TIMEOUTS", Timeouts(first_byte=5, total=0.05))
    assert await failure_of(tokens, endpoint.connection()) is FailureClass.TIMEOUT


async def test_while_the_token_endpoint_is_down_the_old_token_serves_and_the_endpoint_is_left_in_peace(
    endpoint: TokenEndpoint, tokens: CredentialTokens, clock: Clock
) -> None:
    connection = endpoint.connection()
    await get(tokens, connection)
    endpoint.trouble = error(503)
    clock.now += LIFETIME - 200
    for _ in range(10):
        assert await get(tokens, connection) == "FAKE-token-1"
        await settle(tokens)
    assert len(endpoint.fake.asked) == 2  # the first exchange and one that failed
    clock.now += PAUSE_SECONDS
    assert await get(tokens, connection) == "FAKE-token-1"
    await settle(tokens)
    assert len(endpoint.fake.asked) == 3
    clock.now += 200
    assert await failure_of(tokens, connection) is FailureClass.SERVER_ERROR


async def test_a_new_snapshot_keeps_the_token_of_an_equal_source_and_of_no_other(
    endpoint: TokenEndpoint, tokens: CredentialTokens
) -> None:
    assert await get(tokens, endpoint.connection(key="one")) == "FAKE-token-1"
    assert await get(tokens, endpoint.connection(key="one")) == "FAKE-token-1"
    assert await get(tokens, endpoint.connection(key="rotated")) == "FAKE-token-2"
    assert await get(tokens, endpoint.connection()) == "FAKE-token-3"
    assert await get(tokens, endpoint.connection()) == "FAKE-token-4"


async def test_tokens_of_credentials_that_are_gone_do_not_stay(
    endpoint: TokenEndpoint, tokens: CredentialTokens, clock: Clock
) -> None:
    for _ in range(3):
        await get(tokens, endpoint.connection())
    clock.now += LIFETIME + 1
    await get(tokens, endpoint.connection())
    assert [held.token.value for held in tokens._held.values()] == ["FAKE-token-4"]


async def test_a_token_file_is_read_again_after_a_minute(
    tokens: CredentialTokens, clock: Clock, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    connection = Connection("", (), token_source=file_source(str(path)))
    assert await failure_of(tokens, connection) is FailureClass.AUTH
    path.write_text("FAKE-one\n")
    assert await get(tokens, connection) == "FAKE-one"
    path.write_text('{"access_token": "FAKE-two"}')
    clock.now += 59
    assert await get(tokens, connection) == "FAKE-one"
    clock.now += 1
    await get(tokens, connection)
    await settle(tokens)
    assert await get(tokens, connection) == "FAKE-two"


async def test_nothing_secret_is_logged_or_shown(
    endpoint: TokenEndpoint, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    dispatcher, connection = Dispatcher(upstream, TIMEOUTS), endpoint.connection(key="FAKE-digest")
    tokens = dispatcher.tokens
    wire = WireRequest(f"{connection.base_url}/chat", (), b"{}")
    (await dispatcher.send(wire, connection)).close()
    endpoint.trouble = error(400, message="FAKE-token-1 is gone")
    assert connection.token_source is not None
    token = await tokens.get(connection, connection.token_source)
    tokens.forget(connection, connection.token_source, token)
    waiting = asyncio.create_task(get(tokens, connection))
    await asyncio.sleep(0)
    waiting.cancel()  # the failure of its renewal is nobody's
    await settle(tokens)
    del waiting
    gc.collect()
    shown = [caplog.text, repr(connection), repr(token), repr(wire), repr(connection.token_source)]
    for secret in ("FAKE-token", "FAKE-signed", "FAKE-digest"):
        assert not [text for text in shown if secret in text]


def test_a_token_does_not_show_its_value() -> None:
    assert repr(Token("FAKE-token", 1.0)) == "Token(expires_at=1.0)"
