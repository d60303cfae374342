"""Counts what an object's bytes hold, by a SELECT of its own over the spooled bytes, once per content.

The count is the control total a loaded batch must meet, so nothing here looks at the table.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from models.errors import ObjectRefused, WarehouseError
from models.focus import METRICS
from models.money import exact_total
from models.statement_csv import plain
from pipelines.ingest.billing.delivery import DeliveredObject
from pipelines.ingest.billing.formats import BillFormat, ReadableObject
from pipelines.ingest.billing.ledger import NO_MONTH, Ledger, MonthTotals, Profile
from pipelines.ingest.billing.outcome import Repair
from pipelines.ingest.billing.plan import Candidate
from pipelines.ingest.billing.spooling import Spool
from sql import bill_files
from sql.warehouse import Warehouse

MOST_REJECTS = 1000
"""Rows at fault that are written down per object; the count of all is in the ledger."""

_PLAIN = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?")

OF_ROWS = {
    "blank_rows": "is blank in every column that decides: left out",
    "repeated_rows": "has the line item id and time interval of another row of its file: counted as it stands",
}
"""What a profile may count of rows beside their sums, by its column: how it is told."""


def rules(bill: BillFormat) -> str:
    """Fingerprint of the rules rows are counted by; a profile counted by others is not used."""
    parts = [bill.text(bill.profile), *bill.rules]
    return "rules " + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


class Counter:
    """Profiles of a delivery's objects, remembered by the ledger under their sha256."""

    def __init__(self, warehouse: Warehouse, ledger: Ledger, spool: Spool, bill: BillFormat) -> None:
        self._warehouse, self._ledger, self._spool, self._bill = warehouse, ledger, spool, bill
        self._rules = rules(bill)
        self._known = ledger.profiles(self._rules)
        self.repairs: list[Repair] = []

    def candidate(self, item: DeliveredObject) -> Candidate:
        """An object with its profile.

        Raises:
            ObjectRefused: it cannot be read as a whole, with the row where that is known.
        """
        sha256 = self._spool.sha256(item)
        if sha256 not in self._known:
            profile = self._count(item, sha256)
            self._ledger.remember(item, profile, self._rules)
            self._known[sha256] = profile
        return Candidate(item, self._known[sha256])

    def _count(self, item: DeliveredObject, sha256: str) -> Profile:
        readable = self._spool.readable(item)
        try:
            found = self._warehouse.reading.text(
                self._bill.text(self._bill.profile),
                bill_files.COUNTS_FORMAT,
                readable.file.settings,
                **readable.bound,
            )
        except WarehouseError as error:
            raise self._unreadable(item.name, readable, error) from None
        counted = found.decode("utf-8", "replace")  # what stands for a currency may be any bytes
        skipped = self._skipped(item.name, readable, counted)
        rows = sum(skipped.values())
        if self._bill.preamble_lines and readable.file.format == bill_files.ENGINE_FORMATS["csv"]:
            skipped["stands before the header, as the mapping says: left out"] = self._bill.preamble_lines
        self._tell(item.name, sha256, counted, skipped, rows)
        months = _months(counted)
        if any(month.rejected for month in months.values()):
            faults = self._warehouse.reading.frame_of(
                self._bill.text(self._bill.rejects),
                settings={**readable.file.settings, **bill_files.ROW_BY_ROW},
                most=MOST_REJECTS,
                **readable.bound,
            )
            self._set_aside(item.name, sha256, faults)
            if None in months:
                first = faults.filter(pl.col("period").is_null()).row(0, named=True)
                raise ObjectRefused(
                    item.name,
                    f"{first['column']} {first['value']!r} {first['reason']}, so its month is unknown",
                    first["position"],
                )
        return Profile(
            sha256,
            {period: month for period, month in months.items() if period is not None},
            readable.header.ignored,
        )

    def _set_aside(self, name: str, sha256: str, faults: pl.DataFrame) -> None:
        detail = pl.format("{} {}", "column", pl.col("value").str.slice(0, 80))
        self._ledger.set_aside(name, sha256, faults.with_columns(detail=detail, first_bytes=pl.col("value")))

    def _skipped(self, name: str, readable: ReadableObject, counted: str) -> dict[str, int]:
        """How many rows the mapping leaves out, by why, once its totals are the sums of the rows that are left.

        Raises:
            ObjectRefused: a total is another than the sum, or none that can be compared with it; names its row.
        """
        if not self._bill.skipped:
            return {}
        found = self._warehouse.reading.frame_of(
            self._bill.text(self._bill.skipped),
            settings={**readable.file.settings, **bill_files.ROW_BY_ROW},
            **readable.bound,
        )
        told = {}
        for place, rows, totals in found.select("place", "rows", "totals").iter_rows():
            for total in totals or ():
                row, amount, currency = total.values()
                if fault := total_fault(amount, currency, counted):
                    raise ObjectRefused(name, fault, int(row))
            skip = self._bill.skips[place - 1]
            what = "a total, and equal to the sum of the others" if skip.is_total else "no charge"
            told[f"is {what}, as the mapping says ({skip}): left out"] = int(rows)
        return told

    def _tell(
        self, name: str, sha256: str, counted: str, skipped: Mapping[str, int], skipped_rows: int
    ) -> None:
        """Keeps what the rows of an object are that no cell of them says."""
        told = {reason: _rows_of(counted, kind) for kind, reason in OF_ROWS.items()}
        told[OF_ROWS["blank_rows"]] -= skipped_rows
        told |= skipped
        for reason, rows in told.items():
            if rows:
                repair = Repair(name, NO_MONTH, "row", reason, rows, {})
                self._ledger.repaired([repair], {name: sha256})
                self.repairs.append(repair)

    def _unreadable(self, name: str, readable: ReadableObject, error: WarehouseError) -> ObjectRefused:
        """Why the engine could not read an object; read again in one thread, as only then rows are counted from 1."""
        settings = {**readable.file.settings, **bill_files.ROW_BY_ROW}
        try:
            self._warehouse.reading.text(
                self._bill.text(self._bill.profile), bill_files.COUNTS_FORMAT, settings, **readable.bound
            )
        except WarehouseError as exact:
            error = exact
        position, sentence = bill_files.fault(error)
        return ObjectRefused(name, f"{sentence}: correct it and deliver it again", position)


def total_fault(amount: str, currency: str, counted: str) -> str:
    """What is wrong with a line of a total, of a file whose profile is ``counted``; empty where it is the sum of its rows.

    A total without a currency is compared where the file has one only.
    """
    sums: dict[str, Decimal] = {}
    for line in counted.splitlines():
        row = json.loads(line)
        if int(row["rows"]):
            if int(row["bad_rows"]):
                return ""  # rows that cannot be read refuse their month, and leave no sum to compare with
            exact = exact_total([Decimal(row["sum_BilledCost"]), Decimal(row["residue_BilledCost"])])
            sums[row["currency"]] = exact_total([sums.get(row["currency"], Decimal(0)), exact])
    if not currency and len(sums) > 1:
        return f"is a total {amount} without a currency, and the file has {' and '.join(sorted(sums))}"
    if not _PLAIN.fullmatch(amount):
        return f"is a total, and its BilledCost {amount[:80]!r} is no plain decimal"
    wanted = sums.get(currency.upper(), Decimal(0)) if currency else exact_total(sums.values())
    if Decimal(amount) != wanted:
        return (
            f"is a total of {amount}, and the rows that are left sum to {plain(wanted)}: the export is not whole, or the mapping "
            "leaves out charges"
        )
    return ""


def _rows_of(counted: str, kind: str) -> int:
    """Rows of a kind over all months; a profile that does not look for them has none."""
    return sum(int(json.loads(line).get(kind, 0)) for line in counted.splitlines())


def _months(counted: str) -> dict[date | None, MonthTotals]:
    """Totals by month from the profile's lines, currencies side by side."""
    months: dict[date | None, MonthTotals] = {}
    for line in counted.splitlines():
        row = json.loads(line)
        if int(row["rows"]) == 0:
            continue  # blank rows alone: they have no month
        period = date.fromisoformat(row["period"]) if row["period"] else None
        before = months.get(period, MonthTotals())
        months[period] = MonthTotals(
            before.rows + int(row["rows"]),
            before.rejected + int(row["bad_rows"]),
            {**before.sums, **_metrics(row, "sum")},
            {**before.residues, **_metrics(row, "residue")},
        )
    return months


def _metrics(row: dict[str, Any], kind: str) -> dict[str, Decimal]:
    return {f"{row['currency']}/{metric}": Decimal(row[f"{kind}_{metric}"]) for metric in METRICS}
