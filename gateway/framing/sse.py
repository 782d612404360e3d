"""Server-sent events: bytes cut anywhere in, the data of whole events out.

More liberal than the official SDKs, since providers are: a byte order mark, LF, CRLF and CR, `data:`
without the space, several data lines, comments and empty events are all taken. Lines end at CR and LF only:
U+2028 and its like occur unescaped inside JSON strings. Event names, ids and retry times are ignored: every
provider repeats in the data what counts.
"""

from gateway.errors import Failure, FailureClass, ProviderFailure

MAX_EVENT_BYTES = 1 << 20
_BOM = b"\xef\xbb\xbf"
_DATA = b"data: "


class EventReader:
    """Cuts one body into events; an event is over at its blank line.

    `takes_bare_json`: JSON without `data:` before it is an event, too. Google reports errors that way.
    """

    __slots__ = ("_after_cr", "_at_start", "_data_of", "_tail")

    def __init__(self, *, takes_bare_json: bool = False) -> None:
        self._data_of = _data_or_json_of if takes_bare_json else _data_of
        self._tail = bytearray()  # the beginning of an event whose blank line has not come
        self._at_start = True
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the data of the events that are whole now; events without data are left out.

        Raises ProviderFailure when an event is larger than MAX_EVENT_BYTES.
        """
        if not data:
            return []
        if self._after_cr or b"\r" in data:
            data = self._with_newlines(data)
        if self._tail:
            data = self._after_tail(data)
        elif (events := _plain_events(data)) is not None:
            self._at_start = False
            return events
        blocks = data.split(b"\n\n")
        if rest := blocks.pop():
            self._tail += rest
        if len(data) > MAX_EVENT_BYTES or len(self._tail) > MAX_EVENT_BYTES:
            _check_size(max(map(len, (self._tail, *blocks))))
        if self._at_start and blocks:
            self._at_start = False
            blocks[0] = blocks[0].removeprefix(_BOM)
        data_of = self._data_of
        return [found for block in blocks if (found := data_of(block))]

    def finish(self) -> bytes:
        """The body ended: return the data of an event whose blank line never came, else nothing."""
        block = bytes(self._tail)
        self._tail.clear()
        return self._data_of(block.removeprefix(_BOM) if self._at_start else block)

    def _with_newlines(self, data: bytes) -> bytes:
        """Return the bytes with LF as the only line end; a CRLF may be cut in two."""
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _after_tail(self, data: bytes) -> bytes:
        """Return the kept beginning and `data` as one, or nothing while there is no blank line yet."""
        tail = self._tail
        unsearched = len(tail) - 1
        tail += data
        if tail.find(b"\n\n", unsearched) < 0:
            return b""
        whole = bytes(tail)
        tail.clear()
        return whole


def _check_size(size: int) -> None:
    if size > MAX_EVENT_BYTES:
        raise ProviderFailure(
            Failure(FailureClass.SERVER_ERROR, "The provider sent an event that is too large.")
        )


def _plain_events(data: bytes) -> list[bytes] | None:
    """Return the events of bytes that are nothing but whole ones of one data line: nearly all bytes are."""
    if len(data) > MAX_EVENT_BYTES or not (data.startswith(_DATA) and data.endswith(b"\n\n")):
        return None
    events = data[len(_DATA) : -2].split(b"\n\ndata: ")
    return events if data.count(b"\n") == 2 * len(events) and b"" not in events else None


def _data_of(block: bytes) -> bytes:
    """Return the data lines of an event as one line.

    They are joined by a space: the data is JSON, in which a line end means the same.
    """
    lines = []
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value.removeprefix(b" "))
    return b" ".join(lines)


def _data_or_json_of(block: bytes) -> bytes:
    """Return the data lines of an event, or the block itself where it has none and is JSON."""
    return _data_of(block) or (block.strip() if block.lstrip().startswith((b"{", b"[")) else b"")
