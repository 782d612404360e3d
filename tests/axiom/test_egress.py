from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from axiom.lib.egress import EgressPolicy

EVERYTHING = ("0.0.0.0/0", "::/0")
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "104.18.7.192",
    "172.15.255.255",
    "172.32.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "192.0.1.1",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700::6812:7c0",
    "2a00:1450:4001:80b::200e",
    "2001:4860:4860::8888",
]
PRIVATE = [
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",  # shared address space: `is_private` is false for it
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.1",
    "255.255.255.254",
    "::1",
    "fc00::1",
    "fd12:3456:789a::1",
    "fec0::1",
    "100::1",
    "2001::1",  # Teredo
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "4000::1",
    "64:ff9b:1::1",  # NAT64 of a local network
]
FORBIDDEN = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "::",
    "0:0:0:0:0:0:0:0",
    "fe80::1",
    "febf::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:42::42",
]


def wrapped(address: str) -> list[str]:
    """Return the IPv6 addresses that stand for an IPv4 address."""
    number = int(IPv4Address(address))
    return [
        f"::ffff:{address}",
        str(IPv6Address(0xFFFF_0000_0000 | number)),
        str(IPv6Address((0x2002 << 112) | (number << 80))),  # 6to4
        str(IPv6Address((0x2002 << 112) | (number << 80) | 1)),
        f"64:ff9b::{address}",
        str(IPv6Address((0x64_FF9B << 96) | number)),  # NAT64
    ]


def ipv4(addresses: list[str]) -> list[str]:
    return [address for address in addresses if ":" not in address]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_permitted(address: str) -> None:
    assert EgressPolicy([]).permits(address) is True


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_permitted_only_when_listed(address: str) -> None:
    assert EgressPolicy([]).permits(address) is False
    assert EgressPolicy([address]).permits(address) is True
    assert EgressPolicy(EVERYTHING).permits(address) is True


@pytest.mark.parametrize("address", FORBIDDEN)
def test_metadata_link_local_multicast_and_unspecified_are_never_permitted(address: str) -> None:
    assert EgressPolicy([]).permits(address) is False
    assert EgressPolicy([address]).permits(address) is False
    assert EgressPolicy(EVERYTHING).permits(address) is False
    assert EgressPolicy(EVERYTHING).lists(address) is False


@pytest.mark.parametrize("address", ipv4(PUBLIC))
def test_ipv6_that_stands_for_public_ipv4_is_permitted(address: str) -> None:
    assert [EgressPolicy([]).permits(form) for form in wrapped(address)] == [True] * 6


@pytest.mark.parametrize("address", ipv4(PRIVATE))
def test_ipv6_that_stands_for_private_ipv4_is_judged_as_that(address: str) -> None:
    assert [EgressPolicy([]).permits(form) for form in wrapped(address)] == [False] * 6
    assert [EgressPolicy([address]).permits(form) for form in wrapped(address)] == [True] * 6
    assert [EgressPolicy(["::/0"]).permits(form) for form in wrapped(address)] == [False] * 6


@pytest.mark.parametrize("address", ipv4(FORBIDDEN))
def test_ipv6_does_not_hide_what_is_never_permitted(address: str) -> None:
    assert [EgressPolicy(EVERYTHING).permits(form) for form in wrapped(address)] == [False] * 6


@pytest.mark.parametrize("address", ["::127.0.0.1", "::7f00:1", "::a9fe:a9fe", "::10.0.0.1"])
def test_the_deprecated_ipv4_compatible_form_is_judged_as_ipv4(address: str) -> None:
    assert EgressPolicy([]).permits(address) is False
    assert EgressPolicy(["::/0"]).permits(address) is False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "example.com",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "127.0.0.1:80",
        "127.0.0.1/32",
        " 127.0.0.1",
        "[::1]",
        "[::]",
        "::ffff:0x7f.1",
        "1.1.1.1 ",
        "1.1.1.1\n",
        "\u0661.1.1.1",
        "http://1.1.1.1",
    ],
)
def test_what_is_no_canonical_address_is_never_permitted(text: str) -> None:
    assert EgressPolicy(EVERYTHING).permits(text) is False
    assert EgressPolicy(EVERYTHING).lists(text) is False


@pytest.mark.parametrize("address", ["fe80::1%eth0", "2606:4700::1%eth0", "::1%lo", "::ffff:1.1.1.1%1"])
def test_an_address_on_a_named_interface_is_never_permitted(address: str) -> None:
    assert EgressPolicy(EVERYTHING).permits(address) is False


def test_listing_a_network_opens_that_network_only() -> None:
    policy = EgressPolicy(["10.1.0.0/16", "fd00:1::/32", "127.0.0.1"])
    permitted = ["10.1.0.0", "10.1.255.255", "fd00:1::5", "127.0.0.1"]
    refused = ["10.0.255.255", "10.2.0.0", "fd00:2::5", "127.0.0.2", "::1", "192.168.0.1"]
    assert [policy.permits(address) for address in permitted] == [True] * 4
    assert [policy.permits(address) for address in refused] == [False] * 6


def test_public_addresses_stay_permitted_beside_a_list() -> None:
    policy = EgressPolicy(["10.0.0.0/8"])
    assert policy.permits("1.1.1.1") is True
    assert policy.lists("1.1.1.1") is False
    assert policy.lists("10.2.3.4") is True


def test_the_policy_knows_whether_anything_is_listed() -> None:
    assert EgressPolicy([]).allows_private is False
    assert EgressPolicy(["10.0.0.0/8"]).allows_private is True


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "10.0.0.0/33", "localhost", "", "10.0.0.0-10.0.0.9", "10.*"])
def test_an_entry_that_is_no_network_names_the_setting_and_itself(entry: str) -> None:
    with pytest.raises(ValueError, match="AXIOM_EGRESS_ALLOW") as caught:
        EgressPolicy(["10.0.0.0/8", entry])
    assert repr(entry) in str(caught.value)


@override_settings(AXIOM_EGRESS_ALLOW=["192.168.7.0/24"])
def test_the_setting_is_the_policy() -> None:
    policy = EgressPolicy.from_settings()
    assert policy.permits("192.168.7.9") is True
    assert policy.permits("127.0.0.1") is False


@given(st.ip_addresses())
def test_whatever_is_permitted_without_a_list_is_global_in_pythons_eyes_too(
    address: IPv4Address | IPv6Address,
) -> None:
    if not EgressPolicy([]).permits(str(address)):
        return
    if isinstance(address, IPv6Address) and (inner := address.ipv4_mapped or address.sixtofour):
        address = inner
    assert address.is_global
    assert not address.is_multicast


@given(st.ip_addresses(v=4, network="100.64.0.0/10") | st.ip_addresses(v=6, network="64:ff9b:1::/48"))
def test_ranges_that_old_pythons_call_global_are_refused(address: IPv4Address | IPv6Address) -> None:
    assert EgressPolicy([]).permits(str(address)) is False


@given(st.ip_addresses(v=4))
def test_nat64_is_judged_like_the_address_inside(inner: IPv4Address) -> None:
    policy = EgressPolicy(["10.0.0.0/8"])
    outer = IPv6Address((0x64_FF9B << 96) | int(inner))
    assert policy.permits(str(outer)) is policy.permits(str(inner))


@given(st.text(max_size=40))
def test_no_text_breaks_the_policy(text: str) -> None:
    try:
        is_address = bool(ip_address(text))
    except ValueError:
        is_address = False
    assert is_address or EgressPolicy(EVERYTHING).permits(text) is False
