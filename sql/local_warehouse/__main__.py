"""``python -m sql.local_warehouse --workspace DIR``: the process that owns a workspace's warehouse.

It says on its standard output ``ready PORT``, ``owned SENTENCE`` or ``failed SENTENCE``, and ends when its
standard input does (unless others still use it) or on SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import AppfleetError, WarehouseError
from sql.catalog import statement
from sql.local_warehouse.ownership import Place
from sql.logs import start_log
from sql.migrate import RECORDED, Recorded, is_complete

if TYPE_CHECKING:  # loaded once the time zone is set
    from sql.local_warehouse.engine import Engine

POLL_SECONDS = 0.2
FORCED_END_SECONDS = 10.0


def main() -> int:
    """Owns the warehouse until told to stop; 0 when it did, 1 when it could not."""
    options = _options()
    os.environ["TZ"] = "UTC"
    start_log("%(levelname)s %(name)s: %(message)s")
    place = Place(options.workspace.resolve())  # the working folder becomes another one
    try:
        place.prepare()
        with place.ownership() as owned:
            if not owned:
                owner = place.owner()
                _say(f"owned {owner.sentence() if owner else 'another process'}")
                return 1
            return _own(place, options)
    except AppfleetError as error:
        _say(f"failed {error}")
        return 1


def _options() -> argparse.Namespace:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    parser = argparse.ArgumentParser(prog="python -m sql.local_warehouse", description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--query-memory", type=int, default=memory // 2, help="bytes one statement may use")
    parser.add_argument("--query-seconds", type=int, default=3600, help="seconds one statement may take")
    parser.add_argument("--reader-memory", type=int, default=memory // 4, help="the same, of a reader")
    parser.add_argument("--reader-seconds", type=int, default=300, help="the same, of a reader")
    parser.add_argument("--memory-share", type=float, default=0.8, help="share of memory the engine may use")
    parser.add_argument("--at-once", type=int, default=32, help="statements run at once")
    parser.add_argument("--queue-seconds", type=float, default=30.0, help="how long another one waits")
    parser.add_argument("--connections", type=int, default=256, help="connections open at once")
    parser.add_argument(
        "--as-it-is", action="store_true", help="apply no migration: for a warehouse that is being renewed"
    )
    parser.add_argument(
        "--without-files",
        action="store_true",
        help="statements reach no file, server or program, a writer's neither",
    )
    parser.add_argument("--stay", action="store_true", help="do not end with standard input")
    return parser.parse_args()


def _own(place: Place, options: argparse.Namespace) -> int:
    from sql.local_warehouse.engine import Engine, EngineError, EngineLimits
    from sql.local_warehouse.server import Credentials, Server

    if place.draft.exists() and not options.as_it_is:
        raise WarehouseError(
            f"the renewal of the warehouse of {place.workspace} did not end: run `appfleet renew` again"
        )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    credentials = Credentials(place.password("writer", create=True), place.password("reader", create=True))
    empty = place.state / "warehouse.cwd"
    empty.mkdir(mode=0o700, exist_ok=True)
    os.chdir(empty)
    try:
        limits = EngineLimits(
            options.query_memory,
            options.query_seconds,
            options.reader_memory,
            options.reader_seconds,
            options.memory_share,
        )
        engine = Engine(place.data, limits)
    except EngineError as error:
        raise WarehouseError(f"{place.data}: the engine cannot open it: {error.message[:300]}") from None
    try:
        server = Server(
            engine,
            credentials,
            options.port,
            at_once=options.at_once,
            queue_seconds=options.queue_seconds,
            connections=options.connections,
            without_files=options.without_files,
        )
    except OSError:
        raise WarehouseError(
            f"port {options.port} of 127.0.0.1 is taken: stop what listens there or choose another port"
        ) from None
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    serving.start()
    if not options.as_it_is and not _is_complete(engine):
        _migrate(server.port, credentials.writer)
    server.migrated.set()
    engine.run("SYSTEM FLUSH LOGS")  # makes the query log, so that it can be read from the first day
    place.announce(server.port)
    _say(f"ready {server.port}")
    if not options.stay:
        threading.Thread(target=_end_with_input, args=(place, stop), daemon=True).start()
    while not stop.wait(60):
        pass
    threading.Timer(FORCED_END_SECONDS, os._exit, (0,)).start()
    place.withdraw()
    server.stop()
    if not server.running:
        engine.close()
    sys.stdout.flush()
    os._exit(0)  # threads inside the engine must not hold the end up; what was acknowledged is on disk


def _is_complete(engine: Engine) -> bool:
    """Whether every migration was applied: asked without a client, whose imports take longer than all the rest.

    What cannot be asked is left to ``_migrate``, which says why.
    """
    from sql.local_warehouse.engine import EngineError

    try:
        rows = engine.run(statement(RECORDED)).decode().splitlines()
    except EngineError:
        return False
    return is_complete({name: Recorded(*line) for name, *line in (row.split("\t") for row in rows)})


def _migrate(port: int, password: str) -> None:
    from sql.migrate import migrate
    from sql.warehouse import Address, Warehouse

    warehouse = Warehouse.over_http(Address("127.0.0.1", port), "writer", password)
    try:
        migrate(warehouse)
    finally:
        warehouse.close()


def _end_with_input(place: Place, stop: threading.Event) -> None:
    """Stops when standard input has ended and nobody uses the warehouse any more."""
    while os.read(0, 1024):
        pass
    said = False
    while not stop.is_set():
        with place.users(exclusive=True) as alone:
            if alone:
                _say("stopping")
                stop.set()
                threading.Event().wait()  # keeps the lock: whoever comes now waits for the next owner
        if not said:
            _say("staying")
            said = True
        stop.wait(POLL_SECONDS)


def _say(line: str) -> None:
    try:
        print(line, flush=True)
    except (OSError, ValueError):
        pass  # the starter has gone; nobody reads


if __name__ == "__main__":
    sys.exit(main())
