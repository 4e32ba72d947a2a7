"""Which IP addresses are public: those that anyone on the internet may be sent to, and nothing of ours is behind.

Pure. It judges the address that is about to be connected to, not what a URL says: a host name, and the many ways to
write a number (`127.1`, `0x7f.1`, `2130706433`), are addresses by then. `fetch` has it asked.

Source: https://www.iana.org/assignments/iana-ipv4-special-registry and .../iana-ipv6-special-registry (read 2026-11).
The ranges stand here because those that Python's `ipaddress` knows differ from one version to the next.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

__all__ = ["is_public"]

_NOT_PUBLIC_4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this host
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carrier-grade NAT, and the metadata of Alibaba's machines
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # Azure's own services for its machines
            "169.254.0.0/16",  # link-local, and the metadata of most clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments, and the metadata of Oracle's machines
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
# All that is public lies in here; mapped, link-local, unique local and multicast addresses do not.
_GLOBAL_6: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, which wraps an IPv4 address, benchmarks, ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which wraps an IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)
# How networks without IPv4 reach it: the last four bytes are the address that is meant.
_NAT64: Final = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an address, as a socket takes it, is public. What is no address is not."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return _is_public_4(found) if isinstance(found, IPv4Address) else _is_public_6(found)


def _is_public_4(address: IPv4Address) -> bool:
    return not any(address in network for network in _NOT_PUBLIC_4)


def _is_public_6(address: IPv6Address) -> bool:
    if address in _NAT64:
        return _is_public_4(IPv4Address(address.packed[-4:]))
    return address in _GLOBAL_6 and not any(address in network for network in _NOT_PUBLIC_6)
