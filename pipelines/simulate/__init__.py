"""A simulated fleet with known truth: bills, telemetry, catalogue and teams of a workspace, from one seed.

The same seed, sizes and end date give the same bytes. Nothing here is used by the pipeline that reads them.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from models.errors import ConfigurationError
from pipelines.simulate import aws, azure
from pipelines.simulate.bill import Bill
from pipelines.simulate.draw import draw_fleet
from pipelines.simulate.files import moment, write_text
from pipelines.simulate.fleet import CURRENCIES
from pipelines.simulate.shared import FILE, SharedTruth, rules_text
from pipelines.simulate.telemetry import Telemetry
from pipelines.simulate.truth import (
    Truth,
    app_totals,
    coverage_totals,
    owner_totals,
    period_totals,
    planted,
)
from pipelines.simulate.workspace import write_workspace

__all__ = ["Truth", "simulate"]

FORMAT_VERSION = 1


def simulate(directory: Path, *, apps: int, days: int, seed: int, end: date) -> Truth:
    """Writes a workspace with a simulated fleet and returns what was planted in it.

    Args:
        directory: the workspace; made if need be.
        apps: how many apps, at least 1.
        days: how many days of bills and telemetry, the last of them ``end``; at least 1.
        seed: not negative; same arguments, same bytes.
        end: last day of the data.

    Raises:
        ConfigurationError: a size is out of range, or the folder already holds a workspace.
    """
    if apps < 1 or days < 1 or seed < 0:
        raise ConfigurationError(
            "a fleet needs at least 1 app, 1 day and a seed of 0 or more: correct the numbers"
        )
    if (directory / "appfleet.yaml").exists():
        raise ConfigurationError(f"{directory} already holds a workspace: simulate into a new folder")
    fleet = draw_fleet(apps, days, seed, end)
    write_workspace(fleet, directory, moment(end + timedelta(days=1), 0))
    write_text(directory / FILE, moment(end + timedelta(days=1), 0), rules_text(fleet))
    shared = SharedTruth(fleet)
    bills: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("billing", "app_costs", "owner_costs", "coverage", "ignored_files")
    }
    for cloud in CURRENCIES:
        bill = Bill(fleet, cloud)
        root = directory / "bills" / cloud
        for month, first, stop in fleet.months():
            charges = bill.month(month, first, stop)
            if cloud == "aws":
                bills["ignored_files"] += aws.write_bills(fleet, month, charges, root)
            else:
                azure.write_bills(fleet, month, charges, root)
            bills["billing"].append(period_totals(cloud, month, charges))
            bills["app_costs"] += app_totals(cloud, month, charges)
            bills["owner_costs"] += owner_totals(fleet, cloud, month, charges)
            bills["coverage"] += coverage_totals(cloud, month, charges)
            shared.add(cloud, month, charges)
    telemetry = Telemetry(fleet)
    telemetry.write(directory / "telemetry")
    truth = Truth(
        {
            "version": FORMAT_VERSION,
            "seed": seed,
            "first_day": fleet.first_day.isoformat(),
            "last_day": end.isoformat(),
            "restated": {"source": "aws", "period": aws.restated_month(fleet).isoformat()},
            **bills,
            **planted(fleet, telemetry.counts),
            "shared_costs": shared.answers(telemetry.counts.usage),
        }
    )
    write_text(directory / "truth.json", moment(end + timedelta(days=1), 0), truth.as_text())
    return truth
