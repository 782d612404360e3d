"""Names and ids made to fit a provider's alphabet: equal on both sides, unique in a request, reversible."""

from collections.abc import Callable
from hashlib import sha256

_SUFFIX = 7  # characters: an underscore and six hexadecimal digits


class CallIds:
    """Gives every tool call of one request an id of its own that fits; call it once for each call, in order.

    `fit` replaces what the provider does not take; `limit` is the length that an id may have, in characters.
    Callers send ids of other providers after a fallback, and use one id again in a later turn.
    """

    __slots__ = ("_fit", "_limit", "_taken", "_uses")

    def __init__(self, fit: Callable[[str], str], *, limit: int = 256) -> None:
        self._fit = fit
        self._limit = limit
        self._taken: set[str] = set()
        self._uses: dict[str, int] = {}

    def __call__(self, original: str) -> str:
        """Return the id for the next call that the caller names `original`."""
        uses = self._uses[original] = self._uses.get(original, 0) + 1
        fitting = self._fit(original or "call")[: self._limit]
        found = _untaken(fitting, original, self._taken, self._limit, uses)
        self._taken.add(found)
        return found


class ToolNames:
    """Gives every tool a name that fits, and remembers the caller's own.

    `originals` maps the names that had to change back to the caller's: what an answer needs.
    """

    __slots__ = ("_fit", "_limit", "_taken", "_wire", "originals")

    def __init__(self, fit: Callable[[str], str], *, limit: int = 64) -> None:
        self._fit = fit
        self._limit = limit
        self._taken: set[str] = set()
        self._wire: dict[str, str] = {}
        self.originals: dict[str, str] = {}

    def __call__(self, original: str) -> str:
        """Return the name for the provider; the same original gets the same name."""
        if (known := self._wire.get(original)) is not None:
            return known
        found = _untaken(self._fit(original)[: self._limit], original, self._taken, self._limit, 1)
        self._wire[original] = found
        self._taken.add(found)
        if found != original:
            self.originals[found] = original
        return found


def _untaken(fitting: str, original: str, taken: set[str], limit: int, uses: int) -> str:
    """Return `fitting`, with a suffix made from the original where that name is taken already."""
    found, number = fitting, uses
    while found in taken:
        hashed = original if number <= 2 else f"{original}#{number}"
        digest = sha256(hashed.encode("utf-8", "surrogatepass")).hexdigest()[: _SUFFIX - 1]
        found = f"{fitting[: limit - _SUFFIX]}_{digest}"
        number = max(number, 2) + 1
    return found
