"""A workspace of version 0.1: told what to do in one sentence, and its live telemetry is in the new warehouse."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from models.errors import ConfigurationError, WarehouseError
from sql import renewal
from sql.catalog import split_statements, statement
from sql.local_warehouse.ownership import Place
from sql.local_warehouse.process import WarehouseProcess, open_warehouse
from sql.migrate import FIRST_VERSION
from sql.renewal import renew
from sql.warehouse import Address, Warehouse

LIVE, UNFINISHED, FROM_FILE, REFUSED = (uuid.UUID(int=number) for number in range(1, 5))
DIRECT = uuid.UUID(int=0)
MANY_DAYS = 110
"""More days than an insert may have partitions."""

TIME_OF = {"otel_traces": "Timestamp", "otel_logs": "Timestamp"}
TABLES = (
    "otel_logs",
    "otel_metrics_exponential_histogram",
    "otel_metrics_gauge",
    "otel_metrics_histogram",
    "otel_metrics_sum",
    "otel_metrics_summary",
    "otel_traces",
)


@contextmanager
def _as_it_is(workspace: Path) -> Iterator[Warehouse]:
    process = WarehouseProcess(workspace, limits=("--as-it-is",))
    place = Place(workspace)
    warehouse = Warehouse.over_http(Address("127.0.0.1", process.start()), "writer", place.password("writer"))
    try:
        yield warehouse
    finally:
        warehouse.close()
        process.stop()


def _first_version(workspace: Path) -> None:
    """A warehouse of version 0.1 with live telemetry, and a segment that waits on disk."""
    with _as_it_is(workspace) as old:
        old.execute_text(
            statement("statements/create_schema_migrations").replace("{{merge_tree}}", "MergeTree")
        )
        for text in split_statements(Path(__file__).with_name("version_0_1.sql").read_text()):
            old.execute_text(text)
        for name, checksum in FIRST_VERSION.items():
            old.execute("statements/record_migration", name=name, checksum=checksum, state="completed")
        for source, batch, state in (
            ("live", LIVE, "loaded"),
            ("live", REFUSED, "refused"),
            ("collector", FROM_FILE, "loaded"),
        ):
            old.execute_text(
                "INSERT INTO raw_deliveries (kind, source_name, object_name, object_sha256, signal, batch_id, rows, state)"
                f" VALUES ('telemetry', '{source}', 'object', 'sha of {source}', 'traces', '{batch}', {MANY_DAYS}, '{state}')"
            )
        for source in ("live", "collector"):
            old.execute_text(
                "INSERT INTO raw_rejects (kind, source_name, object_name, position, reason)"
                f" VALUES ('telemetry', '{source}', 'object', 1, 'invalid trace id')"
            )
        for table in TABLES:
            _fill(old, table, (LIVE, UNFINISHED, FROM_FILE, REFUSED, DIRECT))
    segment = Place(workspace).state / "segments" / "waiting.traces"
    segment.parent.mkdir()
    segment.write_bytes(b"acknowledged and not loaded")


def _days(table: str, batch: uuid.UUID) -> int:
    return MANY_DAYS if (table, batch) == ("otel_traces", LIVE) else 2


def _fill(old: Warehouse, table: str, batches: Sequence[uuid.UUID]) -> None:
    """Rows of each batch, a day apart, that name it."""
    columns = [_columns(table, batch) for batch in batches]
    rows = (
        f"SELECT {', '.join(one.values())} FROM numbers({_days(table, batch)})"
        for one, batch in zip(columns, batches, strict=True)
    )
    old.execute_text(
        f"INSERT INTO otel.{table} ({', '.join(columns[0])}) {' UNION ALL '.join(rows)}",
        settings={"max_partitions_per_insert_block": 0},
    )


def _columns(table: str, batch: uuid.UUID) -> dict[str, str]:
    """What a row of a batch holds, of ``number``."""
    time = TIME_OF.get(table, "TimeUnix")
    more: dict[str, str] = {}
    if table == "otel_traces":
        more = {
            "TraceId": "leftPad(toString(number), 32, '0')",
            "SpanId": f"leftPad(toString(number), 16, '{batch.int}')",
            "`Events.Name`": "['first', 'second']",
            "`Events.Timestamp`": "[toDateTime64('2026-01-01 00:00:00.123456789', 9), toDateTime64(0, 9)]",
            "`Events.Attributes`": "[map('a', 'b'), map()]",
        }
    return {
        time: "toDateTime64('2026-01-01 00:00:00.123456789', 9, 'UTC') + INTERVAL number DAY",
        "ServiceName": f"'service of {batch.int}'",
        "ResourceAttributes": "map('app_id', ' Shop ')",
        "x_BatchId": f"toUUID('{batch}')",
        "retention_days": "30",
        **more,
    }


@pytest.mark.slow
def test_live_telemetry_of_a_first_version_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _first_version(tmp_path)
    place = Place(tmp_path)

    with pytest.raises(WarehouseError, match="made by appfleet 0.1") as told, open_warehouse(tmp_path):
        pass
    assert str(told.value).count("run `appfleet renew`") == 1 and "\n" not in str(told.value)

    with open_warehouse_in_use(place), pytest.raises(WarehouseError, match="is in use: end `appfleet up`"):
        renew(tmp_path, "live")

    half = place.draft / ".appfleet" / "warehouse" / "half a copy"  # what a kill in the middle leaves
    half.mkdir(parents=True)
    with (
        pytest.raises(WarehouseError, match="did not end: run `appfleet renew` again"),
        open_warehouse(tmp_path),
    ):
        pass

    with monkeypatch.context() as patch:  # ended between the two renames
        patch.setattr(Path, "rename", _only_to(Path.rename, place.state / renewal.KEPT_AS))
        with pytest.raises(InterruptedError):
            renew(tmp_path, "live")
    with (
        pytest.raises(WarehouseError, match="did not end: run `appfleet renew` again"),
        open_warehouse(tmp_path),
    ):
        pass

    assert renew(tmp_path, "live").kept == place.state / renewal.KEPT_AS
    assert (place.state / "segments" / "waiting.traces").read_bytes() == b"acknowledged and not loaded"
    assert any((place.state / renewal.KEPT_AS).iterdir())
    with open_warehouse(tmp_path) as new:
        for table in TABLES:
            found = new.frame_of(
                "SELECT toString(ServiceName) AS service, toString(app_id) AS app_id, count() AS rows,"
                f" toString(min({TIME_OF.get(table, 'TimeUnix')})) AS first FROM otel.{table} GROUP BY ALL ORDER BY service"
            )
            assert found.rows() == [
                (f"service of {batch.int}", "shop", _days(table, batch), "2026-01-01 00:00:00.123456789")
                for batch in (DIRECT, LIVE)
            ], table
            counts = new.frame("statements/renewal/counts", database="otel", table=table, live_source="live")
            assert counts.rows() == [  # what the copy was held to
                (str(batch), f"service of {batch.int}", _days(table, batch)) for batch in (DIRECT, LIVE)
            ], table
        seen = new.frame_of(
            "SELECT uniqExact(TraceId, SpanId) AS spans, count() AS rows, any(`Events.Name`) AS names,"
            " toString(any(`Events.Timestamp`)[1]) AS first FROM otel.otel_traces_current"
        )
        assert seen.row(0) == (
            MANY_DAYS + 2,
            MANY_DAYS + 2,
            ["first", "second"],
            "2026-01-01 00:00:00.123456789",
        )
        ledger = new.frame_of(
            "SELECT toString(source_name) AS source, toString(state) AS state FROM raw_deliveries ORDER BY state"
        )
        assert ledger.rows() == [("live", "loaded"), ("live", "refused")]
        assert new.frame_of("SELECT toString(source_name) AS s FROM raw_rejects")["s"].to_list() == ["live"]
    with pytest.raises(ConfigurationError, match="not one of version 0.1"):
        renew(tmp_path, "live")


def test_a_folder_without_a_warehouse_has_nothing_to_renew(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is nothing to renew"):
        renew(tmp_path, "live")


@contextmanager
def open_warehouse_in_use(place: Place) -> Iterator[None]:
    with place.users(exclusive=False) as held:
        assert held
        yield


def _only_to(rename: Any, target: Path) -> Any:
    def renamed(path: Path, to: Path) -> Path:
        if to != target:
            raise InterruptedError
        return rename(path, to)

    return renamed


def test_what_is_renewed_are_the_tables_that_hold_rows(warehouse: Warehouse) -> None:
    """No view: its rows are those of its table, once more."""
    names = {
        database: warehouse.frame("statements/renewal/tables", database=database)["name"].to_list()
        for database in ("otel", "default", "nowhere")
    }
    assert names["otel"] == list(TABLES)
    assert "raw_deliveries" in names["default"] and "current_batches" not in names["default"]
    assert names["nowhere"] == []
