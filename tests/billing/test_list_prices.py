"""List unit prices that Google's export lacks, taken from its catalogue over gRPC: where SKU, unit, currency and month are
those of the row and nowhere else, told as repairs, costs as they were."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from models.settings import BillingSource
from pipelines.ingest.billing import ingest_source
from tests.billing.conftest import Bills
from tests.billing.gcp_rows import PLAIN, credit
from tests.billing.test_gcp_billing import deliver
from tests.sources.google_catalog import Catalog, serving, sku

TAKEN = "is not delivered: the price of the Cloud Billing catalogue for that month is taken"


def row(sku_id: str, **more: Any) -> dict[str, Any]:
    made = deepcopy(PLAIN) | {
        "sku": {"id": sku_id, "description": sku_id},
        "resource": {"name": f"of {sku_id}"},
    }
    return made | more


def usage(unit: str) -> dict[str, str]:
    return {**PLAIN["usage"], "pricing_unit": unit}


ROWS = {
    "filled": row("ram", usage=usage("gibibyte hour"), credits=[credit("-0.5")]),
    "of another unit": row("ram", usage=usage("hour")),
    "priced already": row(
        "ram", usage=usage("gibibyte hour"), price={"list_price": "7", "pricing_unit_quantity": "1"}
    ),
    "of many units": row("ram", usage=usage("gibibyte hour"), price={"pricing_unit_quantity": "1000"}),
    "tiered": row("tiered", usage=usage("gibibyte hour")),
    "changed": row("changed", usage=usage("gibibyte hour")),
    "unknown": row("unknown", usage=usage("gibibyte hour")),
    "in euros": row("ram", usage=usage("gibibyte hour"), currency="EUR"),
    "of a currency it does not tell": row("ram", usage=usage("gibibyte hour"), currency="JPY"),
}
WANTED = {
    "filled": Decimal("0.004237"),
    "priced already": Decimal(7),
    "in euros": Decimal("0.0039"),
}
CATALOG = {
    "USD": [
        [sku("ram", [(0, 4_237_000)]), sku("tiered", [(0, 0), (1, 0)])],
        [sku("changed", [(1, 0)], [(2, 0)]), sku("other", [(9, 0)])],
    ],
    "EUR": [[sku("ram", [(0, 3_900_000)], currency="EUR")]],
    "JPY": [[sku("ram", [(0, 3_900_000)], currency="USD")]],
}


@pytest.mark.parametrize("form", ["lines", "csv"])
def test_prices_are_taken_where_all_of_a_row_fits(
    bills: Bills, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    rows = []
    for name, one in ROWS.items():
        one["labels"] = [{"key": "case", "value": name}]
        rows.append(one)
    deliver(bills, "export", rows, form)
    plain = BillingSource("google", "gcp-billing", str(bills.folder))
    settings = replace(bills.settings, billing=(plain,))
    without = ingest_source(bills.warehouse, settings, plain)
    assert [one.state for one in without.periods] == ["published"] and not without.repairs

    catalog = Catalog(CATALOG)
    with serving(catalog) as address:
        monkeypatch.setenv("CLOUD_BILLING_EMULATOR_HOST", address)
        asking = replace(plain, list_prices=True)
        filled = ingest_source(bills.warehouse, replace(settings, billing=(asking,)), asking)
        again = ingest_source(bills.warehouse, replace(settings, billing=(asking,)), asking)
    assert [one.state for one in filled.periods] == ["published"], "read in another way, so another delivery"
    assert [one.state for one in again.periods] == ["unchanged"]
    assert (filled.periods[0].sums, filled.periods[0].rows) == (
        without.periods[0].sums,
        without.periods[0].rows,
    )
    found = bills.warehouse.frame_of(
        "SELECT Tags['case'] AS name, ListUnitPrice AS price FROM raw_focus_costs_published WHERE ChargeCategory != 'Credit'"
    )
    assert dict(found.rows()) == dict.fromkeys(ROWS) | WANTED
    assert (
        bills.warehouse.frame_of(
            "SELECT count() FROM raw_focus_costs_published WHERE ChargeCategory = 'Credit' AND ListUnitPrice IS NOT NULL"
        ).item()
        == 0
    )
    assert [(one.subject, one.reason, one.records) for one in filled.repairs] == [
        ("price.list_price", TAKEN, 2)
    ]
    assert sorted(one.currency_code for one in catalog.asked if not one.page_token) == ["EUR", "JPY", "USD"]


def test_a_catalogue_that_does_not_answer_leaves_the_figures_as_they_were(
    bills: Bills, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(bills, "export", [row("ram") | {"service": {"id": "none", "description": "None"}}])
    asking = BillingSource("google", "gcp-billing", str(bills.folder), list_prices=True)
    settings = replace(bills.settings, billing=(asking,))
    with serving(Catalog({})) as address:
        monkeypatch.setenv("CLOUD_BILLING_EMULATOR_HOST", address)
        outcome = ingest_source(bills.warehouse, settings, asking)
    assert not outcome.periods
    assert "refuses service none (NOT_FOUND)" in outcome.refusals[0].sentence
