"""However a response is cut into packets, it reads the same; and nothing that comes can hang a call."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.connection import Connection
from gateway.upstream.port import UpstreamError, UpstreamProblem
from tests.fakes.upstream import STREAM_END, STREAM_HEAD, chunk, response

BODY = b'{"id":1}\r\n\r\ndata: [DONE]\n\n'
RESPONSES = {
    "length": response(BODY, headers=("Content-Type: application/json", "X-A: 1", "X-A: 2")),
    "chunked": STREAM_HEAD + chunk(BODY[:3]) + chunk(BODY[3:]) + STREAM_END,
    "trailers": STREAM_HEAD + chunk(BODY) + b"0\r\nX-Sum: 1\r\nX-A: 2\r\n\r\n",
    "extension": STREAM_HEAD + b'%x;name="value"\r\n%b\r\n0\r\n\r\n' % (len(BODY), BODY),
    "informational": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + response(BODY),
    "until-close": b"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n" + BODY,
    "connection-close": response(BODY, headers=("Connection: close",)),
}


class Transport:
    """Takes what is written and remembers whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    def write(self, data: bytes) -> None:
        """Nobody reads it."""

    def abort(self) -> None:
        """Remember."""
        self.closed = True

    def pause_reading(self) -> None:
        """Packets come anyway."""

    resume_reading = pause_reading

    def get_write_buffer_size(self) -> int:
        """All was sent."""
        return 0


async def receive(packets: Sequence[bytes]) -> tuple[int, dict[str, str], bytes]:
    """Feed the packets and then the provider's FIN to a call, and return what it makes of them."""
    loop = asyncio.get_running_loop()
    strays: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: strays.append(context))
    connection = Connection(loop, cast(Any, None), lambda _: None)
    transport = Transport()
    connection.connection_made(cast(asyncio.Transport, transport))
    reading = asyncio.ensure_future(_read(connection))
    await asyncio.sleep(0)
    for packet in packets:
        if not transport.closed:
            connection.data_received(packet)
        await asyncio.sleep(0)
    if not transport.closed:
        connection.eof_received()
    connection.connection_lost(None)
    try:
        return await asyncio.wait_for(reading, 1)
    finally:
        assert strays == []
        assert transport.closed


async def _read(connection: Connection) -> tuple[int, dict[str, str], bytes]:
    await connection.request(b"", 10)
    body = b""
    while not connection.complete:
        await connection.wait_for_body(10)
        body += connection.take()
    return connection.status, connection.headers, body + connection.take()


def cut(raw: bytes, offsets: Sequence[int]) -> list[bytes]:
    """Cut at the offsets."""
    edges = [0, *sorted({offset % len(raw) for offset in offsets} - {0}), len(raw)]
    return [raw[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("kind", RESPONSES)
def test_reads_the_same_wherever_it_is_cut_in_two(kind: str) -> None:
    raw = RESPONSES[kind]
    whole = asyncio.run(receive([raw]))
    assert whole[0] == 200
    assert whole[2] == BODY
    assert "link" not in whole[1]
    assert "x-sum" not in whole[1]

    async def all_cuts() -> None:
        for offset in range(1, len(raw)):
            assert await receive(cut(raw, [offset])) == whole

    asyncio.run(all_cuts())


@pytest.mark.parametrize("kind", RESPONSES)
def test_reads_the_same_byte_by_byte(kind: str) -> None:
    raw = RESPONSES[kind]
    assert asyncio.run(receive(cut(raw, range(len(raw))))) == asyncio.run(receive([raw]))


@pytest.mark.parametrize("kind", sorted(RESPONSES.keys() - {"until-close"}))
def test_a_response_cut_off_anywhere_is_never_taken_for_a_whole_one(kind: str) -> None:
    raw = RESPONSES[kind]

    async def all_cuts() -> None:
        for length in range(len(raw)):
            with pytest.raises(UpstreamError) as caught:
                await receive([raw[:length]])
            assert (caught.value.problem, caught.value.sent) == (UpstreamProblem.RESET, True)

    asyncio.run(all_cuts())


@given(kind=st.sampled_from(sorted(RESPONSES)), offsets=st.lists(st.integers(0, 10_000), max_size=20))
def test_reads_the_same_however_it_is_cut(kind: str, offsets: list[int]) -> None:
    raw = RESPONSES[kind]
    assert asyncio.run(receive(cut(raw, offsets)))[2] == BODY


def outcome(packets: Sequence[bytes]) -> UpstreamProblem | None:
    """Return how the call failed, if it did."""
    try:
        asyncio.run(receive(packets))
    except UpstreamError as problem:
        return problem.problem
    return None


@given(packets=st.lists(st.binary(max_size=200), max_size=5))
def test_noise_ends_the_call(packets: list[bytes]) -> None:
    assert outcome(packets) in {UpstreamProblem.PROTOCOL, UpstreamProblem.RESET}


@given(
    kind=st.sampled_from(sorted(RESPONSES)),
    position=st.integers(0, 10_000),
    removed=st.integers(0, 3),
    inserted=st.binary(max_size=4),
    offsets=st.lists(st.integers(0, 10_000), max_size=3),
)
def test_a_damaged_response_ends_the_call(
    kind: str, position: int, removed: int, inserted: bytes, offsets: list[int]
) -> None:
    raw = RESPONSES[kind]
    at = position % len(raw)
    damaged = raw[:at] + inserted + raw[at + removed :]
    assert outcome(cut(damaged, offsets)) in {None, UpstreamProblem.PROTOCOL, UpstreamProblem.RESET}
