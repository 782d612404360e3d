"""Every test here runs for each client behind the port, on both event loops."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pytest
import uvloop

from gateway.types import Timeouts, WireRequest
from gateway.upstream.dial import Address
from gateway.upstream.httptools_client import HttpToolsUpstream
from gateway.upstream.port import Upstream
from tests.fakes.certificates import Authority

IMPLEMENTATIONS: list[Callable[..., Upstream]] = [HttpToolsUpstream]
TIMEOUTS = Timeouts(connect=2.0, first_byte=2.0, idle=2.0)
HEADERS = (("Content-Type", "application/json"), ("Authorization", "Bearer sk-test"))


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Development servers run on asyncio's own loop, production on uvloop."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class LoopbackPolicy:
    """Permits loopback, nothing else."""

    def permits(self, address: str) -> bool:
        """Tell whether the address is a loopback one."""
        return ipaddress.ip_address(address).is_loopback


async def loopback_lookup(host: str, port: int) -> Sequence[Address]:
    """Find every name on loopback."""
    return (Address(socket.AF_INET, ("127.0.0.1", port)),)


def wire(url: str, body: bytes = b'{"model":"m"}') -> WireRequest:
    """A request as an adapter builds it."""
    return WireRequest(url=url, headers=HEADERS, body=body)


@pytest.fixture(scope="session")
def authority() -> Authority:
    """The authority of all loopback providers with TLS."""
    return Authority()


@pytest.fixture(scope="session")
def system_tls() -> ssl.SSLContext:
    """What a client makes by default; loading the system's authorities takes 20 ms."""
    return ssl.create_default_context()


@pytest.fixture(params=IMPLEMENTATIONS, ids=lambda made: made.__name__)
def make(request: pytest.FixtureRequest, system_tls: ssl.SSLContext) -> Callable[..., Upstream]:
    """The class of a client."""
    return partial(request.param, tls=system_tls)


@pytest.fixture
async def upstream(make: Callable[..., Upstream]) -> AsyncIterator[Upstream]:
    """A client that may call loopback."""
    client = make(LoopbackPolicy())
    yield client
    await client.close()


@pytest.fixture(autouse=True)
async def _no_stray_exception() -> AsyncIterator[None]:
    """Nothing may end up in the loop's exception handler: no one would act on it."""
    strays: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: strays.append(context))
    yield
    assert strays == []
