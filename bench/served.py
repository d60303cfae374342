"""Parts a person waits for: a pass, the command line beside running services, and the pages of a large warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import median

from bench.browser import browsed
from bench.context import ROUNDS, Bench, statement, steps_of
from bench.measure import Cost, Costs, Line, p95, repeated
from bench.pages import calls_of_pages, page_seconds, read_names
from bench.processes import COMMAND, answers, appfleet, free_ports, health_of, running
from bench.targets import size_text, target
from sql.damage import ANYBODY, SETTLED_SECONDS
from sql.opening import open_warehouse
from sql.publish import heads, publish
from sql.warehouse import Warehouse
from sql.workspace import load_settings

SERVICES = ("dashboards", "dagster", "warehouse", "otlp_grpc", "otlp_http")
ALL_UP = b"Ctrl-C ends"
SELECT = "SELECT count() AS apps FROM core_apps_current"
ANY_PARTITIONS = {"max_partitions_per_insert_block": 0}


def bench_pass(bench: Bench) -> None:
    """`appfleet run` over simulated fleets: seconds per step, first and with nothing new."""
    unchanged = {120: target("pass-unchanged-120"), 4_200: target("pass-unchanged-4200")}
    for apps, days in bench.sizes.fleets:
        size, costs = {"apps": apps, "days": days}, Costs()
        fleet = bench.simulated(apps, days)
        bench.add(
            Line(
                f"run, first: {size_text(size)}",
                fleet.first,
                fleet.steps,
                target=target("pass-first"),
                size=size,
            )
        )
        said = [costs.measure(partial(appfleet, "run", "-w", str(fleet.root))) for _ in range(ROUNDS)]
        bench.add(
            repeated(
                f"run, unchanged: {size_text(size)}",
                costs,
                note=steps_of(said[-1]),
                target=unchanged.get(apps, target("pass-unchanged-120")),
                size=size,
            )
        )


def bench_commands(bench: Bench) -> None:
    """How long `appfleet up` takes until pages answer, and commands while it runs."""
    apps, days = bench.sizes.fleets[0]
    root = bench.simulated(apps, days).root
    pages, whole = Costs(), Costs()
    asked = {
        "sql": (["sql", SELECT], target("command-sql"), Costs()),
        "status": (["status"], target("command-status"), Costs()),
        "slo": (["slo"], target("command-slo"), Costs()),
    }
    for number in range(ROUNDS):
        with _up(root) as (until_pages, until_all):
            pages.rounds.append(Cost(until_pages))
            whole.rounds.append(Cost(until_all))
            if number == ROUNDS - 1:
                for arguments, _, costs in asked.values():
                    for _ in range(bench.sizes.command_rounds):
                        costs.measure(partial(appfleet, *arguments, "-w", str(root)))
    size = {"apps": apps, "days": days}
    fleet = size_text(size)
    note = f"everything up after {median(one.seconds for one in whole.rounds):.1f} s"
    bench.add(
        repeated(f"up, until pages answer: {fleet}", pages, note=note, target=target("up-pages"), size=size)
    )
    for name, (_, wanted, costs) in asked.items():
        note = f"worst of {len(costs.rounds)}: {max(one.seconds for one in costs.rounds):.2f} s"
        bench.add(repeated(f"{name} while up runs: {fleet}", costs, note=note, target=wanted, size=size))


@contextmanager
def _up(root: Path) -> Iterator[tuple[float, float]]:
    """`appfleet up` of a workspace while the context is open; seconds until its pages answered, and until all did."""
    _give_free_ports(root)
    health, log = health_of(load_settings(root).ports.dashboards), root / "up.log"
    with running([COMMAND, "up", "-w", str(root)], log) as until:
        yield until(lambda: answers(health)), until(lambda: ALL_UP in log.read_bytes())


def _give_free_ports(root: Path) -> None:
    """Ports of a workspace's services that nobody listens on, in place of those it had."""
    path = root / "appfleet.yaml"
    kept = path.read_text(encoding="utf-8").split("\nports:")[0]
    ports = ", ".join(f"{one}: {port}" for one, port in zip(SERVICES, free_ports(len(SERVICES)), strict=True))
    path.write_text(f"{kept}\nports: {{{ports}}}\n", encoding="utf-8")


def bench_pages(bench: Bench) -> None:
    """What each page reads of a large warehouse, and how long it takes from a click in a browser.

    A few apps are simulated and pass once; then every computed table holds them many times. Raw tables do not.
    """
    apps, days, copies = bench.sizes.pages
    fleet = bench.simulated(apps, days)
    size = {"apps": apps * copies, "days": days}
    with open_warehouse(fleet.root) as warehouse:
        rows = _multiplied(warehouse, copies)
        bench.add(
            Line(f"pages: pass over the {apps} apps that are copied", fleet.first, f"{rows:,} rows of copies")
        )
        for page, calls in calls_of_pages(fleet.root).items():
            seconds = page_seconds(fleet.root, calls, bench.sizes.page_rounds)
            bench.add(
                Line(
                    f"page {page}, server, p95: {size_text(size)}",
                    note=f"{len(read_names(calls))} reads, median {median(seconds):.2f} s",
                    figure=p95(seconds),
                    target=target("page-server"),
                    size=size,
                )
            )
        for line in browsed(fleet.root, warehouse, bench.sizes.clicks, size):
            bench.add(line)


def _multiplied(warehouse: Warehouse, copies: int) -> int:
    """Rows written so that each app of the published computed tables is there so many times."""
    by_app = set(warehouse.frame_of(statement("tables_by_app"))["table"])
    batches = {
        (table, batch)
        for release in heads(warehouse)
        for table, batch in release.batches.items()
        if table in by_app
    }
    counted = partial(_rows, warehouse, sorted(by_app))
    before = counted()
    for table, batch in sorted(batches):
        warehouse.execute_text(
            statement("copies"), ANY_PARTITIONS, table=table, batch_id=batch, copies=copies
        )
    _tie(warehouse)
    return counted() - before


def _tie(warehouse: Warehouse) -> None:
    """Publishes everything anew with the rows its tables hold now, and every month's bills with the sums its copied costs
    have: as if all of it had been billed and computed."""
    found = warehouse.frame(
        "queries/damage/lost_rows", teams=list(ANYBODY), with_slices=True, settled_seconds=SETTLED_SECONDS
    )
    rows = {(row["scope"], row["period"]): row["held"] for row in found.iter_rows(named=True)}
    sums: dict[tuple[str, date], dict[str, Decimal]] = {}
    for costs in heads(warehouse, "costs"):
        frame = warehouse.frame(
            "queries/costs/batch_sums",
            billing_period=costs.period,
            batch_id=costs.batches["core_app_costs_daily"],
        )
        for row in frame.iter_rows(named=True):
            for scope in (costs.scope, f"billing/{row['source_name']}"):
                of = sums.setdefault((scope, costs.period), {})
                for metric, cost in (
                    ("BilledCost", row["billed_cost"]),
                    ("EffectiveCost", row["effective_cost"]),
                ):
                    key = f"{row['billing_currency']}/{metric}"
                    of[key] = of.get(key, Decimal(0)) + cost
    for release in heads(warehouse):
        place = (release.scope, release.period)
        if place in rows or place in sums:
            publish(
                warehouse,
                *place,
                batches=release.batches,
                rows=rows.get(place, release.rows),
                sha256=release.sha256,
                version=release.version,
                sums=sums.get(place, release.sums),
            )


def _rows(warehouse: Warehouse, tables: list[str]) -> int:
    return sum(int(warehouse.frame_of(statement("rows_of"), table=table)["rows"].item()) for table in tables)
