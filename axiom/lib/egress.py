"""Which addresses the gateway may connect to: public ones, and the private ones that the operator lists.

Judged is what an address stands for: an IPv4 address inside IPv6 (mapped, 6to4, NAT64) is judged as that IPv4
address. The tables are ours in place of `ipaddress.is_global`, which differs between releases of Python and
calls NAT64 and shared address space global in some of them. Names are resolved before they come here.
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Self

from django.conf import settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Never, listed or not: no provider lives there, and metadata services hand out the machine's own credentials.
FORBIDDEN: tuple[Network, ...] = (
    IPv4Network("0.0.0.0/8"),  # "this network": Linux connects 0.0.0.0 to loopback
    IPv4Network("169.254.0.0/16"),  # link-local: metadata of AWS, Azure, GCP and most others
    IPv4Network("224.0.0.0/4"),  # multicast
    IPv4Network("255.255.255.255/32"),
    IPv4Network("100.100.100.200/32"),  # metadata, Alibaba Cloud
    IPv4Network("168.63.129.16/32"),  # platform channel, Azure
    IPv4Network("192.0.0.192/32"),  # metadata, Oracle Cloud
    IPv6Network("::/128"),
    IPv6Network("fe80::/10"),  # link-local
    IPv6Network("ff00::/8"),  # multicast
    IPv6Network("fd00:ec2::/32"),  # metadata and credentials, AWS
    IPv6Network("fd20:ce::254/128"),  # metadata, GCP
    IPv6Network("fd00:42::42/128"),  # metadata, Scaleway
)
# Only when listed: IANA's special-purpose registries, without what FORBIDDEN has already.
PRIVATE: tuple[Network, ...] = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),  # shared address space (carrier-grade NAT)
    IPv4Network("127.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.0.0.0/24"),  # protocol assignments
    IPv4Network("192.0.2.0/24"),  # documentation
    IPv4Network("192.88.99.0/24"),  # 6to4 relays, deprecated
    IPv4Network("192.168.0.0/16"),
    IPv4Network("198.18.0.0/15"),  # benchmarking
    IPv4Network("198.51.100.0/24"),  # documentation
    IPv4Network("203.0.113.0/24"),  # documentation
    IPv4Network("240.0.0.0/4"),  # reserved
    IPv6Network("2001::/23"),  # protocol assignments, Teredo among them
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("3fff::/20"),  # documentation
)
METADATA_SERVER = (
    "169.254.169.254"  # forbidden, unless the operator lets the gateway use the machine's account
)
GLOBAL_UNICAST = IPv6Network("2000::/3")  # all other IPv6 is private, reserved or local
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
IPV4_COMPATIBLE = IPv6Network("::/96")  # RFC 4291, deprecated; ::1 and :: are none of them


class EgressPolicy:
    """The operator's policy. `allow` lists networks (CIDR) and single addresses.

    `metadata_server`: METADATA_SERVER is permitted, which no entry of `allow` can do.
    Raises ValueError naming the setting and the entry that is neither.
    """

    def __init__(self, allow: Iterable[str], *, metadata_server: bool = False) -> None:
        self._allow = tuple(_network(entry) for entry in allow)
        self._metadata_server = metadata_server

    @classmethod
    def from_settings(cls) -> Self:
        """Return the policy for what the gateway dials: AXIOM_EGRESS_ALLOW and AXIOM_METADATA_SERVER.

        Raises ValueError.
        """
        return cls(settings.AXIOM_EGRESS_ALLOW, metadata_server=settings.AXIOM_METADATA_SERVER)

    @classmethod
    def for_base_urls(cls) -> Self:
        """Return the policy for what people enter: as from_settings, never the metadata server.

        Raises ValueError.
        """
        return cls(settings.AXIOM_EGRESS_ALLOW)

    @property
    def allows_private(self) -> bool:
        """True when the operator lists anything at all."""
        return bool(self._allow)

    def permits(self, address: str) -> bool:
        """Tell whether a connection to this address may be made; text that isn't an IP address never may."""
        if address == METADATA_SERVER:
            return self._metadata_server
        found = _judged(address)
        if found is None or _within(found, FORBIDDEN):
            return False
        return _within(found, self._allow) or _is_public(found)

    def lists(self, address: str) -> bool:
        """Tell whether the operator lists this address: plain http to it is then fine, too."""
        found = _judged(address)
        return found is not None and not _within(found, FORBIDDEN) and _within(found, self._allow)


def _network(entry: str) -> Network:
    try:
        return ip_network(entry)
    except ValueError as problem:
        raise ValueError(
            f"AXIOM_EGRESS_ALLOW: {entry!r} is not an address or a network such as 10.1.0.0/16 ({problem})."
        ) from problem


def _judged(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id is not None:  # an interface of this machine: link-local whatever it looks like
        return None
    return _embedded(address) or address


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for."""
    if address in NAT64 or (address in IPV4_COMPATIBLE and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _is_public(address: Address) -> bool:
    if _within(address, PRIVATE):
        return False
    return address.version == 4 or address in GLOBAL_UNICAST


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)
