"""The bridge from billed to effective cost of real providers' bills, against what their documents say of each line, in decimals."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal

from models.settings import Settings
from pipelines.compute.costs import compute_costs
from pipelines.compute.identities import compute_identities
from pipelines.compute.reporting import compute_reporting
from sql.warehouse import Warehouse
from tests.billing.azure_exports import Charge, Form, every_digit, export  # noqa: F401
from tests.billing.conftest import Bills
from tests.billing.test_aws_cur import NOVEMBER, RI, as_csv, billed, deliver, effective, kept, report
from tests.billing.test_azure import Pair, pair  # noqa: F401

D = Decimal
ZERO = D(0)


def bridge(
    warehouse: Warehouse, settings: Settings, month: date
) -> dict[tuple[str, str], dict[str, Decimal]]:
    """Parts of the month's bridges as published, those of nothing left out; the parts sum to the difference."""
    compute_identities(warehouse, settings)
    assert compute_costs(warehouse, settings).refused == ()
    assert compute_reporting(warehouse, settings).refused == ()
    frame = warehouse.frame(
        "queries/reporting/bridge", billing_period=month, see_whole_bills=True, teams=["x"]
    )
    found: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(dict)
    for row in frame.iter_rows(named=True):
        found[row["source_name"], row["billing_currency"]][row["part"]] = row["amount"]
    for parts in found.values():
        assert sum(parts.values()) - parts["effective"] == parts["effective"]
    assert not warehouse.frame(
        "queries/reporting/bridge", billing_period=month, see_whole_bills=False, teams=["x"]
    ).height
    return {key: {part: amount for part, amount in parts.items() if amount} for key, parts in found.items()}


def test_aws_commitments_are_taken_out_as_billed_and_put_in_as_used_or_not(
    bills: Bills, settings: Settings
) -> None:
    lines = report("bridge", 60, **{"lineItem/UsageAccountId": "000000000002"})
    bills.put("report.csv", as_csv(lines))
    outcome = deliver(bills)
    assert not outcome.refusals
    fees = ("SavingsPlanRecurringFee", "SavingsPlanUpfrontFee", "RIFee")
    covered = ("DiscountedUsage", "SavingsPlanCoveredUsage", "SavingsPlanNegation")
    wanted: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        kind, cost, used = line["lineItem/LineItemType"], kept(billed(line)), kept(effective(line))
        wanted["billed"] += cost
        wanted["effective"] += used
        is_fee = kind in fees or (kind == "Fee" and line["reservation/ReservationARN"] == RI)
        if is_fee:
            wanted["purchases"] -= cost
        elif kind in covered:
            wanted["covered"] -= cost
        else:
            wanted["other"] += used - cost
        if kind in ("SavingsPlanRecurringFee", "RIFee"):
            wanted["unused"] += used
        elif is_fee or kind in covered:
            wanted["used"] += used
    [found] = bridge(bills.warehouse, bills.settings, NOVEMBER).values()
    assert found == {part: amount for part, amount in wanted.items() if amount}
    assert {"purchases", "covered", "used", "unused"} <= set(found)
    unused = bills.warehouse.frame(
        "queries/reporting/unused", billing_period=NOVEMBER, see_whole_bills=True, teams=["x"]
    )
    assert sum(unused["unused_cost"], ZERO) == wanted["unused"]


def test_azures_two_views_are_one_bridge(pair: Pair) -> None:  # noqa: F811
    march = date(2026, 3, 1)
    used = {"kind": "Usage", "model": "Reservation", "resource": "vm-2"}
    actual = [
        Charge(march, D("10.5")),
        Charge(march, D(360), kind="Purchase", model="Reservation", resource="ri"),
        Charge(march, ZERO, **used),
        Charge(march, D("7.25"), currency="EUR"),
    ]
    amortized = [
        Charge(march, D("10.5")),
        Charge(march, D("20.000000000000000001"), **used),
        Charge(march, D("9.5"), kind="UnusedReservation", model="Reservation", resource="ri"),
        Charge(march, D("7.25"), currency="EUR"),
    ]
    form = Form(header="mca", dates="iso", braces=True)
    for view, charges in (("actual", actual), ("amortized", amortized)):
        pair.put(view, "bill.csv", export(charges, form))
        assert not pair.ingest(view).refusals
    # only both together say that usage is billed and effective alike; by hand
    assert bridge(pair.warehouse, pair.settings, march) == {
        ("actual + amortized", "USD"): {
            "billed": D("370.5"), "purchases": D(-360), "used": D("20.000000000000000001"), "unused": D("9.5"),
            "effective": D("40.000000000000000001"),
        },
        ("actual + amortized", "EUR"): {"billed": D("7.25"), "effective": D("7.25")},
    }  # fmt: skip
