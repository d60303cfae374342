"""Which addresses may be asked for objects: those of storage, and none by which a machine answers about itself.

Nothing here opens a connection; a name is looked up, as a name may lead anywhere.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from models.addresses import Address, answers_about_itself
from models.errors import ConfigurationError


def check_endpoint(source: str, url: str, key: str = "endpoint_url") -> list[Address]:
    """The addresses an endpoint leads to now, of which none may be asked for what a machine is told about itself.

    Raises:
        ConfigurationError: no http or https, a credential in it, or an address that is link-local or one of
            ``metadata_addresses.csv`` (where a cloud machine is told its own credentials), unspecified or multicast, written
            in any way or behind a name; it names the setting ``key``.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https"):
        raise ConfigurationError(f"source {source}: {key} must be an http or https address")
    if parts.username or parts.password:
        raise ConfigurationError(f"source {source}: {key} holds a credential; use the environment")
    found = _addresses(host)
    if any(answers_about_itself(address) for address in found):
        raise ConfigurationError(f"source {source}: {key} {host} is not a storage address")
    return found


def _addresses(host: str) -> list[Address]:
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
