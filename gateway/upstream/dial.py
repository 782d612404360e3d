"""From a host name to a connected socket, with a veto on every address: what egress control rests on.

Resolve, check every address, dial a checked address: a name is never resolved a second time between check
and dial, so a name server cannot answer differently to the two.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from axiom.lib.egress import METADATA_SERVER

CACHE_SECONDS = 30.0

# A provider that vanished without a word is noticed after about a minute, also in the middle of a stream.
SOCKET_OPTIONS: tuple[tuple[int, int, int], ...] = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)  # macOS has no TCP_KEEPIDLE
    ),
)


class AddressPolicy(Protocol):
    """Which addresses may be dialled. `address` is an IP address as text."""

    def permits(self, address: str) -> bool:
        """Tell whether a connection to this address may be made."""


class EgressDenied(PermissionError):
    """The policy forbids an address of this host."""


@dataclass(frozen=True, slots=True)
class Address:
    """One dialable address; `sockaddr` as the socket module takes it."""

    family: int
    sockaddr: tuple[Any, ...]


Lookup = Callable[[str, int], Awaitable[Sequence[Address]]]


async def system_lookup(host: str, port: int) -> Sequence[Address]:
    """Ask the operating system's resolver. Raises OSError, UnicodeError (not a host name)."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(Address(family, sockaddr) for family, _, _, _, sockaddr in found)


class Resolver:
    """Checked addresses of names: kept for 30 s, one lookup at a time for each name."""

    def __init__(self, policy: AddressPolicy, lookup: Lookup = system_lookup) -> None:
        self._policy = policy
        self._lookup = lookup
        self._lookups: dict[tuple[str, int], tuple[float, asyncio.Task[Sequence[Address]]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[Address]:
        """Return where the host can be dialled. Raises EgressDenied if any address is forbidden, OSError."""
        found = await asyncio.shield(self._shared_lookup(host, port))
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        for address in found:
            check_address(self._policy, address)
            # Permitted or not, it is there for token requests only: no name of a provider may lead to it.
            if address.sockaddr[0] == METADATA_SERVER != host:
                raise EgressDenied("egress denied")
        return found

    def _shared_lookup(self, host: str, port: int) -> asyncio.Task[Sequence[Address]]:
        now = asyncio.get_running_loop().time()
        expires, lookup = self._lookups.get((host, port), (0.0, None))
        if lookup is not None and (not lookup.done() or (now < expires and _succeeded(lookup))):
            return lookup
        self._lookups = {key: kept for key, kept in self._lookups.items() if kept[0] > now}
        lookup = asyncio.ensure_future(self._look_up(host, port))
        lookup.add_done_callback(_succeeded)
        self._lookups[host, port] = (now + CACHE_SECONDS, lookup)
        return lookup

    async def _look_up(self, host: str, port: int) -> Sequence[Address]:
        return await self._lookup(host, port)


def _succeeded(lookup: asyncio.Task[Sequence[Address]]) -> bool:
    """Tell whether an ended lookup has an answer. Asking also marks its exception as seen."""
    return not lookup.cancelled() and lookup.exception() is None


def check_address(policy: AddressPolicy, address: Address) -> None:
    """Raise EgressDenied unless the policy permits the address."""
    if not policy.permits(str(address.sockaddr[0])):
        raise EgressDenied("egress denied")


def make_socket(family: int) -> socket.socket:
    """Return a non-blocking TCP socket with keep-alive on and Nagle's delay off."""
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.settimeout(0)
        for option in SOCKET_OPTIONS:
            made.setsockopt(*option)
    except BaseException:
        made.close()
        raise
    return made


async def dial(addresses: Sequence[Address], deadline: float) -> socket.socket:
    """Connect to the first address that answers, in order. Raises OSError of the last one.

    Each address gets an equal share of the time that is left before `deadline`, in the loop's time: one that
    swallows packets must not use up all of it.
    """
    loop = asyncio.get_running_loop()
    failure: OSError = socket.gaierror(socket.EAI_NONAME, "no address")
    for position, address in enumerate(addresses):
        share = (deadline - loop.time()) / (len(addresses) - position)
        try:
            return await _dial_one(address, share)
        except OSError as problem:
            failure = problem
    raise failure


async def _dial_one(address: Address, seconds: float) -> socket.socket:
    made = make_socket(address.family)
    try:
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(made, address.sockaddr)
    except BaseException:
        made.close()
        raise
    return made
