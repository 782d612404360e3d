"""No request leaves for an address that the operator's policy forbids, whatever spells it."""

import asyncio
import socket
from collections.abc import Callable, Sequence

import pytest

from axiom.lib.egress import EgressPolicy
from gateway.upstream import dial as dialling
from gateway.upstream.dial import Address, EgressDenied, Resolver, dial
from gateway.upstream.port import Upstream, UpstreamError, UpstreamProblem
from tests.fakes.upstream import JSON_ANSWER, FakeProvider, answers, full_backlog, response
from tests.gateway.upstream.conftest import TIMEOUTS, wire

NOTHING = EgressPolicy([])
LOOPBACK = EgressPolicy(["127.0.0.0/8"])
PUBLIC = "93.184.215.14"


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What this process tried to connect to; it gets nowhere."""
    tried: list[object] = []

    def connect(_: socket.socket, address: object) -> None:
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    return tried


def finds(*addresses: str) -> Callable[[str, int], object]:
    """A resolver that gives every name these addresses."""

    async def lookup(host: str, port: int) -> Sequence[Address]:
        return [
            Address(socket.AF_INET6, (address, port, 0, 0))
            if ":" in address
            else Address(socket.AF_INET, (address, port))
            for address in addresses
        ]

    return lookup


async def problem_of(client: Upstream, url: str) -> tuple[UpstreamProblem, bool]:
    with pytest.raises(UpstreamError) as caught:
        await client.open(wire(url), TIMEOUTS)
    await client.close()
    return caught.value.problem, caught.value.sent


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[2002:7f00:1::]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "[fe80::1]",
        "[fc00::1]",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_refuses_forbidden_hosts(
    make: Callable[..., Upstream], dialled: list[object], scheme: str, host: str
) -> None:
    found = await problem_of(make(NOTHING), f"{scheme}://{host}:9/")
    assert found == (UpstreamProblem.EGRESS_DENIED, False)
    assert dialled == []


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("10.0.0.1",),
        ("169.254.169.254",),
        ("::ffff:10.0.0.1",),
        ("fe80::1%lo",),
        (PUBLIC, "10.0.0.1"),
        ("10.0.0.1", PUBLIC),
        (PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::1"),
    ],
    ids=",".join,
)
async def test_refuses_names_with_any_forbidden_address(
    make: Callable[..., Upstream], dialled: list[object], addresses: tuple[str, ...]
) -> None:
    found = await problem_of(make(NOTHING, lookup=finds(*addresses)), "https://rebound.example/")
    assert found == (UpstreamProblem.EGRESS_DENIED, False)
    assert dialled == []


async def test_dials_the_addresses_that_were_checked(
    make: Callable[..., Upstream], dialled: list[object]
) -> None:
    answers_given = iter([PUBLIC, "127.0.0.1"])
    asked: list[str] = []

    async def lookup(host: str, port: int) -> Sequence[Address]:
        asked.append(host)
        return [Address(socket.AF_INET, (next(answers_given), port))]

    found = await problem_of(make(NOTHING, lookup=lookup), "https://rebinding.example/")
    assert found == (UpstreamProblem.CONNECT, False)
    assert (asked, dialled) == (["rebinding.example"], [(PUBLIC, 443)])


async def test_dials_what_the_operator_allows(make: Callable[..., Upstream]) -> None:
    async with FakeProvider(answers(response())) as provider:
        client = make(LOOPBACK)
        for host in ("127.0.0.1", "ollama.example"):
            client = make(LOOPBACK, lookup=finds("127.0.0.1"))
            opened = await client.open(wire(f"http://{host}:{provider.port}/"), TIMEOUTS)
            assert await opened.read(1000) == JSON_ANSWER
            opened.close()
            await client.close()


async def test_an_allowed_address_does_not_allow_its_neighbours(
    make: Callable[..., Upstream], dialled: list[object]
) -> None:
    found = await problem_of(make(LOOPBACK, lookup=finds("127.0.0.1", "10.0.0.1")), "http://mixed.example/")
    assert found == (UpstreamProblem.EGRESS_DENIED, False)
    assert dialled == []


async def test_goes_on_to_the_next_address(make: Callable[..., Upstream]) -> None:
    async with FakeProvider(answers(response())) as provider:
        client = make(LOOPBACK, lookup=finds("127.0.0.2", "127.0.0.1"))
        opened = await client.open(wire(f"http://two.example:{provider.port}/"), TIMEOUTS)
        assert await opened.read(1000) == JSON_ANSWER
        opened.close()
        await client.close()


async def test_an_address_that_swallows_packets_leaves_time_for_the_next() -> None:
    loop = asyncio.get_running_loop()
    async with FakeProvider(answers(response())) as provider:
        with full_backlog("127.0.0.2", provider.port):
            hosts = ("127.0.0.2", "127.0.0.1")
            addresses = [Address(socket.AF_INET, (host, provider.port)) for host in hosts]
            started = loop.time()
            made = await dial(addresses, started + 0.4)
            assert 0.15 < loop.time() - started < 0.35
            assert made.getpeername() == ("127.0.0.1", provider.port)
            made.close()


async def test_sockets_notice_a_dead_peer_and_send_at_once() -> None:
    async with FakeProvider(answers(response())) as provider:
        address = Address(socket.AF_INET, ("127.0.0.1", provider.port))
        with await dial([address], asyncio.get_running_loop().time() + 1) as made:
            assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
            assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


async def test_closes_a_socket_that_cannot_be_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[socket.socket] = []

    def make(*arguments: int) -> socket.socket:
        made.append(create(*arguments))
        return made[-1]

    create = socket.socket
    monkeypatch.setattr(socket, "socket", make)
    monkeypatch.setattr(dialling, "SOCKET_OPTIONS", ((socket.SOL_SOCKET, -1, 1),))
    with pytest.raises(OSError, match="Protocol not available"):
        dialling.make_socket(socket.AF_INET)
    assert [each.fileno() for each in made] == [-1]


class Names:
    """A resolver that counts and may fail."""

    def __init__(self, *failures: Exception) -> None:
        self.asked = 0
        self._failures = list(failures)

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self._failures:
            raise self._failures.pop()
        return [Address(socket.AF_INET, ("127.0.0.1", port))]


async def test_asks_once_for_a_name_that_many_want() -> None:
    names = Names()
    resolver = Resolver(LOOPBACK, names)
    await asyncio.gather(*(resolver.addresses("a.example", 443) for _ in range(50)))
    await resolver.addresses("a.example", 443)
    assert names.asked == 1
    await resolver.addresses("b.example", 443)
    assert names.asked == 2


async def test_asks_again_when_an_answer_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialling, "CACHE_SECONDS", 0.02)
    names = Names()
    resolver = Resolver(LOOPBACK, names)
    await resolver.addresses("a.example", 443)
    await asyncio.sleep(0.03)
    await resolver.addresses("a.example", 443)
    assert names.asked == 2


async def test_does_not_remember_a_failure() -> None:
    names = Names(socket.gaierror(socket.EAI_AGAIN, "try again"))
    resolver = Resolver(LOOPBACK, names)
    with pytest.raises(socket.gaierror):
        await resolver.addresses("a.example", 443)
    assert [address.sockaddr for address in await resolver.addresses("a.example", 443)] == [
        ("127.0.0.1", 443)
    ]


async def test_a_failure_that_nobody_waits_for_is_silent() -> None:
    resolver = Resolver(LOOPBACK, Names(socket.gaierror(socket.EAI_AGAIN, "try again")))
    waiting = asyncio.create_task(resolver.addresses("a.example", 443))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0.03)
    assert waiting.cancelled()


async def test_checks_a_remembered_answer_too() -> None:
    class Changing:
        allowed = True

        def permits(self, address: str) -> bool:
            return self.allowed

    policy = Changing()
    resolver = Resolver(policy, Names())
    await resolver.addresses("a.example", 443)
    policy.allowed = False
    with pytest.raises(EgressDenied):
        await resolver.addresses("a.example", 443)


async def test_a_name_without_addresses_is_a_name_that_does_not_exist(make: Callable[..., Upstream]) -> None:
    found = await problem_of(make(NOTHING, lookup=finds()), "https://empty.example/")
    assert found == (UpstreamProblem.DNS, False)
