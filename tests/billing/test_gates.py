"""The gates between bytes and figures, each tested by breaking what it guards: the old figures stay and it is said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from models.errors import ControlTotalError
from pipelines.compute import compute_costs, compute_identities
from sql.catalog import statement
from sql.publish import head
from tests.billing.conftest import Bills

SEPTEMBER = date(2024, 9, 1)
SYNCHRONOUSLY = {"mutations_sync": 2, "lightweight_deletes_sync": 2}
ONE_MORE = "+ toDecimal128('0.000000000000000001', 18)"

LOADED = {
    "a row dropped": "DELETE FROM raw_focus_costs WHERE {where}",
    "a row doubled": "INSERT INTO raw_focus_costs SELECT * FROM raw_focus_costs WHERE {where}",
    "a free row dropped": "DELETE FROM raw_focus_costs WHERE {free}",
    "a free row doubled": "INSERT INTO raw_focus_costs SELECT * FROM raw_focus_costs WHERE {free}",
    "a row in another currency": "ALTER TABLE raw_focus_costs UPDATE BillingCurrency = 'EUR' WHERE {where}",
    **{
        f"the last digit of {metric}": f"ALTER TABLE raw_focus_costs UPDATE {metric} = {metric} {ONE_MORE} WHERE {{where}}"
        for metric in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
    },
}
ATTRIBUTED = {
    "a row dropped": "DELETE FROM core_app_costs_daily WHERE {where}",
    "a row doubled": "INSERT INTO core_app_costs_daily SELECT * FROM core_app_costs_daily WHERE {where}",
    "everything dropped": "DELETE FROM core_app_costs_daily WHERE {batch}",
    "a row of another source": "ALTER TABLE core_app_costs_daily UPDATE source_name = 'other' WHERE {where}",
    "a row in another currency": "ALTER TABLE core_app_costs_daily UPDATE billing_currency = 'EUR' WHERE {where}",
    "billed and effective exchanged": (
        "ALTER TABLE core_app_costs_daily UPDATE billed_cost = effective_cost, effective_cost = billed_cost WHERE {where}"
    ),
    **{
        f"the last digit of {column}": f"ALTER TABLE core_app_costs_daily UPDATE {column} = {column} {ONE_MORE} WHERE {{where}}"
        for column in ("billed_cost", "effective_cost")
    },
}


@contextmanager
def damaged(
    bills: Bills, monkeypatch: pytest.MonkeyPatch, table: str, texts: Mapping[date, str]
) -> Iterator[None]:
    """Every batch written into ``table`` is damaged between its insert and whatever comes next, each month by its text."""
    way = "load" if table == "raw_focus_costs" else "execute"  # files are loaded, all else is executed
    execute = getattr(bills.warehouse, way)

    def then_damaged(name: str, /, *args: Any, **parameters: Any) -> None:
        execute(name, *args, **parameters)
        if f"INSERT INTO {table}" not in statement(name):
            return
        batch_column, month_column, which, free = {
            "raw_focus_costs": ("x_BatchId", "x_BillingPeriod", "SkuId = '1'", "SkuId = 'free'"),
            "core_app_costs_daily": ("batch_id", "billing_period", "app_id = 'a'", "app_id = 'c'"),
        }[table]
        for month, text in texts.items():
            batch = f"{batch_column} = '{parameters['batch_id']}' AND {month_column} = '{month}'"
            bills.warehouse.execute_text(
                text.format(batch=batch, where=f"{batch} AND {which}", free=f"{batch} AND {free}"),
                settings=SYNCHRONOUSLY,
            )

    with monkeypatch.context() as patch:
        patch.setattr(bills.warehouse, way, then_damaged)
        yield


def rows(cost: str, **month: str) -> list[dict[str, str]]:
    free = dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), "0")
    return [
        {"SkuId": "1", "BilledCost": cost, "EffectiveCost": "7.5", **month},
        {"SkuId": "2", "BilledCost": "100", "EffectiveCost": "90", "Tags": '{"app_id": "b"}', **month},
        {"SkuId": "free", **free, "Tags": '{"app_id": "c"}', **month},
    ]


def of_months(cost: str, months: Iterable[date]) -> list[dict[str, str]]:
    """The same rows in each month."""
    return [
        row
        for month in months
        for row in rows(
            cost,
            BillingPeriodStart=f"{month}",
            BillingPeriodEnd=f"{month.replace(month=month.month + 1)}",
            ChargePeriodStart=f"{month.replace(day=2)}",
            ChargePeriodEnd=f"{month.replace(day=3)}",
        )
    ]


USUAL = (
    "a row dropped",
    "a free row doubled",
    "a row in another currency",
    "the last digit of EffectiveCost",
)


@pytest.mark.parametrize(
    "kinds", [USUAL, pytest.param((*LOADED,), marks=pytest.mark.slow)], ids=["usual", "all"]
)
def test_a_batch_damaged_before_it_is_published_is_refused(
    bills: Bills, focus_csv, monkeypatch: pytest.MonkeyPatch, kinds: tuple[str, ...]
) -> None:
    """Each month of a bill is damaged in another way, and one is not."""
    damage = {date(2024, month, 1): (kind, LOADED[kind]) for month, kind in enumerate(kinds, start=1)}
    sound = date(2024, len(damage) + 1, 1)
    months = [*damage, sound]
    bills.put("a.csv", focus_csv(*of_months("3", months)))
    bills.ingest()
    before = {month: head(bills.warehouse, "billing/bill", month) for month in months}
    assert bills.published() == dict.fromkeys(months, Decimal(103))
    bills.put("a.csv", focus_csv(*of_months("3.5", months)))
    with damaged(bills, monkeypatch, "raw_focus_costs", {month: text for month, (_, text) in damage.items()}):
        outcome = bills.ingest()
    found = {one.period: one for one in outcome.periods}
    published = bills.published()
    for month, (name, _) in damage.items():
        assert found[month].state == "refused", name
        assert "nothing was published" in found[month].reason, name
        assert any(f"{month:%Y-%m}" in one.sentence for one in outcome.refusals), name
        assert published[month] == Decimal(103), name
        assert head(bills.warehouse, "billing/bill", month) == before[month], name
    assert found[sound].state == "published"
    assert published[sound] == Decimal("103.5")
    bills.put("a.csv", focus_csv(*of_months("4", months)))
    assert {one.state for one in bills.ingest().periods} == {"published"}
    assert bills.published() == dict.fromkeys(months, Decimal(104))


def test_attribution_that_loses_or_changes_cost_publishes_nothing(
    bills: Bills, focus_csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    def current() -> list[tuple[Any, ...]]:
        return bills.warehouse.frame_of(
            "SELECT app_id, billed_cost, effective_cost FROM core_app_costs_daily_current ORDER BY app_id"
        ).rows()

    def statement_total() -> Decimal:
        found = bills.warehouse.frame_of("SELECT billed_cost FROM mart_chargeback_lines_current")
        return sum(found["billed_cost"].to_list(), Decimal(0))

    bills.put("a.csv", focus_csv(*rows("3")))
    bills.ingest()
    compute_identities(bills.warehouse, bills.settings)
    compute_costs(bills.warehouse, bills.settings)
    first = [("a", 3, Decimal("7.5")), ("b", 100, 90), ("c", 0, 0)]
    assert current() == first
    before = head(bills.warehouse, "costs", SEPTEMBER)
    bills.put("a.csv", focus_csv(*rows("4")))
    bills.ingest()
    for name, text in ATTRIBUTED.items():
        with (
            damaged(bills, monkeypatch, "core_app_costs_daily", {SEPTEMBER: text}),
            pytest.raises(ControlTotalError, match="the old figures stay"),
        ):
            compute_costs(bills.warehouse, bills.settings)
        assert current() == first, name
        assert head(bills.warehouse, "costs", SEPTEMBER) == before, name
    outcome = compute_costs(bills.warehouse, bills.settings)  # beside eight batches that were damaged
    assert current() == [("a", 4, Decimal("7.5")), *first[1:]]
    assert statement_total() == Decimal(104)
    assert outcome.releases[0].sums == {"USD/BilledCost": Decimal(104), "USD/EffectiveCost": Decimal("97.5")}
    lines = bills.warehouse.frame_of("SELECT count() AS n FROM mart_chargeback_lines_current")["n"][0]
    reasons = bills.warehouse.frame_of("SELECT count() AS n FROM core_identity_costs_current")["n"][0]
    assert reasons == 3
    assert outcome.releases[0].rows == 3 + reasons + lines


IDENTITY = {
    "Tags": '{"app_id": "other"}',
    "ResourceId": "i-2",
    "ResourceName": "two",
    "SubAccountId": "s-2",
    "BillingAccountId": "b-2",
    "x_ResourceGroupName": "group-2",
}
"""What tells two identities apart: column -> another value."""


def test_two_identities_under_one_hash_stop_attribution(bills: Bills, focus_csv) -> None:
    """For every part of an identity: rows that differ in it alone, forced under one hash, are found."""
    plain = {
        "SkuId": "plain",
        **dict.fromkeys(IDENTITY, ""),
        "Tags": '{"app_id": "a"}',
        "BillingAccountId": "b",
    }
    bills.put(
        "a.csv",
        focus_csv(
            plain,
            {**plain, "SkuId": "the same", "BilledCost": "9", "ServiceName": "Storage"},
            *({**plain, "SkuId": column, column: value} for column, value in IDENTITY.items()),
        ),
    )
    bills.ingest()
    found = bills.warehouse.frame_of("SELECT DISTINCT x_IdentityHash FROM raw_focus_costs_published")
    in_bill = [column for column in IDENTITY if column != "x_ResourceGroupName"]
    assert found.height >= 1 + len(in_bill), "each of them is another identity"
    # a resource group is taken from an Azure ResourceId, so one that stands alone is set in the table
    bills.warehouse.execute_text(
        "ALTER TABLE raw_focus_costs UPDATE x_ResourceGroupName = 'group-2' WHERE SkuId = 'x_ResourceGroupName'",
        settings=SYNCHRONOUSLY,
    )
    compute_identities(bills.warehouse, bills.settings)
    for column in IDENTITY:
        bills.warehouse.execute_text(
            "ALTER TABLE raw_focus_costs UPDATE x_IdentityHash = if(SkuId IN ('plain', 'the same', {column:String}),"
            " 1, 1 + cityHash64(SkuId)) WHERE 1",
            settings=SYNCHRONOUSLY,
            column=column,
        )
        variants = dict(
            bills.warehouse.frame("queries/identities/distinct")
            .select("x_IdentityHash", "variants")
            .iter_rows()
        )
        assert variants.pop(1) == 2, column
        assert set(variants.values()) == {1}, column
        with pytest.raises(ControlTotalError, match="two identities of the bill share one hash"):
            compute_identities(bills.warehouse, bills.settings)
