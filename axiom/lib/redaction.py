"""Keeping secrets out of everything that people read."""

import re
from typing import Any, NoReturn

MASK = "********"
_LOOKS_SECRET = re.compile(
    r"(axm_[A-Za-z0-9_-]{8,}"  # our own tokens
    r"|\b(?:sk|pk|rk|gsk|xai|csk|pplx|hf|key)[-_][A-Za-z0-9*_-]{8,}"  # well-known vendor prefixes
    r"|\b(?:AKIA|ASIA|AIza)[A-Za-z0-9_-]{8,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]+"  # JSON web tokens
    r"|(?i:bearer)\s+(?=\S*\d)[A-Za-z0-9._~+/=-]{8,}"
    r"|\b(?:org|proj|acct|user)-(?=[A-Za-z]*\d)[A-Za-z0-9]{6,}"  # account and project ids
    r"|arn:aws[^\s\"']+"
    r"|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,})"
)


def redact(text: str) -> str:
    """Replace whatever looks like a key, an e-mail address, an account number or an ARN by `[redacted]`."""
    return _LOOKS_SECRET.sub("[redacted]", text)


class Secret:
    """A secret that shows itself only through `reveal()`; printing, formatting and pickling never do."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the plain text, for the request to the provider and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret is not pickled.")

    def __getstate__(self) -> Any:
        raise TypeError("A secret is not pickled.")
