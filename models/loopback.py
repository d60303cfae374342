"""The names under which a service that listens on loopback is called; nothing else is answered.

A page of another site can make a browser send requests here under its own name (DNS rebinding): the Host header tells.
"""

from __future__ import annotations

import ipaddress

NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


def names_this_machine(host: str) -> bool:
    """Whether a Host header, with its port or without, names this machine."""
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return name.lower() in NAMES


def is_loopback(address: str | None) -> bool:
    """Whether a server bound to ``address`` is reached from this machine only; unset binds every interface."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False
