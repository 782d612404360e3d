import logging
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from django.db import transaction

from tenants import publish
from tenants.actors import command_actor
from tenants.models import Organization
from tenants.publish import Broadcast, Listener
from tenants.services import organization_touch, organization_update
from tests.services import free_port, require_program

Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """What a subscriber of this process is told."""
    found: list[int] = []
    publish.subscribe(found.append)
    yield found
    publish.unsubscribe(found.append)


@pytest.fixture(autouse=True)
def _fresh_broadcast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "_broadcast", Broadcast())


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.mark.django_db(transaction=True)
def test_a_change_is_told_once_it_is_committed(acme: Organization, heard: list[int]) -> None:
    with transaction.atomic():
        organization_update(actor=command_actor("apply"), organization=acme, name="Acme Ltd")
        assert heard == []
    assert heard == [acme.pk]


@pytest.mark.django_db(transaction=True)
def test_a_change_that_is_rolled_back_is_not_told(acme: Organization, heard: list[int]) -> None:
    version = acme.snapshot_version
    with transaction.atomic():
        organization_touch(acme.pk)
        transaction.set_rollback(True)
    acme.refresh_from_db()
    assert (heard, acme.snapshot_version) == ([], version)


def test_whoever_unsubscribed_is_told_no_more() -> None:
    found: list[int] = []
    publish.subscribe(found.append)
    publish.published(1)
    publish.unsubscribe(found.append)
    publish.unsubscribe(found.append)
    publish.published(2)
    assert found == [1]


def test_a_listener_that_fails_keeps_nobody_from_being_told(
    heard: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(organization_id: int) -> None:
        raise ZeroDivisionError

    publish._listeners.insert(0, fail)
    try:
        publish.published(5)
    finally:
        publish.unsubscribe(fail)
    assert heard == [5]
    assert [record.message for record in caplog.records] == ["A listener of snapshot changes failed."]


@pytest.fixture
def port() -> int:
    """Where the tests' own Redis will be: channels are shared by everybody who uses the same one."""
    return free_port()


@pytest.fixture
def url(port: int) -> str:
    """Its address."""
    return f"redis://127.0.0.1:{port}/0"


@pytest.fixture
def start_redis(port: int, url: str, tmp_path: Path) -> Iterator[Start]:
    """Start the tests' own Redis; it may be started again after it was stopped."""
    program = require_program("redis-server")
    running: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
        process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
        running.append(process)
        wait_for(lambda: _answers(port))
        return process

    yield start
    for process in running:
        process.terminate()
        process.wait(timeout=10)
    publish._client(url).close()
    publish._client.cache_clear()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def listening(url: str, heard: list[int]) -> Iterator[Callable[[], Listener]]:
    """Listen as another process would, and stop."""
    listeners: list[Listener] = []

    def listen() -> Listener:
        listeners.append(Listener(url, heard.append))
        return listeners[-1]

    yield listen
    for listener in listeners:
        listener.close()


def _subscribers(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        (_, count) = client.pubsub_numsub(publish.CHANNEL)[0]
        return int(count)


def test_other_processes_hear_it_through_redis(
    start_redis: Start, url: str, heard: list[int], listening: Callable[[], Listener]
) -> None:
    start_redis()
    listening()
    wait_for(lambda: _subscribers(url) == 1)
    Broadcast().send(url, 42)
    wait_for(lambda: heard == [42])


def test_published_uses_the_redis_of_the_settings(
    start_redis: Start, url: str, heard: list[int], settings: object
) -> None:
    start_redis()
    settings.AXIOM_REDIS_URL = url  # type: ignore[attr-defined]
    other: list[int] = []
    listener = publish.listen(other.append)
    wait_for(lambda: _subscribers(url) == 1)
    publish.published(7)
    wait_for(lambda: other == [7])
    listener.close()
    assert heard == [7]


def test_what_is_not_an_id_is_not_passed_on(
    start_redis: Start, url: str, heard: list[int], listening: Callable[[], Listener]
) -> None:
    start_redis()
    listening()
    wait_for(lambda: _subscribers(url) == 1)
    with redis.Redis.from_url(url) as client:
        for text in ("", "all", "-1", "1.5"):
            client.publish(publish.CHANNEL, text)
        client.publish(publish.CHANNEL, "8")
    wait_for(lambda: heard == [8])


def test_a_closed_listener_is_gone_at_once(
    start_redis: Start, url: str, listening: Callable[[], Listener]
) -> None:
    start_redis()
    listener = listening()
    wait_for(lambda: _subscribers(url) == 1)
    before = time.monotonic()
    listener.close()
    assert time.monotonic() - before < 2
    assert "snapshot-listener" not in {thread.name for thread in threading.enumerate()}
    wait_for(lambda: _subscribers(url) == 0)


def test_a_listener_comes_back_when_redis_does(
    start_redis: Start,
    url: str,
    heard: list[int],
    listening: Callable[[], Listener],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(publish, "REDIS_PAUSE", 0.05)
    first = start_redis()
    listening()
    wait_for(lambda: _subscribers(url) == 1)
    first.terminate()
    first.wait(timeout=10)
    wait_for(lambda: any("cannot be heard" in record.message for record in caplog.records))
    time.sleep(0.3)  # several attempts, said once
    start_redis()
    wait_for(lambda: _subscribers(url) == 1)
    Broadcast().send(url, 3)
    wait_for(lambda: heard == [3])
    told = [record.message.split(" (")[0] for record in caplog.records if record.levelno == logging.WARNING]
    assert told == ["Redis cannot be heard", "Redis is heard again."]


def test_a_redis_that_is_away_is_said_once_and_fails_nothing(
    start_redis: Start,
    url: str,
    heard: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    settings: object,
) -> None:
    monkeypatch.setattr(publish, "REDIS_PAUSE", 0.0)
    settings.AXIOM_REDIS_URL = url  # type: ignore[attr-defined]
    for organization_id in (1, 2, 3):
        publish.published(organization_id)
    assert heard == [1, 2, 3]
    assert len(caplog.records) == 1
    assert "is not usable" in caplog.records[0].message
    start_redis()
    publish.published(4)
    publish.published(5)
    assert [record.message.split(":")[0] for record in caplog.records[1:]] == ["Redis answers again"]


def test_a_redis_that_does_not_answer_costs_a_request_a_moment_and_the_next_ones_nothing(url: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        broadcast = Broadcast()
        before = time.monotonic()
        for organization_id in range(100):
            broadcast.send(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", organization_id)
        elapsed = time.monotonic() - before
    publish._client.cache_clear()
    assert 0.15 < elapsed < 2


def test_an_address_that_is_none_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    Broadcast().send("http://not-redis.example", 1)
    publish._client.cache_clear()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
