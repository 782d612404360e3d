"""What refusals have taught about a credential's models: kept in this process only, and not for ever."""

from typing import NamedTuple

from gateway.types import Connection, Target

MOST_ENTRIES = 1000  # credentials times models; past it all is learned anew
_Key = tuple[int, str]


class _Learned(NamedTuple):
    """Lessons, in the order in which they were learned. They end with the connection: it was another host."""

    connection: Connection
    lessons: tuple[str, ...]


class Lessons:
    """The names of what the adapter has to do to requests for a target and a model."""

    __slots__ = ("_learned",)

    def __init__(self) -> None:
        self._learned: dict[_Key, _Learned] = {}

    def of(self, target: Target, model: str) -> tuple[str, ...]:
        """Return the lessons, oldest first."""
        if not self._learned:
            return ()
        held = self._learned.get((target.credential_id, model))
        return held.lessons if held is not None and held.connection is target.connection else ()

    def learn(self, target: Target, model: str, lesson: str) -> None:
        """Keep a lesson."""
        known = self.of(target, model)
        if lesson in known:
            return
        key = (target.credential_id, model)
        if len(self._learned) >= MOST_ENTRIES and key not in self._learned:
            self._learned.clear()
        self._learned[key] = _Learned(target.connection, (*known, lesson))
