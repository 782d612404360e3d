"""The event reader: whatever the provider's line ends and however the network cuts it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import FailureClass, ProviderFailure
from gateway.framing.sse import MAX_EVENT_BYTES, EventReader


def _read(raw: bytes, cuts: list[int] | None = None) -> tuple[list[bytes], bytes]:
    reader = EventReader()
    edges = [0, *sorted(cuts or []), len(raw)]
    events = [event for start, end in itertools.pairwise(edges) for event in reader.feed(raw[start:end])]
    return events, reader.finish()


@pytest.mark.parametrize(
    ("raw", "events"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data:a\n\n", [b"a"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b": a comment\n\ndata: a\n\n", [b"a"]),
        (b": a comment\ndata: a\n\n", [b"a"]),
        (b"event: ping\n\ndata: a\n\n", [b"a"]),
        (b"event: message\nid: 5\nretry: 3000\ndata: a\n\n", [b"a"]),
        (b"data: a\ndata: b\n\n", [b"a b"]),
        (b"data:\n\ndata: \n\ndata: a\n\n", [b"a"]),
        (b"data\n\ndata: a\n\n\n\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data:  two spaces\n\n", [b" two spaces"]),
        (b"database: x\n\n", []),
        ("data: a\u2028b\u0085c\n\n".encode(), ["a\u2028b\u0085c".encode()]),
        (b"", []),
    ],
)
def test_reads_the_data_of_whole_events(raw: bytes, events: list[bytes]) -> None:
    assert _read(raw) == (events, b"")
    assert _read(raw, list(range(1, len(raw)))) == (events, b"")


def test_an_event_without_its_blank_line_comes_only_at_the_end() -> None:
    reader = EventReader()
    assert reader.feed(b"data: a\n\ndata: b") == [b"a"]
    assert reader.feed(b"c\n") == []
    assert reader.finish() == b"bc"


def test_a_byte_order_mark_is_ignored_in_a_body_without_a_blank_line() -> None:
    assert _read(b"\xef\xbb\xbfdata: a") == ([], b"a")


_lines = st.sampled_from([b"data: x", b"data:\xc3\xa9", b": c", b"event: e", b"", b"data", b"x: y"])
_ends = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.lists(st.tuples(_lines, _ends), max_size=20), st.lists(st.integers(0, 200), max_size=8))
def test_where_the_bytes_are_cut_makes_no_difference(
    lines: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    raw = b"".join(line + end for line, end in lines)
    assert _read(raw, [min(cut, len(raw)) for cut in cuts]) == _read(raw)


def test_an_event_of_the_largest_size_is_read() -> None:
    raw = b"data: " + b"x" * (MAX_EVENT_BYTES - 6) + b"\n\n"
    assert [len(event) for event in _read(raw)[0]] == [MAX_EVENT_BYTES - 6]


@pytest.mark.parametrize("pieces", [1, 9])
@pytest.mark.parametrize("end", [b"", b"\n\n"], ids=["unfinished", "finished"])
def test_a_larger_event_is_a_failure_of_the_provider(pieces: int, end: bytes) -> None:
    raw = b"data: a\n\ndata: " + b"x" * MAX_EVENT_BYTES + end
    size = len(raw) // pieces
    with pytest.raises(ProviderFailure, match="too large") as caught:
        _read(raw, [size * piece for piece in range(1, pieces)])
    assert caught.value.failure.kind is FailureClass.SERVER_ERROR


def test_many_events_in_one_large_read_are_no_large_event() -> None:
    raw = (b"data: " + b"x" * 1000 + b"\n\n") * 2000
    assert len(_read(raw)[0]) == 2000
