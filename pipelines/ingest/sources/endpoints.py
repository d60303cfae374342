"""Which addresses may be asked for objects: those of storage, and none by which a machine answers about itself.

Nothing here opens a connection; a name is looked up, as a name may lead anywhere.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from models.errors import ConfigurationError


def check_endpoint(source: str, url: str) -> None:
    """Does nothing where an endpoint may be that of storage.

    Raises:
        ConfigurationError: no http or https, a credential in it, or an address that is link-local (where a cloud machine is
            told its own credentials), unspecified or multicast, written in any way or behind a name.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https"):
        raise ConfigurationError(f"source {source}: endpoint_url must be an http or https address")
    if parts.username or parts.password:
        raise ConfigurationError(f"source {source}: endpoint_url holds a credential; use the environment")
    if any(_is_no_storage(address) for address in _addresses(host)):
        raise ConfigurationError(f"source {source}: endpoint_url {host} is not a storage address")


def _is_no_storage(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    plain = mapped or address
    return plain.is_link_local or plain.is_unspecified or plain.is_multicast


def _addresses(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """What a host is or leads to now; a name that nobody knows leads nowhere, and its store says so when it is read."""
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found]
