"""The ranges are those of IANA's registries of special-purpose addresses; the edges on both sides are tried."""

from __future__ import annotations

import pytest

from deluge_sync._http.address import is_public

PRIVATE = {
    "this host": ("0.0.0.0", "0.255.255.255"),
    "private": ("10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255"),
    "carrier-grade NAT": ("100.64.0.0", "100.127.255.255", "100.100.100.200"),
    "loopback": ("127.0.0.1", "127.255.255.255"),
    "link-local": ("169.254.0.0", "169.254.169.254", "169.254.170.2", "169.254.255.255"),
    "protocol assignments": ("192.0.0.0", "192.0.0.192", "192.0.0.255"),
    "documentation": ("192.0.2.1", "198.51.100.1", "203.0.113.1"),
    "6to4 relays": ("192.88.99.1",),
    "benchmarks": ("198.18.0.0", "198.19.255.255"),
    "multicast": ("224.0.0.1", "239.255.255.255"),
    "reserved": ("240.0.0.0", "255.255.255.254"),
    "broadcast": ("255.255.255.255",),
    "Azure's own": ("168.63.129.16",),
    "IPv6 unspecified and loopback": ("::", "::1"),
    "IPv6 unique local": ("fc00::1", "fdff:ffff::1", "fd00:ec2::254"),
    "IPv6 link-local": ("fe80::1", "fe80::1%eth0", "febf::1", "fec0::1"),
    "IPv6 multicast": ("ff02::1", "ff0e::1"),
    "IPv4-mapped": ("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1"),
    "IPv4-compatible": ("::127.0.0.1", "::8.8.8.8"),
    "NAT64 of a private address": ("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.1"),
    "NAT64 of a network's own": ("64:ff9b:1::1", "64:ff9b:1::8.8.8.8"),
    "6to4": ("2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:808:808::1"),
    "Teredo": ("2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    "IPv6 benchmarks and ORCHID": ("2001:2::1", "2001:10::1", "2001:20::1"),
    "IPv6 documentation": ("2001:db8::1", "3fff::1"),
    "discard-only and segment routing": ("100::1", "5f00::1"),
    "no address at all": ("", "localhost", "127.1", "0x7f000001", "8.8.8.8.8"),
}
PUBLIC = (
    *("1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"),
    *(
        "168.63.129.15",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
    ),
    *("192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
    *("2001:200::1", "2003::1", "2606:4700::1111", "2a00:1450:4001::1", "3ffe::1", "64:ff9b::8.8.8.8"),
)


@pytest.mark.parametrize("kind", PRIVATE)
def test_an_address_that_is_not_public_is_known(kind: str) -> None:
    assert [address for address in PRIVATE[kind] if is_public(address)] == []


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_that_is_public_is_known(address: str) -> None:
    assert is_public(address)
