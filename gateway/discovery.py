"""What each provider says it offers: one model list per credential, read in the background and kept a while.

A list is good for ten minutes; an older one is still used while a new one is read. A list that cannot be
read leaves the old one in place and is asked for again after a minute. Nothing here reads the database.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from time import monotonic

from gateway.attempts import Dispatcher
from gateway.errors import Failure, FailureClass, ProviderFailure
from gateway.providers.base import Adapter
from gateway.providers.model_lists import SPEECH
from gateway.types import Connection, ListedModel, Reply, Target, WireRequest
from gateway.upstream import UpstreamError

logger = logging.getLogger(__name__)

FRESH_SECONDS = 600.0
RETRY_SECONDS = 60.0
FETCH_SECONDS = 15.0  # for the whole of one list
FIRST_LIST_SECONDS = 2.0  # how long a caller may be kept waiting for lists that were never read
MAX_LISTS = 500  # credentials; the list that was asked for longest ago is forgotten first
MAX_MODELS = 2000  # of one list
MAX_LIST_BYTES = 4 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
AT_ONCE = 8


@dataclass(slots=True)
class _Entry:
    """What is known of one credential's list."""

    question: int  # tells a changed address or key without keeping it
    due: float  # by the clock of ModelLists
    fetch: "asyncio.Task[None] | None" = None
    read: bool = False
    failing: bool = False


class ModelLists:
    """The lists of this process, by credential id. Belongs to the event loop that it is used in."""

    def __init__(self, dispatcher: Dispatcher, clock: Callable[[], float] = monotonic) -> None:
        self._dispatcher = dispatcher
        self._clock = clock
        self._entries: dict[int, _Entry] = {}
        self._models: dict[int, tuple[ListedModel, ...]] = {}
        self._names: dict[int, frozenset[str]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    @property
    def models(self) -> Mapping[int, tuple[ListedModel, ...]]:
        """The lists as they are known now."""
        return self._models

    @property
    def names(self) -> Mapping[int, frozenset[str]]:
        """The ids of `models`."""
        return self._names

    async def learn(self, targets: Iterable[Target], seconds: float = FIRST_LIST_SECONDS) -> bool:
        """Have every list that is due read; wait, no longer than `seconds`, for those that never were.

        Returns whether any of those has come. Never fails.
        """
        entries = [entry for target in targets if (entry := self._refresh(target)) is not None]
        waiting = {entry.fetch: entry for entry in entries if entry.fetch is not None and not entry.read}
        if not waiting:
            return False
        await asyncio.wait(waiting, timeout=seconds)
        return any(entry.read for entry in waiting.values())

    def _refresh(self, target: Target) -> _Entry | None:
        """Start reading the target's list if it is due, and return what is known of it."""
        if target.adapter.build_models is None:
            return None
        wire = target.adapter.build_models(target.connection)
        entry = self._entry(target.credential_id, hash((wire.url, wire.headers)))
        if entry.fetch is None and self._clock() >= entry.due:
            entry.due = self._clock() + RETRY_SECONDS  # unless it succeeds
            entry.fetch = asyncio.create_task(self._read(target, entry))
        return entry

    def _entry(self, credential_id: int, question: int) -> _Entry:
        """Return the credential's entry, a new one if its address or key has changed, and put it last."""
        entry = self._entries.pop(credential_id, None)
        if entry is None or entry.question != question:
            self._forget(credential_id)
            entry = _Entry(question, due=self._clock())
        if len(self._entries) >= MAX_LISTS:
            self._forget(next(iter(self._entries)))
        self._entries[credential_id] = entry
        return entry

    async def _read(self, target: Target, entry: _Entry) -> None:
        try:
            async with self._slots:
                models = await fetch_models(self._dispatcher, target.adapter, target.connection)
        except ProviderFailure as problem:
            if not entry.failing:  # said once, not every minute
                entry.failing = True
                kind = problem.failure.kind
                logger.warning(
                    "The model list of credential %s can't be read: %s.", target.credential_id, kind
                )
            return
        finally:
            entry.fetch = None
        if self._entries.get(target.credential_id) is entry:  # else it was replaced meanwhile
            self._models[target.credential_id] = models[:MAX_MODELS]
            self._names[target.credential_id] = frozenset(model.id for model in models[:MAX_MODELS])
            entry.due = self._clock() + FRESH_SECONDS
            entry.read, entry.failing = True, False

    def _forget(self, credential_id: int) -> None:
        self._entries.pop(credential_id, None)
        self._models.pop(credential_id, None)
        self._names.pop(credential_id, None)


async def fetch_models(
    dispatcher: Dispatcher, adapter: Adapter, connection: Connection
) -> tuple[ListedModel, ...]:
    """Ask a provider for its model list. Raises ProviderFailure, also after FETCH_SECONDS."""
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            return await _ask(dispatcher, adapter, connection)
    except UpstreamError as problem:
        raise ProviderFailure(problem.as_failure()) from problem
    except TimeoutError:
        raise ProviderFailure(
            Failure(FailureClass.TIMEOUT, "The provider did not give its model list in time.")
        ) from None


async def _ask(dispatcher: Dispatcher, adapter: Adapter, connection: Connection) -> tuple[ListedModel, ...]:
    assert adapter.build_models is not None
    assert adapter.parse_models is not None
    models = adapter.parse_models(await _get(dispatcher, adapter, connection, adapter.build_models))
    if adapter.build_voices is None or adapter.parse_voices is None:
        return models
    try:
        voices = adapter.parse_voices(await _get(dispatcher, adapter, connection, adapter.build_voices))
    except ProviderFailure:  # a restricted key may list models and no voices
        return models
    return tuple(replace(model, voices=voices) if SPEECH in model.surfaces else model for model in models)


async def _get(
    dispatcher: Dispatcher,
    adapter: Adapter,
    connection: Connection,
    build: Callable[[Connection], WireRequest],
) -> Reply:
    """Raises ProviderFailure, UpstreamError."""
    response = await dispatcher.send(build(connection), connection)
    try:
        if not 200 <= response.status < 300:
            body = await response.read(MAX_ERROR_BYTES)
            raise ProviderFailure(adapter.parse_error(response.status, response.headers, body))
        return Reply(await response.read(MAX_LIST_BYTES), response.headers)
    finally:
        response.close()
