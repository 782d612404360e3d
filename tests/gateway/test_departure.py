"""The caller leaves: the upstream call ends within 250 ms in every phase, and what came is recorded."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from credentials.models import ProviderCredential
from credentials.services import credential_update
from tenants.actors import actor_for_user
from tenants.models import User
from tests.fakes.provider import Provider, Reply, frame
from tests.live import Live, wait_until

LIMIT = 0.25  # seconds


@contextmanager
def raw_request(live: Live, **fields: object) -> Iterator[socket.socket]:
    """Send a chat request on a socket of our own and hand the socket over."""
    with live.raw_post(
        "/chat/completions", {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]} | fields
    ) as connection:
        yield connection


@pytest.mark.parametrize("streamed", [True, False])
def test_leaving_before_the_headers_closes_the_upstream(live: Live, fake: Provider, streamed: bool) -> None:
    fake.script = lambda asked: Reply(delay=20)
    with raw_request(live, stream=streamed):
        fake.wait_until(lambda: fake.open_answers == 1)
        time.sleep(0.1)
    left = time.monotonic()
    fake.wait_until(lambda: fake.open_answers == 0)
    assert time.monotonic() - left < LIMIT
    (record,) = live.usage(1)
    assert (record.outcome, record.status, record.attempts) == ("cancelled", None, 1)


def test_leaving_at_once_closes_the_upstream_too(live: Live, fake: Provider) -> None:
    fake.script = lambda asked: Reply(delay=20)
    with raw_request(live):
        pass
    fake.wait_until(lambda: len(fake.asked) == 1 and fake.open_answers == 0)
    assert fake.asked[0].closed_after is not None
    assert fake.asked[0].closed_after < LIMIT


def test_leaving_amid_a_stream_closes_the_upstream_and_records_what_came(live: Live, fake: Provider) -> None:
    endless = Reply(headers={"content-type": "text/event-stream"})
    endless.chunks = [(0.02, frame({"role": "assistant", "content": "four"}))]
    endless.chunks += [(0.02, frame({"content": "four"}))] * 500
    fake.script = lambda asked: endless
    with raw_request(live, stream=True) as connection:
        received = b""
        while received.count(b"data: ") < 4:
            received += connection.recv(65536)
    left = time.monotonic()
    fake.wait_until(lambda: fake.open_answers == 0)
    assert time.monotonic() - left < LIMIT
    (record,) = live.usage(1)
    assert (record.outcome, record.status, record.estimated) == ("cancelled", 200, True)
    assert record.output_tokens is not None
    assert 4 <= record.output_tokens <= 12


def test_leaving_while_connecting_ends_the_request(
    live: Live, credential: ProviderCredential, alice: User
) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        credential_update(
            actor=actor_for_user(alice),
            credential=credential,
            base_url=f"http://127.0.0.1:{address[1]}/v1",
            secret="sk-x",
        )
        organization = credential.organization_id
        wait_until(
            lambda: (
                str(address[1])
                in live.runtime().store.current.organizations[organization].targets[0].connection.base_url
            )
        )
        with raw_request(live):
            time.sleep(0.2)
        wait_until(lambda: live.runtime().active._value.get() == 0, LIMIT)
        for filler in fillers:
            filler.close()
    (record,) = live.usage(1)
    assert record.outcome == "cancelled"


def test_nothing_is_left_behind_by_a_hundred_departures(live: Live, fake: Provider) -> None:
    fake.script = lambda asked: Reply(delay=20)
    for _ in range(100):
        with raw_request(live, stream=True):
            pass
    fake.wait_until(lambda: len(fake.asked) == 100 and fake.open_answers == 0, 10)
    wait_until(lambda: live.runtime().active._value.get() == 0)
    assert {record.outcome for record in live.usage(100, 5)} == {"cancelled"}
