"""What a service of Dagster's needs and may not find, in a word each, for ``/readyz``."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import dagster as dg

OLDEST_HEARTBEAT_SECONDS = 120.0
CONNECT_SECONDS = 2.0


def history_missing(instance: dg.DagsterInstance) -> list[str]:
    """``history`` where Dagster's own storage does not answer."""
    try:
        instance.get_run_records(limit=1)
    except Exception:  # of whichever driver; its message may name what it is connected to
        return ["history"]
    return []


def code_missing(place: str) -> list[str]:
    """``code`` where nobody listens at the code server's place: the path of a socket, or ``host:port``."""
    host, _, port = place.rpartition(":")
    is_socket = "/" in place
    with socket.socket(socket.AF_UNIX if is_socket else socket.AF_INET) as probe:
        probe.settimeout(CONNECT_SECONDS)
        try:
            probe.connect(place if is_socket else (host, int(port)))
        except OSError:
            return ["code"]
    return []


def heartbeat_missing(instance: dg.DagsterInstance, clock: Callable[[], float] = time.time) -> list[str]:
    """``heartbeat`` where a daemon that is needed has not said for two minutes that it works."""
    beats = instance.get_daemon_heartbeats()
    oldest = clock() - OLDEST_HEARTBEAT_SECONDS
    needed = instance.get_required_daemon_types()
    late = [kind for kind in needed if kind not in beats or beats[kind].timestamp < oldest]
    return ["heartbeat"] if late else []
