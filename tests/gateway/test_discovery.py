"""Model lists: fresh for ten minutes, old ones kept on failure, one fetch for all, and never an error."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from axiom.lib.egress import EgressPolicy
from axiom.lib.redaction import Secret
from gateway import discovery
from gateway.attempts import Dispatcher
from gateway.discovery import FRESH_SECONDS, RETRY_SECONDS, ModelLists, fetch_models
from gateway.errors import FailureClass, ProviderFailure
from gateway.providers.registry import ADAPTERS
from gateway.types import CredentialSettings, ListedModel, Target, Timeouts
from gateway.upstream import make_upstream
from tests.fakes.provider import Provider, Reply, error, model_list
from tests.gateway.targets import target

KEY = "FAKE-secret-of-the-credential"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def dispatcher(settings: Any) -> AsyncIterator[Dispatcher]:
    upstream = make_upstream(EgressPolicy.from_settings())
    yield Dispatcher(upstream, Timeouts())
    await upstream.close()


@pytest.fixture
def lists(dispatcher: Dispatcher, clock: Clock) -> ModelLists:
    return ModelLists(dispatcher, clock)


def of(fake: Provider, id: int = 1, provider: str = "openai", key: str = KEY) -> Target:
    """A target that leads to the fake provider."""
    adapter = ADAPTERS[provider]
    connection = adapter.connect(CredentialSettings(provider, fake.base_url, Secret(key), {}))
    return target(id, provider, adapter=adapter, connection=connection)


async def settled(condition: Callable[[], bool]) -> None:
    """Wait for something that happens in the background."""
    async with asyncio.timeout(3):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_first_list_is_waited_for(lists: ModelLists, fake: Provider) -> None:
    fake.model_list = model_list("gpt-4o", "gpt-5")
    assert await lists.learn([of(fake)]) is True
    assert lists.models[1] == (
        ListedModel("gpt-4o", created=1700000000),
        ListedModel("gpt-5", created=1700000000),
    )
    assert lists.names == {1: frozenset({"gpt-4o", "gpt-5"})}


async def test_a_fresh_list_is_not_asked_for_again(lists: ModelLists, fake: Provider, clock: Clock) -> None:
    fake.model_list = model_list("gpt-4o")
    await lists.learn([of(fake)])
    clock.now += FRESH_SECONDS - 1
    assert await lists.learn([of(fake)]) is False
    assert fake.model_lists_given == 1


async def test_an_old_list_is_used_while_a_new_one_is_read(
    lists: ModelLists, fake: Provider, clock: Clock
) -> None:
    fake.model_list = model_list("old")
    await lists.learn([of(fake)])
    clock.now += FRESH_SECONDS
    fake.model_list = model_list("new")
    fake.model_list.delay = 0.1
    async with asyncio.timeout(0.05):
        assert await lists.learn([of(fake)]) is False
    assert lists.names[1] == {"old"}
    await settled(lambda: lists.names[1] == {"new"})


async def test_a_list_that_cannot_be_read_leaves_the_old_one_and_is_retried_after_a_minute(
    lists: ModelLists, fake: Provider, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fake.model_list = model_list("old")
    await lists.learn([of(fake)])
    clock.now += FRESH_SECONDS
    fake.model_list = error(503, f"down {KEY}")
    await lists.learn([of(fake)])
    await settled(lambda: "The model list of credential 1 can't be read: overloaded." in caplog.text)
    assert KEY not in caplog.text
    clock.now += RETRY_SECONDS - 1
    await lists.learn([of(fake)])
    assert lists.names[1] == {"old"}
    assert fake.model_lists_given == 2
    clock.now += 1
    fake.model_list = model_list("new")
    await lists.learn([of(fake)])
    await settled(lambda: lists.names[1] == {"new"})


async def test_a_list_that_stays_unreadable_is_reported_once(
    lists: ModelLists, fake: Provider, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        await lists.learn([of(fake)])
        clock.now += RETRY_SECONDS
    assert fake.model_lists_given == 3
    assert caplog.text.count("can't be read") == 1


@pytest.mark.parametrize(
    "reply",
    [
        error(401),
        error(500),
        Reply(chunks=[(0, b"<html>")]),
        Reply(chunks=[(0, b'{"data": [')]),
        Reply(chunks=[(0, b'{"data": "none"}')]),
        Reply(chunks=[(0, b"\xff\xfe")]),
        Reply(end="reset"),
        Reply(end="close", chunks=[(0, b'{"data": [')]),
    ],
)
async def test_a_first_list_that_cannot_be_read_is_no_error(
    lists: ModelLists, fake: Provider, reply: Reply
) -> None:
    fake.model_list = reply
    assert await lists.learn([of(fake)]) is False
    assert lists.models == {}


async def test_a_slow_list_is_not_waited_for_longer_than_the_limit(lists: ModelLists, fake: Provider) -> None:
    fake.model_list = model_list("late")
    fake.model_list.delay = 0.2
    async with asyncio.timeout(0.1):
        assert await lists.learn([of(fake)], seconds=0.02) is False
    assert lists.names == {}
    await settled(lambda: lists.names == {1: {"late"}})


async def test_many_waiters_ask_once(lists: ModelLists, fake: Provider) -> None:
    fake.model_list = model_list("gpt-4o")
    fake.model_list.delay = 0.02
    found = await asyncio.gather(*(lists.learn([of(fake)]) for _ in range(50)))
    assert (found, fake.model_lists_given) == ([True] * 50, 1)


async def test_a_waiter_that_leaves_does_not_take_the_list_from_the_others(
    lists: ModelLists, fake: Provider
) -> None:
    fake.model_list = model_list("gpt-4o")
    fake.model_list.delay = 0.05
    first, second = (asyncio.create_task(lists.learn([of(fake)])) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    assert await second is True


@pytest.mark.parametrize(("provider", "key"), [("openai", "FAKE-another"), ("perplexity", KEY)])
async def test_another_key_or_address_makes_another_list(
    lists: ModelLists, fake: Provider, provider: str, key: str
) -> None:
    fake.model_list = model_list("old")
    await lists.learn([of(fake)])
    fake.model_list = error(401)
    await lists.learn([of(fake, provider=provider, key=key)])
    assert lists.names == {}


async def test_a_new_snapshot_of_the_same_credential_keeps_the_list(
    lists: ModelLists, fake: Provider
) -> None:
    fake.model_list = model_list("gpt-4o")
    await lists.learn([of(fake)])
    await lists.learn([of(fake)])
    assert fake.model_lists_given == 1


async def test_the_lists_of_many_credentials_are_bounded(
    lists: ModelLists, fake: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "MAX_LISTS", 3)
    monkeypatch.setattr(discovery, "MAX_MODELS", 2)
    fake.model_list = model_list("a", "b", "c")
    for id in (1, 2, 3):
        await lists.learn([of(fake, id)])
    await lists.learn([of(fake, 1)])  # asked for again: the second is now the oldest
    await lists.learn([of(fake, 4)])
    assert lists.names == {1: {"a", "b"}, 3: {"a", "b"}, 4: {"a", "b"}}


async def test_a_huge_list_is_not_read(dispatcher: Dispatcher, fake: Provider) -> None:
    fake.model_list = Reply(chunks=[(0, b" " * (4 * 1024 * 1024 + 1))])
    openai = of(fake)
    with pytest.raises(ProviderFailure, match="larger than the gateway accepts"):
        await fetch_models(dispatcher, openai.adapter, openai.connection)


async def test_a_list_that_takes_too_long_is_a_timeout(
    dispatcher: Dispatcher, fake: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "FETCH_SECONDS", 0.02)
    fake.model_list.delay = 1
    openai = of(fake)
    with pytest.raises(ProviderFailure) as caught:
        await fetch_models(dispatcher, openai.adapter, openai.connection)
    assert caught.value.failure.kind is FailureClass.TIMEOUT


async def test_a_provider_without_a_list_is_not_asked(lists: ModelLists, fake: Provider) -> None:
    assert await lists.learn([of(fake, provider="azure")]) is False
    assert fake.model_lists_given == 0


async def test_the_key_is_sent_and_never_kept(lists: ModelLists, fake: Provider) -> None:
    fake.model_list = model_list("gpt-4o")
    await lists.learn([of(fake)])
    assert KEY not in repr(vars(lists))


async def test_an_accounts_voices_come_with_its_models_for_speech(lists: ModelLists, fake: Provider) -> None:
    models = [{"model_id": "eleven_v3", "can_do_text_to_speech": True}]
    voices = {"voices": [{"voice_id": "FAKEvoice0FAKEvoice0"}]}
    fake.model_lists = {
        "/v1/models": Reply(chunks=[(0, json.dumps(models).encode())]),
        "/v1/voices": Reply(chunks=[(0, json.dumps(voices).encode())]),
    }
    await lists.learn([of(fake, provider="elevenlabs")])
    found = {model.id: model.voices for model in lists.models[1]}
    assert found["eleven_v3"] == ("FAKEvoice0FAKEvoice0",)
    assert found["scribe_v1"] == ()


async def test_a_key_that_may_not_list_voices_still_lists_models(lists: ModelLists, fake: Provider) -> None:
    models = [{"model_id": "eleven_v3", "can_do_text_to_speech": True}]
    fake.model_lists = {"/v1/models": Reply(chunks=[(0, json.dumps(models).encode())])}
    fake.model_list = error(401)
    await lists.learn([of(fake, provider="elevenlabs")])
    assert {model.voices for model in lists.models[1]} == {()}
    assert "eleven_v3" in lists.names[1]
