"""Tells the data plane that an organization has changed: this process at once, the others through Redis.

It's only a hint to look now. The versions in the database are the truth and are polled, so a lost message
costs half a second and never fails the request that made the change.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.retry import Retry

logger = logging.getLogger(__name__)

CHANNEL = "axiom:snapshot"
REDIS_TIMEOUT = 0.2  # seconds, to connect and to answer
REDIS_PAUSE = (
    5.0  # seconds without Redis after a failure, so that a bulk change doesn't wait for each message
)
LISTEN_TICK = 0.5  # seconds between looks at whether to stop
Callback = Callable[[int], None]

_listeners: list[Callback] = []


def subscribe(callback: Callback) -> None:
    """Have `callback(organization_id)` called after each committed change of this process.

    It runs in the thread that committed and must be quick.
    """
    _listeners.append(callback)


def unsubscribe(callback: Callback) -> None:
    """Stop calling it; nothing happens if it isn't subscribed."""
    if callback in _listeners:
        _listeners.remove(callback)


def published(organization_id: int) -> None:
    """Tell everybody that the organization has changed; called on commit. Never raises."""
    for callback in tuple(_listeners):
        try:
            callback(organization_id)
        except Exception:  # one listener's bug must not keep the others, or the request, from going on
            logger.exception("A listener of snapshot changes failed.")
    if settings.AXIOM_REDIS_URL:
        _broadcast.send(settings.AXIOM_REDIS_URL, organization_id)


class Broadcast:
    """Sends to the other processes; says once when Redis goes and once when it is back."""

    def __init__(self) -> None:
        self._healthy = True
        self._retry_at = 0.0  # monotonic seconds

    def send(self, url: str, organization_id: int) -> None:
        """Publish one organization's id. Never raises."""
        if not self._healthy and time.monotonic() < self._retry_at:
            return
        try:
            _client(url).publish(CHANNEL, organization_id)
        except (redis.RedisError, OSError, ValueError) as problem:
            self._failed(problem)
            return
        if not self._healthy:
            logger.warning("Redis answers again: changes reach other processes at once.")
        self._healthy = True

    def _failed(self, problem: Exception) -> None:
        if self._healthy:
            logger.warning("Redis is not usable (%s): other processes poll.", type(problem).__name__)
        self._healthy = False
        self._retry_at = time.monotonic() + REDIS_PAUSE


_broadcast = Broadcast()


class Listener:
    """A thread that hears what other processes publish, until it is closed."""

    def __init__(self, url: str, callback: Callback) -> None:
        self._url = url
        self._callback = callback
        self._closing = threading.Event()
        self._healthy = True
        self._thread = threading.Thread(target=self._run, name="snapshot-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; returns within about a second."""
        self._closing.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._hear()
            except (redis.RedisError, OSError, ValueError) as problem:
                if self._healthy:
                    logger.warning("Redis cannot be heard (%s): this process polls.", type(problem).__name__)
                self._healthy = False
                self._closing.wait(REDIS_PAUSE)

    def _hear(self) -> None:
        pool = _client(self._url).connection_pool
        with PubSub(connection_pool=pool, ignore_subscribe_messages=True) as channel:
            channel.subscribe(CHANNEL)
            if not self._healthy:
                logger.warning("Redis is heard again.")
            self._healthy = True
            while not self._closing.is_set():
                message = channel.get_message(timeout=LISTEN_TICK)
                if message is not None:
                    self._pass_on(message)

    def _pass_on(self, message: dict[str, Any]) -> None:
        data = bytes(message["data"])
        if data.isdigit():  # anything else on the channel isn't ours
            self._callback(int(data))


def listen(callback: Callback) -> Listener:
    """Hear the changes of other processes on the Redis of AXIOM_REDIS_URL; `callback` runs in its thread."""
    return Listener(settings.AXIOM_REDIS_URL, callback)


@lru_cache(maxsize=1)
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=REDIS_TIMEOUT,
        socket_timeout=REDIS_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )
