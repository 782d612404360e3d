"""kill -9 under load, then a restart: no usage record lost, none double, against the provider's own count."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fakes.provider import Provider, completion, provider, stream
from tests.live import wait_until
from tests.program import Program, one_credential

KILLS = 3
CLIENTS = 40


@pytest.fixture
def fake() -> Iterator[Provider]:
    with provider() as running:
        running.script = lambda asked: (
            stream("one ", "two ", "three", gap=0.02) if asked.json.get("stream") else completion()
        )
        yield running


async def load_until_it_dies(program: Program, token: str, finished: set[str]) -> None:
    """Send requests from many clients until the gateway is gone; note the ids of complete answers."""
    limits = httpx.Limits(max_connections=CLIENTS)
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=program.base_url, headers=headers, limits=limits) as client:

        async def one_client(number: int) -> None:
            body = {
                "model": "gpt-4o",
                "messages": [{"role": "user", "content": "hi"}],
                "stream": number % 2 == 0,
            }
            while True:
                try:
                    response = await client.post("/chat/completions", json=body)
                except httpx.TransportError:
                    return
                assert response.status_code == 200
                finished.add(response.headers["x-request-id"])

        async def killer() -> None:
            await asyncio.sleep(1.2)
            await asyncio.to_thread(program.kill)

        await asyncio.gather(killer(), *(one_client(number) for number in range(CLIENTS)))


def test_no_record_is_lost_or_doubled(tmp_path: Path, fake: Provider) -> None:
    program = Program(tmp_path, FAKE_KEY="sk-fake")
    token = program.configure(one_credential(fake.base_url))["tokens"]["acme/app"]
    finished: set[str] = set()
    for _ in range(KILLS):
        program.start()
        asyncio.run(load_until_it_dies(program, token, finished))
    program.start()
    seen = len(fake.asked)
    wait_until(
        lambda: program.rows("SELECT count(*) FROM finops_usagerecord")[0][0] >= seen, 10
    )  # the orphans are shipped soon after the start
    assert program.stop() == 0

    records = dict(program.rows("SELECT id, outcome FROM finops_usagerecord"))
    outcomes = Counter(records.values())
    assert len(finished) > 100
    assert {records[id] for id in finished} == {"ok"}
    assert set(outcomes) <= {"ok", "interrupted"}
    # Admitted before it is sent: the ledger may know a few that the kill kept from the provider, never fewer.
    assert 0 <= len(records) - seen <= outcomes["interrupted"] <= KILLS * CLIENTS
    attempts = program.rows("SELECT count(*), count(DISTINCT request_id) FROM finops_usageattempt")
    assert attempts == [(len(records), len(records))]
    assert list((program.var / "journal").glob("*/*.jsonl")) == []


def test_a_terminated_gateway_lets_streams_end_and_flushes(tmp_path: Path, fake: Provider) -> None:
    program = Program(tmp_path, FAKE_KEY="sk-fake")
    token = program.configure(one_credential(fake.base_url))["tokens"]["acme/app"]
    program.start()
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    fake.script = lambda asked: stream(*["word "] * 20, gap=0.05)

    async def stream_through_the_stop() -> str:
        headers = {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=program.base_url, headers=headers) as client:
            call = asyncio.create_task(client.post("/chat/completions", json=body))
            await asyncio.sleep(0.4)
            code = asyncio.create_task(asyncio.to_thread(program.stop))
            text = (await call).text
            assert await code == 0
            return text

    text = asyncio.run(stream_through_the_stop())
    assert text.rstrip().endswith("data: [DONE]")
    assert program.rows("SELECT outcome FROM finops_usagerecord") == [("ok",)]
