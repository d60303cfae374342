"""A small organisation whose bills, owners and rules change month by month, with every total counted by Python."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, localcontext
from pathlib import Path

import pytest

from models.settings import BillingSource, Settings, StatementSettings
from pipelines.compute.costs import compute_costs
from pipelines.compute.identities import compute_identities
from pipelines.compute.registry import compute_registry
from pipelines.ingest.billing import ingest_source
from pipelines.ingest.billing.held import accept, waiting
from pipelines.reports.closing import close_month
from sql.closings import Closing
from sql.warehouse import Warehouse
from tests.conftest import emptied

NOW = datetime(2026, 12, 1, tzinfo=UTC)
COLUMNS = (
    "BilledCost", "EffectiveCost", "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart",
    "ChargePeriodEnd", "ChargeCategory", "ServiceName", "ProviderName", "ResourceId", "Tags", "BillingAccountId",
)  # fmt: skip


@dataclass(frozen=True)
class Charge:
    """One row of a bill; ``app`` is its tag, empty for none."""

    app: str
    billed: Decimal
    effective: Decimal
    currency: str = "USD"
    service: str = "Compute"
    resource: str = ""
    day: int = 2


@dataclass
class Books:
    """A workspace with one source of bills; every step of the way is one call."""

    warehouse: Warehouse
    settings: Settings
    clock: int = field(default=1_796_000_000)

    def bill(self, month: date, charges: Sequence[Charge]) -> None:
        """Delivers a month as it is now, in the place of what it was, and ingests it."""
        path = self.settings.root / "bills" / f"{month:%Y-%m}.csv"
        path.parent.mkdir(exist_ok=True)
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        end = date(month.year + month.month // 12, month.month % 12 + 1, 1)
        for one in charges:
            day = month.replace(day=one.day)
            tags = f'{{"app_id": "{one.app}"}}' if one.app else ""
            writer.writerow(
                [f"{one.billed:f}", f"{one.effective:f}", one.currency, f"{month}T00:00:00Z", f"{end}T00:00:00Z",
                 f"{day}T00:00:00Z", f"{day}T12:00:00Z", "Usage", one.service, "AWS", one.resource, tags, "b"]
            )  # fmt: skip
        path.write_text(text.getvalue())
        self.clock += 60
        os.utime(path, (self.clock, self.clock))
        outcome = ingest_source(self.warehouse, self.settings, self.settings.billing[0])
        assert outcome.refusals == ()
        for held in waiting(
            self.warehouse
        ):  # a month that shrinks or grows much waits for a person, who is us
            accept(self.warehouse, self.settings, held.id, "ada", "a test")
        self.compute()

    def owners(self, teams: dict[str, str]) -> None:
        """Says which team has which app, from now on and before; cost centre of a team is CC-<team>."""
        catalog = self.settings.catalog
        catalog.mkdir(exist_ok=True)
        (catalog / "apps.yaml").write_text(
            "---\n".join(
                "apiVersion: backstage.io/v1alpha1\nkind: Component\n"
                f"metadata: {{name: {app}, title: {app.title()}}}\n"
                f"spec: {{type: service, lifecycle: production, owner: {team}}}\n"
                for app, team in sorted(teams.items())
            )
        )
        self.settings.teams.write_text(
            "teams:\n"
            + "".join(
                f"  - name: {team}\n    lead: Lead of {team}\n    cost_center: CC-{team}\n"
                for team in sorted(set(teams.values()))
            )
        )
        compute_registry(self.warehouse, self.settings)
        self.compute()

    def compute(self) -> None:
        """Identities, costs, statement lines and adjustments."""
        compute_identities(self.warehouse, self.settings)
        outcome = compute_costs(self.warehouse, self.settings)
        assert outcome.refused == ()

    def close(self, month: date, by: str = "ada") -> Closing:
        """Closes a month."""
        return close_month(self.warehouse, self.settings, month, by, NOW)

    def booked(self) -> dict[tuple[date, str], tuple[Decimal, Decimal]]:
        """Billed and effective cost by provider's month and currency, over the statements of every month."""
        frame = self.warehouse.frame_of(
            "SELECT billing_period, toString(billing_currency) AS currency, billed_cost, effective_cost"
            " FROM mart_statement_lines_current WHERE cost_type != 'rounding'"
        )
        return added((row[0], row[1], row[2], row[3]) for row in frame.rows())


def added(
    rows: Iterator[tuple[date, str, Decimal, Decimal]],
) -> dict[tuple[date, str], tuple[Decimal, Decimal]]:
    """Sums by month and currency, those that are nothing left out."""
    sums: dict[tuple[date, str], tuple[Decimal, Decimal]] = {}
    with localcontext() as context:
        context.prec = 80
        for month, currency, billed, effective in rows:
            before = sums.get((month, currency), (Decimal(0), Decimal(0)))
            sums[month, currency] = before[0] + billed, before[1] + effective
    return {key: value for key, value in sums.items() if any(value)}


def of_bills(bills: dict[date, Sequence[Charge]]) -> dict[tuple[date, str], tuple[Decimal, Decimal]]:
    """The same of the bills as they are delivered now."""
    return added(
        (month, one.currency, one.billed, one.effective) for month, ones in bills.items() for one in ones
    )


@pytest.fixture(scope="module")
def engine(fresh_warehouse: Warehouse) -> Warehouse:
    """The warehouse of books, which ``emptied`` makes anew."""
    return fresh_warehouse


def books_in(root: Path, warehouse: Warehouse, **statements: Path) -> Books:
    """Empty books in a folder."""
    settings = Settings(
        root=root,
        catalog=root / "catalog",
        teams=root / "teams.yaml",
        billing=(BillingSource("aws", "focus", "bills", settled_after_days=5, deliveries="replace"),),
        statements=StatementSettings(**statements),
    )
    (root / "bills").mkdir(exist_ok=True)
    (root / "catalog").mkdir(exist_ok=True)
    settings.teams.write_text("")
    return Books(warehouse, settings)


@pytest.fixture
def books(engine: Warehouse, tmp_path: Path) -> Books:
    """Empty books."""
    emptied(engine)
    return books_in(tmp_path, engine)
