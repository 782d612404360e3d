"""The reader of binary event streams: however the network cuts them, and whatever is wrong with them."""

import itertools
import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import FailureClass, ProviderFailure
from gateway.framing.eventstream import MAX_HEADERS_BYTES, MAX_PAYLOAD_BYTES, Message, MessageReader
from tests.fakes.eventstream import header, message

EVENT = message(b"{}", header(":message-type", 7, b"\x00\x05event"))
PRELUDE = 12


def read(raw: bytes, cuts: list[int] | None = None) -> list[Message]:
    reader = MessageReader()
    edges = [0, *sorted(cuts or []), len(raw)]
    found = [each for start, end in itertools.pairwise(edges) for each in reader.feed(raw[start:end])]
    reader.finish()
    return found


def failure_of(raw: bytes) -> ProviderFailure:
    with pytest.raises(ProviderFailure) as caught:
        read(raw)
    return caught.value


def test_a_message_has_headers_and_a_payload() -> None:
    assert read(EVENT) == [Message({":message-type": "event"}, b"{}")]


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (0, b"", True),
        (1, b"", False),
        (2, b"\xff", -1),
        (3, b"\x80\x00", -(2**15)),
        (4, b"\x00\x01\x00\x00", 65536),
        (5, b"\x00" * 7 + b"\x05", 5),
        (6, b"\x00\x02\xff\x00", b"\xff\x00"),
        (7, b"\x00\x03\xc3\xa9x", "éx"),
        (8, b"\x00" * 7 + b"\x09", 9),
        (9, bytes(range(16)), bytes(range(16))),
    ],
)
def test_every_type_of_header_is_read(kind: int, raw: bytes, value: bool | int | bytes | str) -> None:
    raw = message(b"", header("a", kind, raw) + header("b", 7, b"\x00\x01z"))
    assert read(raw) == [Message({"a": value, "b": "z"}, b"")]


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5), st.data())
def test_cuts_change_nothing(payloads: list[bytes], data: st.DataObject) -> None:
    raw = b"".join(message(payload, header("n", 7, b"\x00\x01v")) for payload in payloads)
    cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=20))
    assert read(raw, cuts) == [Message({"n": "v"}, payload) for payload in payloads]


def test_single_bytes_are_enough() -> None:
    raw = EVENT * 3
    assert read(raw, list(range(1, len(raw)))) == read(EVENT) * 3


def test_a_body_that_ends_within_a_message_is_interrupted() -> None:
    for length in range(1, len(EVENT)):
        assert failure_of(EVENT + EVENT[:length]).code == "upstream_stream_interrupted"
    assert read(b"") == []


def test_every_changed_bit_is_found() -> None:
    for place, bit in itertools.product(range(len(EVENT)), range(8)):
        damaged = bytearray(EVENT)
        damaged[place] ^= 1 << bit
        assert failure_of(bytes(damaged)).failure.kind is FailureClass.SERVER_ERROR


def test_what_came_before_the_damage_is_given_first() -> None:
    reader = MessageReader()
    assert reader.feed(EVENT + b"\xff" * 40) == read(EVENT)
    with pytest.raises(ProviderFailure):
        reader.feed(EVENT)
    with pytest.raises(ProviderFailure):
        reader.finish()


@pytest.mark.parametrize(
    "headers",
    [
        header("a", 7, b"\x00\x01v") * 2,  # twice
        header("a", 10, b""),  # an unknown type
        header("a", 7, b"\x00\x09v"),  # longer than what is there
        header("a", 7, b"\x00"),
        header("a", 4, b"\x00"),
        header("a", 7, b"\x00\x01\xff"),  # not UTF-8
        b"\x01\xff\x00",
        b"\x05ab",
        b"\x01a",
    ],
)
def test_broken_headers_are_damage(headers: bytes) -> None:
    assert "damaged" in failure_of(message(b"", headers)).message


def prelude(total: int, headers: int) -> bytes:
    start = struct.pack("!II", total, headers)
    return start + struct.pack("!I", crc32(start))


@pytest.mark.parametrize(("total", "headers"), [(15, 0), (16, 1), (0, 0), (100, 2**32 - 1)])
def test_lengths_that_cannot_be_are_damage(total: int, headers: int) -> None:
    assert "damaged" in failure_of(prelude(total, headers)).message


@pytest.mark.parametrize(("headers", "payload"), [(MAX_HEADERS_BYTES + 1, 0), (0, MAX_PAYLOAD_BYTES + 1)])
def test_a_message_past_the_limits_is_refused_before_it_has_come(headers: int, payload: int) -> None:
    assert "too large" in failure_of(prelude(headers + payload + 16, headers)).message


def test_the_largest_message_is_read() -> None:
    payload = b"x" * MAX_PAYLOAD_BYTES
    raw = message(payload, b"")
    assert read(raw, list(range(0, len(raw), 1 << 16))) == [Message({}, payload)]


@given(st.binary(max_size=64))
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    reader = MessageReader()
    try:
        reader.feed(raw)
        reader.finish()
    except ProviderFailure:
        pass
    else:
        assert raw == b""
