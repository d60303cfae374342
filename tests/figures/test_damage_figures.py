"""Records that the ledger says were loaded and the tables do not hold, counted independently in plain Python."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import polars as pl
import pytest

from sql.warehouse import Warehouse
from tests.figures.rows import Row
from tests.figures.signals import DAYS, LOADED, REFUSED, day_of, send
from tests.figures.test_figures import differing
from tests.figures.test_telemetry_figures import SIGNALS

NO_DAY = date(1970, 1, 1)


def _lines(held: Counter[tuple[date, str, str]]) -> list[Row]:
    """Lines of the ledger that agree with the tables, but for some: one record more, one fewer, one batch that is lost
    whole, a day another month's; and lines that are none of a load."""
    lines = []
    for number, ((day, signal, batch), rows) in enumerate(sorted(held.items())):
        wrong = {1: 1, 4: -1}.get(number % 7, 0)
        state = "refused" if batch == str(REFUSED) else "loaded"
        lines.append(_line(day, signal, batch, rows + wrong, state))
    lost = [
        _line(date(2026, 3, day), "metrics", f"{number:032x}", number) for number, day in ((77, 1), (78, 31))
    ]
    others = [
        _line(DAYS[0], "logs", f"{79:032x}", 0),
        _line(DAYS[0], "logs", f"{80:032x}", 5, "unchanged"),
        {**_line(DAYS[0], "costs", f"{81:032x}", 5), "kind": "billing"},
    ]
    return [*lines, *lost, *others]


def _line(day: date, signal: str, batch: str, rows: int, state: str = "loaded") -> Row:
    source = f"source of {signal}"
    name = f"{signal} of {day} in {batch}"
    return {
        "kind": "telemetry",
        "source_name": source,
        "object_name": name,
        "signal": signal,
        "period": day,
        "batch_id": batch,
        "rows": rows,
        "state": state,
    }


@pytest.mark.parametrize("name", ["damage/lost_records"])
def test_batches_that_hold_more_or_fewer_records_than_were_loaded_are_told(
    fresh_warehouse: Warehouse, name: str
) -> None:
    signals = send(fresh_warehouse)
    held = Counter(
        (day_of(row), signal, str(row["batch"])) for signal in SIGNALS for row in signals.of(signal)
    )
    lines = _lines(held)
    fresh_warehouse.insert("raw_deliveries", pl.DataFrame(lines))
    held = Counter(
        {(day, signal, batch.replace("-", "")): rows for (day, signal, batch), rows in held.items()}
    )
    loaded = [one for one in lines if (one["kind"], one["state"]) == ("telemetry", "loaded") and one["rows"]]
    # the lines that ``send`` writes name neither a day nor a signal
    of_send = [_line(NO_DAY, "", str(batch), 1) | {"source_name": "files"} for batch in LOADED]
    for days in ([], [DAYS[1]], [DAYS[2], DAYS[3]], [NO_DAY], [date(2026, 3, 31)], [date(2026, 4, 1)]):
        want: list[tuple[Any, ...]] = []
        for line in (*loaded, *of_send):
            batch = line["batch_id"].replace("-", "")
            there = held[line["period"], line["signal"], batch]
            if there != line["rows"] and (not days or line["period"] in days):
                dashed = f"{batch[:8]}-{batch[8:12]}-{batch[12:16]}-{batch[16:20]}-{batch[20:]}"
                place = (line["source_name"], line["period"], line["signal"], dashed)
                want.append((*place, line["rows"], there))
        found = fresh_warehouse.frame(f"queries/{name}", days=days)
        assert bool(want) == (days != [date(2026, 4, 1)])
        assert not differing(found, sorted(want)), (days, differing(found, sorted(want)))


def test_a_batch_that_was_loaded_again_is_said_to_be_replaced_and_then_hidden(
    fresh_warehouse: Warehouse,
) -> None:
    """Only the lines of that batch that count, each as it stood; lines of others stay."""
    mine, other = f"{91:032x}", f"{92:032x}"
    lines = [
        _line(DAYS[0], "traces", mine, 3),
        _line(DAYS[1], "logs", mine, 4),
        _line(DAYS[1], "traces", other, 5),
        _line(DAYS[2], "traces", mine, 6, "unchanged"),
        {**_line(DAYS[2], "costs", mine, 7), "kind": "billing"},
    ]
    fresh_warehouse.insert("raw_deliveries", pl.DataFrame(lines))

    def states() -> list[tuple[Any, ...]]:
        return fresh_warehouse.frame_of(
            "SELECT object_name, toString(state), toString(reason), period, rows FROM raw_deliveries AS line"
            " WHERE replaceAll(toString(batch_id), '-', '') IN {batches:Array(String)} ORDER BY ALL",
            batches=[mine, other],
        ).rows()

    as_written = [(one["object_name"], one["state"], "", one["period"], one["rows"]) for one in lines]
    replaced = [(name, "replaced", "lost", day, rows) for name, _, _, day, rows in as_written[:2]]
    fresh_warehouse.execute("statements/telemetry_replaced", batch_id=mine, reason="lost")
    assert states() == sorted([*as_written, *replaced])
    synchronously = {"lightweight_deletes_sync": 2}
    fresh_warehouse.execute("statements/telemetry_hide_batch", settings=synchronously, batch_id=mine)
    assert states() == sorted([*as_written[2:], *replaced])


@pytest.mark.parametrize("name", ["damage/readable"])
def test_a_table_is_read_whole_but_for_some_of_its_parts(fresh_warehouse: Warehouse, name: str) -> None:
    fresh_warehouse.execute_text(
        "CREATE TABLE parted (a UInt8, b String) ENGINE = MergeTree ORDER BY a PARTITION BY a"
    )
    fresh_warehouse.execute_text(
        "INSERT INTO parted SELECT number % 3, 'x' FROM numbers(9) WHERE number NOT IN (3, 6, 4)"
    )
    rows_of = {"0_1_1_0": 1, "1_2_2_0": 2, "2_3_3_0": 3}
    for without in ([], ["0_1_1_0"], ["2_3_3_0", "0_1_1_0"]):
        want = sum(rows for part, rows in rows_of.items() if part not in without)
        frame = fresh_warehouse.frame(
            f"queries/{name}",
            is_telemetry=0,
            pattern="^parted$",
            without=without,
        )
        assert frame["rows"].to_list() == [want]
    fresh_warehouse.execute_text("DROP TABLE parted")
