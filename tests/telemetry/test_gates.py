"""The gates of telemetry, each tested by breaking what it guards: rows of attempts that did not end count nowhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from models.errors import ControlTotalError
from models.settings import Settings
from pipelines.compute import compute_slices
from pipelines.ingest.telemetry import load as load_module
from sql.catalog import statement
from sql.forms import EMBEDDED
from sql.publish import new_batch_id
from sql.warehouse import Warehouse
from tests.telemetry import otlp_messages as otlp
from tests.telemetry.conftest import TABLES, Load

SYNCHRONOUSLY = {"mutations_sync": 2, "lightweight_deletes_sync": 2}


DAMAGES = {
    "a row dropped": "DELETE FROM {table} WHERE {batch} AND {one}",
    "a row doubled": "INSERT INTO {table} SELECT * FROM {table} WHERE {batch} AND {one}",
    "all dropped": "DELETE FROM {table} WHERE {batch}",
}


@pytest.mark.parametrize(
    "signal", ["traces", *(pytest.param(one, marks=pytest.mark.slow) for one in ("logs", "metrics"))]
)
def test_a_batch_damaged_before_it_is_counted_is_not_published(
    warehouse: Warehouse, load: Load, monkeypatch: pytest.MonkeyPatch, signal: str
) -> None:
    """In every table the signal feeds, one at a time."""
    content = {"traces": otlp.traces(3), "logs": otlp.rich_logs()}
    load_rows = warehouse.load
    hurt: set[str] = set()

    def damaging(text: str, only: str) -> Any:
        def then_damaged(name: str, /, *args: Any, **parameters: Any) -> None:
            load_rows(name, *args, **parameters)
            into = re.search(r"INSERT INTO (otel\.otel_\w+)", EMBEDDED.text(statement(name)))
            if into and into.group(1) == only:
                hurt.add(into.group(1))
                time = "Timestamp" if "metrics" not in into.group(1) else "TimeUnix"
                batch = f"x_BatchId = '{parameters['batch_id']}'"
                one = f"{time} = (SELECT min({time}) FROM {into.group(1)} WHERE {batch})"
                warehouse.execute_text(
                    text.format(table=into.group(1), batch=batch, one=one), settings=SYNCHRONOUSLY
                )

        return then_damaged

    tables = [table for table in TABLES if table.startswith(f"otel_{signal}")]
    for place, table in enumerate(tables):
        sent = otlp.delimited(content.get(signal) or otlp.metrics_of(table.removeprefix("otel_metrics_")))
        chosen = DAMAGES if signal == "traces" else [[*DAMAGES][place % len(DAMAGES)]]
        for name in chosen:
            with monkeypatch.context() as patch:
                patch.setattr(warehouse, "load", damaging(DAMAGES[name], f"otel.{table}"))
                with pytest.raises(ControlTotalError, match=f"otel.{table}: .* nothing was published"):
                    load(sent)
            visible = sum(
                warehouse.frame_of(f"SELECT count() FROM otel.{one}_current").item() for one in tables
            )
            assert visible == 0, (table, name)
    assert hurt == {f"otel.{table}" for table in tables}
    assert load(sent).state == "loaded"


def test_rows_of_an_attempt_that_did_not_end_count_nowhere(
    warehouse: Warehouse, load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Everything computed from telemetry is the same with and without them; they are of the same app, day and minute."""
    settings = Settings(root=tmp_path, catalog=tmp_path / "catalog", teams=tmp_path / "teams.yaml")
    named = otlp.traces(4)
    named.resource_spans[0].resource.attributes.extend(otlp.pairs({"cloud.resource_id": "arn:1"}))
    failed = otlp.traces(7, first=50)
    failed.resource_spans[0].resource.attributes.extend(otlp.pairs({"cloud.resource_id": "arn:2"}))
    for span in failed.resource_spans[0].scope_spans[0].spans:
        span.status.code = 2
    load(otlp.delimited(named))
    load(otlp.delimited(otlp.rich_logs()))
    load(otlp.delimited(otlp.rich_metrics()))
    with monkeypatch.context() as patch:
        patch.setattr(load_module, "_record", _killed)
        with pytest.raises(KeyboardInterrupt):
            load(otlp.delimited(failed))
    for table in TABLES[1:]:
        _leave_behind(warehouse, table)
    stale = sum(
        warehouse.frame_of(
            f"SELECT count() FROM otel.{table} WHERE x_BatchId NOT IN (SELECT batch_id FROM otel.loaded_batches)"
        ).item()
        for table in TABLES
    )
    assert stale > 7 + 3
    beside = _computed(warehouse, settings)
    for table in TABLES:
        warehouse.execute_text(
            f"DELETE FROM otel.{table} WHERE x_BatchId NOT IN (SELECT batch_id FROM otel.loaded_batches)",
            settings=SYNCHRONOUSLY,
        )
    warehouse.execute_text("TRUNCATE TABLE period_head")
    alone = _computed(warehouse, settings)
    assert set(beside) == set(alone)
    assert any(frame.height for frame in alone.values())
    for table, frame in alone.items():
        assert beside[table].equals(frame), table
    daily = alone["core_app_telemetry_daily"].filter(pl.col("app_id") == "shop")
    assert daily.select(pl.col("spans", "requests", "errors").sum()).row(0) == (4, 4, 0)


def _leave_behind(warehouse: Warehouse, table: str) -> None:
    """Rows as an attempt leaves them that was killed: those there are, a second later, of a batch the ledger has not."""
    time = "TimeUnix" if "metrics" in table else "Timestamp"
    more = ", rand64() AS x_RecordHash" if table == "otel_logs" else ""
    warehouse.execute_text(
        f"INSERT INTO otel.{table} SELECT * REPLACE ({time} + INTERVAL 1 SECOND AS {time}, {{batch:UUID}} AS x_BatchId{more})"
        f" FROM otel.{table}",
        batch=new_batch_id(),
    )


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def _computed(warehouse: Warehouse, settings: Settings) -> dict[str, pl.DataFrame]:
    """What readers see of the tables that are computed from telemetry, and of telemetry itself."""
    releases = compute_slices(warehouse, settings).releases
    tables = sorted({table for release in releases for table in release.batches})
    assert len(tables) > 2
    frames = {table: warehouse.frame_of(f"SELECT * FROM {table}_current ORDER BY ALL") for table in tables}
    for table in TABLES:
        frames[table] = warehouse.frame_of(f"SELECT count() AS n FROM otel.{table}_current")
    frames["rows"] = pl.DataFrame({"rows": [release.rows for release in releases]})
    return frames
