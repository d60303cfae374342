"""What breaks while rows go to a server: its connection, the engine that reads, a column it does not have."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from models.errors import DamagedData, WarehouseError
from models.settings import BillingSource, Settings
from pipelines.commands.rebuild import _detach
from pipelines.ingest.billing.ingest import ingest_source
from sql.bill_files import absent_name, undelivered
from sql.catalog import statement
from sql.damage import BILL, lost_rows, unreadable
from sql.forms import insertion
from sql.local_warehouse.ownership import Place
from sql.logs import of_run, of_step
from sql.opening import READING, open_warehouse
from sql.state import state_folder
from sql.warehouse import Warehouse
from sql.workspace import load_settings
from tests.cli.damage import Part
from tests.server.conftest import Acting, write_warehouse

ROWS = 40_000
HEADER = (
    "BillingAccountId,BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,"
    "ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ServiceName,ProviderName,SkuId,Tags"
)
EACH = Decimal("0.123456789")


def write_bill(path: Path) -> None:
    lines = (
        f"1,{EACH},{EACH},{EACH},{EACH},USD,2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,2026-10-{1 + row % 31:02}T00:00:00Z,"
        f'2026-10-{1 + row % 31:02}T01:00:00Z,Usage,Compute,Amazon,sku-{row},"{{""app_id"": ""app-{row % 90}""}}"'
        for row in range(ROWS)
    )
    path.write_text("\n".join((HEADER, *lines)) + "\n")


@pytest.fixture
def root(emptied: Path) -> Path:
    """A workspace on a server with a bill that was not ingested yet."""
    write_bill(emptied / "bill.csv")
    return emptied


def source_of(root: Path) -> BillingSource:
    """The bill as a source."""
    return BillingSource(name="aws", format="focus", location=str(root / "bill.csv"))


def ingest(warehouse: Warehouse, root: Path) -> str:
    """The state of the bill's month after an ingest, and why."""
    settings: Settings = load_settings(root)
    outcome = ingest_source(warehouse, settings, source_of(root))
    assert outcome.periods, outcome.refusals
    (period,) = outcome.periods
    return f"{period.state} {period.reason}".strip()


def published(warehouse: Warehouse) -> tuple[int, Decimal]:
    frame = warehouse.frame_of("SELECT count() AS n, sum(BilledCost) AS cost FROM raw_focus_costs_current")
    return frame["n"].item(), frame["cost"].item() or Decimal(0)


def assert_whole(root: Path) -> None:
    """An ingest that nothing breaks publishes the bill as it is, once."""
    with open_warehouse(root) as warehouse:
        assert ingest(warehouse, root).startswith("published")
        assert published(warehouse) == (ROWS, ROWS * EACH)
        assert ingest(warehouse, root).startswith("unchanged")
        assert published(warehouse) == (ROWS, ROWS * EACH)


@contextmanager
def cut_way(url: str, most_bytes: int) -> Iterator[str]:
    """A way to a server on which each connection is cut once so many bytes went towards it."""
    host, port = url.removeprefix("http://").split(":")
    listening = socket.create_server(("127.0.0.1", 0))

    def passed_on(source: socket.socket, to: socket.socket, limit: float) -> None:
        sent = 0
        try:
            while block := source.recv(1 << 16):
                sent += len(block)
                if sent > limit:
                    break
                to.sendall(block)
        except OSError:
            pass
        for one in (source, to):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve() -> None:
        while True:
            try:
                here, _ = listening.accept()
            except OSError:
                return
            there = socket.create_connection((host, int(port)))
            for source, to, limit in ((here, there, most_bytes), (there, here, float("inf"))):
                threading.Thread(target=passed_on, args=(source, to, limit), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    listening.close()


@pytest.mark.parametrize("most_bytes", [pytest.param(300_000, marks=pytest.mark.slow), 1_500_000])
def test_a_connection_cut_in_mid_stream_publishes_nothing_and_doubles_nothing(
    root: Path, server: Acting, most_bytes: int
) -> None:
    database = load_settings(root).warehouse
    assert database
    with cut_way(server.url, most_bytes) as way:
        write_warehouse(root, way, database.database)
        with open_warehouse(root) as warehouse:
            said = ingest(warehouse, root)
        assert said.startswith("refused") and "went away" in said
    write_warehouse(root, server.url, database.database)
    with open_warehouse(root) as warehouse:
        assert published(warehouse) == (0, Decimal(0))
    assert_whole(root)


def test_rows_that_were_written_before_a_connection_was_cut_are_read_by_nobody(
    root: Path, server: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream of many blocks is written part by part: what came before the cut stays, and counts nowhere."""
    database = load_settings(root).warehouse
    assert database
    stream_of, insert_stream = Warehouse.stream_of, Warehouse.insert_stream

    def in_small_blocks(
        self: Warehouse, text: str, kind: str, settings: Any, **bound: Any
    ) -> Iterator[bytes]:
        return stream_of(self, text, kind, {**settings, "max_block_size": 1_000}, **bound)

    def part_by_part(self: Warehouse, table: str, blocks: Any, kind: str, _: Any, columns: Any) -> None:
        def slowly() -> Iterator[bytes]:
            """Goes on with the fourth block, which is not the last, when something of those before was written."""
            for number, block in enumerate(blocks):
                while number == 3 and not written[-1] and time.monotonic() < deadline:
                    time.sleep(0.05)
                    written.append(left())
                yield block

        deadline = time.monotonic() + 60
        insert_stream(self, table, slowly(), kind, {"min_insert_block_size_rows": 1_000}, columns)

    written = [0]
    with open_warehouse(root) as direct:

        def left() -> int:
            return int(direct.frame_of("SELECT count() FROM raw_focus_costs").item())

        with cut_way(server.url, 5_000_000) as way, monkeypatch.context() as patch:
            patch.setattr(Warehouse, "stream_of", in_small_blocks)
            patch.setattr(Warehouse, "insert_stream", part_by_part)
            write_warehouse(root, way, database.database)
            with open_warehouse(root) as warehouse:
                assert ingest(warehouse, root).startswith("refused")
        assert 0 < written[-1] < ROWS
        assert left() < ROWS, "some of them, or none: they are removed in the background"
        assert published(direct) == (0, Decimal(0))
    write_warehouse(root, server.url, database.database)
    assert_whole(root)


def test_an_engine_that_ends_while_it_reads_publishes_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clean end after half of the rows would be a smaller bill."""
    stream_of = Warehouse.stream_of

    def killed(
        self: Warehouse, text: str, output_format: str, *args: object, **parameters: object
    ) -> Iterator[bytes]:
        blocks = stream_of(self, text, output_format, *args, **parameters)  # type: ignore[arg-type]
        yield next(blocks)
        owner = Place(state_folder(root, READING)).owner()
        assert owner
        os.kill(owner.pid, 9)
        yield from blocks

    with monkeypatch.context() as patch:
        patch.setattr(Warehouse, "stream_of", killed)
        with open_warehouse(root) as warehouse:
            assert ingest(warehouse, root).startswith("refused")
            assert published(warehouse) == (0, Decimal(0))
    assert_whole(root)


@contextmanager
def lost_column(warehouse: Warehouse) -> Iterator[None]:
    warehouse.execute_text("ALTER TABLE raw_focus_costs RENAME COLUMN SkuId TO SkuIdOfAnother")
    try:
        yield
    finally:
        warehouse.execute_text("ALTER TABLE raw_focus_costs RENAME COLUMN SkuIdOfAnother TO SkuId")


@contextmanager
def rows_removed(warehouse: Warehouse) -> Iterator[None]:
    yield
    warehouse.execute_text("TRUNCATE TABLE raw_focus_costs")


@pytest.mark.parametrize(("harm", "said"), [(lost_column, "SkuId"), (rows_removed, "rows")])
def test_a_server_that_does_not_hold_what_was_sent_publishes_nothing(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    harm: Callable[[Warehouse], AbstractContextManager[None]],
    said: str,
) -> None:
    """A column it does not know fails the load, and rows that are not there when they are counted again the batch."""
    insert_stream = Warehouse.insert_stream

    def harmed(self: Warehouse, *args: object, **named: object) -> None:
        with harm(self):
            insert_stream(self, *args, **named)  # type: ignore[arg-type]

    with open_warehouse(root) as warehouse, monkeypatch.context() as patch:
        patch.setattr(Warehouse, "insert_stream", harmed)
        outcome = ingest(warehouse, root)
        assert outcome.startswith("refused") and said in outcome
    with open_warehouse(root, "reader") as reader, monkeypatch.context():
        count = reader.frame_of("SELECT count() AS n FROM period_head WHERE startsWith(scope, 'billing/')")
        assert count.item() == 0


def test_a_reader_of_files_of_another_machine_is_never_asked(root: Path) -> None:
    """Statements over files go to the engine beside the loader; the server itself refuses them."""
    with open_warehouse(root) as warehouse:
        with pytest.raises(WarehouseError, match="the function file is not available here"):
            warehouse.frame_of(f"SELECT * FROM file('{root / 'bill.csv'}', 'CSVWithNames')")
        assert (
            warehouse.reading.frame_of(
                f"SELECT count() FROM file('{root / 'bill.csv'}', 'CSVWithNames')"
            ).item()
            == ROWS
        )


def test_the_server_is_told_which_run_and_step_a_statement_is_of(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_warehouse(root) as warehouse, of_run("run-7"), of_step("billing"):
        sent: list[dict[str, Any]] = []
        raw = warehouse._client.raw_query
        monkeypatch.setattr(
            warehouse._client, "raw_query", lambda *given, **named: sent.append(named) or raw(*given, **named)
        )
        warehouse.execute_text("SELECT 1")
        (asked,) = [one["settings"] for one in sent]
        assert json.loads(asked["log_comment"]) == {"app": "appfleet", "run_id": "run-7", "asset": "billing"}
        assert asked["query_id"].startswith("appfleet/run-7/billing/")
        again = warehouse._settings("read", None)
        assert again["query_id"] != asked["query_id"]


def test_an_interrupt_ends_what_it_left_running_on_the_server(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_warehouse(root) as warehouse:
        sent: list[tuple[str, dict[str, Any]]] = []

        def interrupted(text: str, *given: Any, **named: Any) -> bytes:
            sent.append((text, named))
            if "SLEEP" in text.upper():
                raise KeyboardInterrupt
            return b""

        monkeypatch.setattr(warehouse._client, "raw_query", interrupted)
        with pytest.raises(KeyboardInterrupt):
            warehouse.execute_text("SELECT sleep(1)")
        (_, first), (text, last) = sent
        assert "KILL QUERY WHERE query_id" in text
        assert last["parameters"] == {"query_id": first["settings"]["query_id"]}


def test_what_does_not_travel_is_null_wherever_it_is_not_delivered(root: Path) -> None:
    """A column left out has the table's default, which must be what the statement would have made of it."""
    text = statement("ingest/focus")
    absent = {name: absent_name(name) for name in insertion(text).columns}
    left_out = undelivered(text, absent)
    assert len(left_out) > 40 and "EffectiveCost" not in left_out
    with open_warehouse(root) as warehouse:
        kinds = dict(
            warehouse.frame_of(
                "SELECT name, type || ' ' || default_kind FROM system.columns WHERE database = currentDatabase()"
                " AND table = 'raw_focus_costs'"
            ).rows()
        )
    assert [name for name in left_out if "Nullable(" not in kinds[name] or kinds[name][-1] != " "] == []
    assert undelivered(text, {**absent, "SkuId": "SkuId"}) == left_out - {"SkuId"}


def test_parts_of_a_server_that_cannot_be_read_are_named_and_taken_out(root: Path) -> None:
    """What the doctor looks at and a rebuild takes out lies in the databases of the workspace, not in those of others."""
    with open_warehouse(root) as warehouse:
        assert ingest(warehouse, root).startswith("published")
        assert unreadable(warehouse.frame) == []
        (part,) = warehouse.frame_of(
            "SELECT name, path FROM system.parts WHERE active AND table = 'raw_focus_costs' AND database = currentDatabase()"
        ).iter_rows(named=True)
        Part(part["name"], Path(part["path"])).turn(0.4, 0.6)
        warehouse.execute_text("DETACH TABLE raw_focus_costs SYNC")  # what it holds in memory is forgotten
        warehouse.execute_text("ATTACH TABLE raw_focus_costs")
        (damage,) = unreadable(warehouse.frame)
        assert str(damage).startswith(
            f"aws 2026-10: part {part['name']} of raw_focus_costs cannot be read any more"
        )
        with pytest.raises(
            DamagedData, match="aws 2026-10: part .* `appfleet rebuild --source aws --month 2026-10`"
        ):
            warehouse.frame_of("SELECT sum(cityHash64(*)) FROM raw_focus_costs")
        _detach(warehouse, BILL, part["name"])
        assert warehouse.frame_of("SELECT count() FROM raw_focus_costs").item() == 0
        (lost,) = lost_rows(warehouse.frame)
        assert f"{ROWS:,} of {ROWS:,} row(s) published are lost" in str(lost)
    with open_warehouse(root) as warehouse:
        outcome = ingest_source(warehouse, load_settings(root), source_of(root), again=True)
        assert [one.state for one in outcome.periods] == ["published"]
        assert published(warehouse) == (ROWS, ROWS * EACH)
