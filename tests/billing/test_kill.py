"""An ingest killed at any moment and run again gives the same published sums."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from models.settings import BillingSource, Settings
from pipelines.ingest.billing import ingest_source
from sql.opening import open_warehouse
from sql.warehouse import Warehouse
from tests.billing.conftest import OCTOBER
from tests.conftest import Migrated

_INGEST = """
import sys
from pathlib import Path
from pipelines.ingest.billing import ingest_source
from models.settings import BillingSource, Settings
from sql.opening import open_warehouse

root = Path(sys.argv[1])
settings = Settings(root=root, catalog=root, teams=root)
with open_warehouse(root) as warehouse:
    print("open", flush=True)
    ingest_source(warehouse, settings, BillingSource("bill", "focus", "bills"))
"""


def _sums(warehouse: Warehouse) -> dict[date, Decimal]:
    frame = warehouse.frame_of(
        "SELECT x_BillingPeriod AS period, CAST(sum(BilledCost), 'Decimal(38, 18)') AS cost"
        " FROM raw_focus_costs_published GROUP BY period"
    )
    return dict(frame.rows())


Moment = Callable[[Warehouse], None]


def _until(warehouse: Warehouse, condition: str) -> None:
    """Waits until the statement finds something, or the ingest must have ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not warehouse.frame_of(condition).item():
        time.sleep(0.01)


def _when_rows_are_written(warehouse: Warehouse) -> None:
    _until(warehouse, "SELECT count() FROM raw_focus_costs WHERE BilledCost IN (1, 2)")


def _when_a_month_is_published(warehouse: Warehouse) -> None:
    _until(warehouse, "SELECT count() FROM raw_focus_costs_published WHERE BilledCost IN (1, 2)")


def _after(seconds: float) -> Moment:
    return lambda warehouse: time.sleep(seconds)


AT_RANDOM = [_after(random.Random(7 + number).uniform(0, 1.5)) for number in range(20)]


@pytest.mark.parametrize(
    ("rows", "moments"),
    [
        (5_000, [_when_rows_are_written, _when_a_month_is_published]),
        pytest.param(40_000, AT_RANDOM, marks=pytest.mark.slow),
    ],
    ids=["at its steps", "at random"],
)
def test_sigkill_at_any_moment_never_shows_a_mix(
    tmp_path: Path, migrated: Migrated, focus_csv, rows: int, moments: list[Moment]
) -> None:
    # Neither is so much smaller or larger than the other that a person would be asked.
    old = {date(2024, 9, 1): Decimal("1.5") * rows, date(2024, 10, 1): Decimal(3) * rows}
    new = {date(2024, 9, 1): Decimal(rows), date(2024, 10, 1): Decimal(2 * rows)}
    bill = migrated(tmp_path) / "bills" / "bill.csv"
    bill.parent.mkdir()
    settings = Settings(root=tmp_path, catalog=tmp_path, teams=tmp_path)
    source = BillingSource("bill", "focus", "bills")
    before = focus_csv(*[{"BilledCost": "1.5"}] * rows, *[{"BilledCost": "3", **OCTOBER}] * rows)
    after = focus_csv(*[{"BilledCost": "1"}] * rows, *[{"BilledCost": "2", **OCTOBER}] * rows)
    with open_warehouse(tmp_path) as warehouse:
        for reached in moments:
            bill.write_text(before)
            ingest_source(warehouse, settings, source)
            assert _sums(warehouse) == old
            bill.write_text(after)
            started = time.monotonic()
            process = subprocess.Popen([sys.executable, "-c", _INGEST, str(tmp_path)], stdout=subprocess.PIPE)
            assert process.stdout
            process.stdout.readline()
            reached(warehouse)
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
            seen = _sums(warehouse)
            assert all(seen[period] in (old[period], new[period]) for period in old), (
                time.monotonic() - started
            )
            assert ingest_source(warehouse, settings, source).refusals == ()
            assert _sums(warehouse) == new
