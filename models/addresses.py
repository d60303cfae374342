"""What an address of the network is: whether a machine answers there about itself.

Decides over addresses alone; looking up a name, or asking one, belongs to the callers.
"""

from __future__ import annotations

import ipaddress
from functools import cache

from models.focus import policy_rows

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def answers_about_itself(address: Address) -> bool:
    """Whether a machine or its network answers there about itself, so that nothing of ours is to be asked or sent there."""
    plain = plain_address(address)
    return plain.is_link_local or plain.is_unspecified or plain.is_multicast or plain in _metadata_addresses()


def plain_address(address: Address) -> Address:
    """An address of IPv4 that is written as one of IPv6, as it is; every other one unchanged."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


@cache
def _metadata_addresses() -> frozenset[Address]:
    return frozenset(ipaddress.ip_address(row["address"]) for row in policy_rows("metadata_addresses.csv"))
