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
    """Cuts one body into events; an event is over at its blank line."""

    __slots__ = ("_after_cr", "_at_start", "_tail")

    def __init__(self) -> None:
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
        blocks = data.split(b"\n\n")
        self._tail += blocks.pop()
        self._check_size(blocks, len(data))
        if self._at_start and blocks:
            self._at_start = False
            blocks[0] = blocks[0].removeprefix(_BOM)
        events = []
        for block in blocks:
            if block.startswith(_DATA) and len(block) > 6 and b"\n" not in block:  # nearly all of them
                events.append(block[6:])
            elif found := _data_of(block):
                events.append(found)
        return events

    def finish(self) -> bytes:
        """The body ended: return the data of an event whose blank line never came, else nothing."""
        block = bytes(self._tail)
        self._tail.clear()
        return _data_of(block.removeprefix(_BOM) if self._at_start else block)

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

    def _check_size(self, blocks: list[bytes], size: int) -> None:
        if len(self._tail) <= MAX_EVENT_BYTES and size <= MAX_EVENT_BYTES:
            return
        if len(self._tail) > MAX_EVENT_BYTES or any(len(block) > MAX_EVENT_BYTES for block in blocks):
            raise ProviderFailure(
                Failure(FailureClass.SERVER_ERROR, "The provider sent an event that is too large.")
            )


def _data_of(block: bytes) -> bytes:
    """Return the data lines of an event, joined."""
    lines = []
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            lines.append(value.removeprefix(b" "))
    return b"\n".join(lines)
