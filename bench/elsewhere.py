"""A bill into a server beside the same bill into the embedded warehouse; the server is a second engine on this machine.

What a network costs is not measured, nor a server with cores of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing import get_context

from bench.context import BILL_ROUNDS, Bench, rate
from bench.data import write_costs
from bench.ingest import forget_bills, load_bill
from bench.measure import Costs, PeakMemory, compared, memory_line
from bench.targets import target
from models.settings import ServerWarehouse, Settings
from sql.local_warehouse.process import WarehouseProcess
from sql.opening import connected, open_warehouse, schema_applied

DATABASE = "bench"


def bench_server(bench: Bench) -> None:
    """Bills end to end over the hop, and what relaying them takes of memory."""
    rows = bench.sizes.bills[0]
    here, there = bench.workspace("embedded"), bench.workspace("elsewhere")
    bill, embedded, served = here.root / "bill.parquet", Costs(), Costs()
    with ExitStack() as stack:
        own = stack.enter_context(open_warehouse(here.root))
        server = stack.enter_context(_server(bench, there))
        warehouse = stack.enter_context(connected(there.root, server))
        warehouse.reading.frame_of("SELECT 1")  # both engines are up before the first round
        # What writing a bill takes of memory is not the loader's.
        writer = stack.enter_context(ProcessPoolExecutor(1, get_context("spawn")))
        memory = stack.enter_context(PeakMemory())
        for number in range(BILL_ROUNDS):
            writer.submit(write_costs, bill, rows, bench.sizes.apps, seed=1 + number).result()
            for one, settings, costs in ((own, here, embedded), (warehouse, there, served)):
                costs.measure(partial(load_bill, one, settings, bill, number))
                forget_bills(one)
    what, size = f"billing, {rows:,} rows: into a server, end to end", {"rows": rows}
    note = rate(rows, served.median, "rows")
    bench.add(
        compared(
            what, served, embedded, "the embedded warehouse", note=note, target=target("server-1m"), size=size
        )
    )
    bench.add(
        memory_line(
            f"billing, {rows:,} rows: memory of the process that relays",
            memory.own,
            target=target("memory-relay"),
            size=size,
        )
    )


@contextmanager
def _server(bench: Bench, settings: Settings) -> Iterator[ServerWarehouse]:
    """A second engine as a server with our tables, while the context is open."""
    folder = bench.root / "server"
    folder.mkdir()
    process = WarehouseProcess(folder, limits=("--as-it-is", "--without-files"))
    url = f"http://127.0.0.1:{process.start()}"
    for role in ("writer", "reader"):
        os.environ[f"APPFLEET_WAREHOUSE_{role.upper()}_USER"] = role
        os.environ[f"APPFLEET_WAREHOUSE_{role.upper()}_PASSWORD"] = process.place.password(role)
    try:
        server = ServerWarehouse(url=url, database=DATABASE)
        schema_applied(settings.root, server)
        yield server
    finally:
        process.stop(at_once=True)
