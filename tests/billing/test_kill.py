"""An ingest killed at any moment and run again gives the same published sums."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from models.settings import BillingSource, Settings
from pipelines.ingest.billing import ingest_source
from sql.local_warehouse.process import open_warehouse
from sql.warehouse import Warehouse
from tests.billing.conftest import OCTOBER

ROWS = 40_000

_INGEST = """
import sys
from pathlib import Path
from pipelines.ingest.billing import ingest_source
from models.settings import BillingSource, Settings
from sql.local_warehouse.process import open_warehouse

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


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_sigkill_at_random_moments_never_shows_a_mix(tmp_path: Path, focus_csv, kills: int) -> None:
    # Neither is so much smaller or larger than the other that a person would be asked.
    old = {date(2024, 9, 1): Decimal("1.5") * ROWS, date(2024, 10, 1): Decimal(3) * ROWS}
    new = {date(2024, 9, 1): Decimal(ROWS), date(2024, 10, 1): Decimal(2 * ROWS)}
    bill = tmp_path / "bills" / "bill.csv"
    bill.parent.mkdir()
    settings = Settings(root=tmp_path, catalog=tmp_path, teams=tmp_path)
    source = BillingSource("bill", "focus", "bills")
    dice = random.Random(7)
    before = focus_csv(*[{"BilledCost": "1.5"}] * ROWS, *[{"BilledCost": "3", **OCTOBER}] * ROWS)
    after = focus_csv(*[{"BilledCost": "1"}] * ROWS, *[{"BilledCost": "2", **OCTOBER}] * ROWS)
    with open_warehouse(tmp_path) as warehouse:
        for _ in range(kills):
            bill.write_text(before)
            ingest_source(warehouse, settings, source)
            assert _sums(warehouse) == old
            bill.write_text(after)
            started = time.monotonic()
            process = subprocess.Popen([sys.executable, "-c", _INGEST, str(tmp_path)], stdout=subprocess.PIPE)
            assert process.stdout
            process.stdout.readline()
            time.sleep(dice.uniform(0, 1.5))
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
            seen = _sums(warehouse)
            assert all(seen[period] in (old[period], new[period]) for period in old), (
                time.monotonic() - started
            )
            assert ingest_source(warehouse, settings, source).refusals == ()
            assert _sums(warehouse) == new
