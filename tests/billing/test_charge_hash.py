"""What tells charges apart: the same charge has the same hash in any file, format, order and spelling of its amounts."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

from tests.billing.conftest import ROW, Bills

CHARGE = {
    **ROW,
    "BilledCost": "12.345678901234",
    "EffectiveCost": "0.1",
    "ResourceId": "r",
    "SubAccountId": "s",
    "SkuId": "k",
    "SkuPriceId": "p",
    "ChargeDescription": "d",
    "RegionId": "eu",
    "ConsumedQuantity": "2678400123456.789",
    "PricingQuantity": "0.3",
    "ChargeClass": "",
    "Tags": '{"app_id": "a", "env": "prod"}',
}
"""One charge with everything that is hashed."""


def test_the_same_charge_hashes_the_same_whatever_wrote_it(bills: Bills, focus_csv) -> None:
    """Each spelling is charged to an account of its own, which is not hashed, and lies beside the others."""
    spellings: dict[str, dict[str, str]] = {
        "plain": {},
        "places": {"BilledCost": "12.3456789000000000000000001"},
        "exponent": {"EffectiveCost": "1e-1"},
        "printed-from-a-double": {"ConsumedQuantity": "2678400123456.7888183"},
        "tags-in-another-order": {"Tags": '{"env": "prod", "app_id": "a"}'},
        "null-as-a-word": {"ChargeClass": "NULL"},
        "unhashed": {"ServiceCategory": "Compute", "InvoiceId": "i", "ListCost": "99"},
    }
    bills.put(
        "spellings.csv",
        focus_csv(*({**CHARGE, **cells, "BillingAccountId": name} for name, cells in spellings.items())),
    )
    row = next(csv.DictReader(io.StringIO(focus_csv(CHARGE), newline="")))
    amounts = ("BilledCost", "EffectiveCost", "ConsumedQuantity", "PricingQuantity")
    table = {
        name: pa.array([float(value)]) if name in amounts else pa.array([value or None], pa.string())
        for name, value in {**row, "BillingAccountId": "parquet"}.items()
    }
    bills.put("parquet.parquet", b"")
    pq.write_table(pa.table(table), bills.folder / "parquet.parquet")
    bills.ingest()
    frame = bills.warehouse.frame_of(
        "SELECT BillingAccountId AS name, x_ChargeHash AS hash FROM raw_focus_costs"
    )
    assert frame["hash"].dtype.is_unsigned_integer()
    assert sorted(frame["name"]) == sorted([*spellings, "parquet"])
    assert frame["hash"].n_unique() == 1


def test_what_tells_charges_apart_changes_the_hash(bills: Bills, focus_csv) -> None:
    other = {
        "BillingPeriodEnd": CHARGE["BillingPeriodEnd"],
        "BillingPeriodStart": CHARGE["BillingPeriodStart"],
        "ChargePeriodStart": "2024-09-02T01:00:00Z",
        "ChargePeriodEnd": "2024-09-03T01:00:00Z",
        "BillingCurrency": "EUR",
        "Tags": '{"app_id": "a", "env": "dev"}',
        "ChargeCategory": "Credit",
        "ChargeClass": "Correction",
    }
    unhashed = ("ListCost", "ContractedCost", "BillingAccountId", "ProviderName", *list(other)[:2])

    def changed(name: str) -> str:
        is_amount = CHARGE[name].replace(".", "").isdigit()
        return other.get(name, str(Decimal(CHARGE[name]) * 2) if is_amount else f"other {CHARGE[name]}")

    bills.put(
        "a.csv", focus_csv(CHARGE, *({**CHARGE, name: changed(name), "InvoiceId": name} for name in CHARGE))
    )
    assert bills.ingest().refusals == ()
    frame = bills.warehouse.frame_of(
        "SELECT ifNull(InvoiceId, '') AS changed, x_ChargeHash AS hash FROM raw_focus_costs"
    )
    hashes = dict(frame.rows())
    plain = hashes.pop("")
    assert set(hashes) == set(CHARGE)
    assert {name for name, found in hashes.items() if found == plain} == set(unhashed)
    told_apart = [found for name, found in hashes.items() if name not in unhashed]
    assert len(told_apart) == len(set(told_apart))
