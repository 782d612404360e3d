"""Short-lived tokens that credentials are exchanged for: renewed before their end, once for all waiters."""

import asyncio
from pathlib import Path
from time import time
from typing import NamedTuple

from gateway.errors import Failure, FailureClass, ProviderFailure
from gateway.types import Connection, Timeouts, Token, TokenSource
from gateway.upstream import Upstream, UpstreamError

RENEW_BEFORE_SECONDS = 300.0
LAST_SECONDS = 15.0  # a token this near to its end may be refused on arrival
PAUSE_SECONDS = 5.0  # between renewals while the held token still serves
MAX_TOKEN_BYTES = 64 * 1024
_TIMEOUTS = Timeouts(connect=5, first_byte=15, idle=15, total=30)
_Key = tuple[str, int]


class _Held(NamedTuple):
    """A token. `connection` is kept alive, since its id may be the key; `renew_after` is a time of day."""

    connection: Connection
    token: Token
    renew_after: float


class CredentialTokens:
    """The tokens of this process. Another secret has another key, and so another token."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._held: dict[_Key, _Held] = {}
        self._renewals: dict[_Key, asyncio.Task[Token]] = {}

    async def get(self, connection: Connection, source: TokenSource) -> Token:
        """Return a token that is good for some seconds at least. Raises ProviderFailure if none can be had.

        The last minutes of a token are for renewing it meanwhile: nobody waits, and nobody fails at once
        when the token endpoint is down.
        """
        key, now = _key_of(connection, source), time()
        held = self._held.get(key)
        if held is not None and now < held.token.expires_at - LAST_SECONDS:
            if now >= held.renew_after:
                self._renewal(key, connection, source)
            return held.token
        # One waiter that leaves must not take the renewal from the others.
        return await asyncio.shield(self._renewal(key, connection, source))

    def forget(self, connection: Connection, source: TokenSource, refused: Token) -> None:
        """Drop a token that the provider has refused, unless another one has taken its place already."""
        key = _key_of(connection, source)
        held = self._held.get(key)
        if held is not None and held.token is refused:
            del self._held[key]

    def _renewal(self, key: _Key, connection: Connection, source: TokenSource) -> "asyncio.Task[Token]":
        """Return the one renewal that is under way, started now if there is none."""
        renewal = self._renewals.get(key)
        if renewal is None:
            renewal = self._renewals[key] = asyncio.create_task(self._renew(key, connection, source))
            renewal.add_done_callback(lambda task: self._renewed(key, task))
        return renewal

    async def _renew(self, key: _Key, connection: Connection, source: TokenSource) -> Token:
        now = time()
        if source.path:
            token = source.parse(200, await asyncio.to_thread(_read, source.path), now)
        else:
            token = await self._exchange(source, now)
        # Those of credentials that are gone are never asked for again: they leave when they end.
        self._held = {kept: held for kept, held in self._held.items() if now < held.token.expires_at}
        renew_after = max(token.expires_at - RENEW_BEFORE_SECONDS, now + PAUSE_SECONDS)
        self._held[key] = _Held(connection, token, renew_after)
        return token

    async def _exchange(self, source: TokenSource, now: float) -> Token:
        assert source.build is not None
        try:
            async with asyncio.timeout(_TIMEOUTS.total):
                response = await self._upstream.open(source.build(now), _TIMEOUTS)
                try:
                    body = await response.read(MAX_TOKEN_BYTES)
                finally:
                    response.close()
        except UpstreamError as problem:
            raise ProviderFailure(problem.as_failure()) from problem
        except TimeoutError:
            raise ProviderFailure(
                Failure(FailureClass.TIMEOUT, "The token endpoint did not answer.")
            ) from None
        return source.parse(response.status, body, now)

    def _renewed(self, key: _Key, task: "asyncio.Task[Token]") -> None:
        self._renewals.pop(key, None)
        # The exception is read here as well: nobody may be waiting.
        if not task.cancelled() and task.exception() is not None and (held := self._held.get(key)):
            self._held[key] = held._replace(renew_after=time() + PAUSE_SECONDS)


def _key_of(connection: Connection, source: TokenSource) -> _Key:
    return (source.key, 0) if source.key else ("", id(connection))


def _read(path: str) -> bytes:
    """Read a token file. Raises ProviderFailure when it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_TOKEN_BYTES)
    except OSError:
        raise ProviderFailure(
            Failure(FailureClass.AUTH, "The credential's token file cannot be read.")
        ) from None
