"""Columns, fills and split charges of an export, against Python's own arithmetic and the toolkit's rules of split charges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

import polars as pl
import pytest
from focus_data_toolkit.validate.allocation import validate_split_allocation
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ModelError
from models.focus import columns
from models.focus_export import (
    ALLOCATION,
    FILLED,
    OWN,
    SHARED_COSTS,
    SPLIT,
    VERSIONS,
    Share,
    as_csv_cells,
    export_columns,
    exported,
    with_allocations,
    written_columns,
)
from models.money import split
from models.schemas import MONEY

D = Decimal
TIME = pl.Datetime("ns", "UTC")
TYPES = {"decimal": MONEY, "time": TIME}
SCHEMA = {
    **{name: TYPES.get(one.type, pl.String()) for name, one in columns().items()},
    **dict.fromkeys(OWN, pl.String()),
    "x_AttributionConfidence": pl.Float64(),
    "x_SplitOriginId": pl.String(),
    "x_SplitOriginCost": MONEY,
}
money = st.decimals(D("-1e15"), D("1e15"), places=18, allow_nan=False)
weights = st.lists(st.decimals(D(0), D("1e9"), places=6), min_size=1, max_size=12).filter(any)


def charge(**cells: object) -> pl.DataFrame:
    return pl.DataFrame([{"x_SourceName": "aws", "x_AppId": "unallocated", **cells}], schema=SCHEMA)


def test_versions_have_the_columns_the_superset_has_in_them() -> None:
    for version in VERSIONS:
        known = {
            name
            for name, one in columns().items()
            if one.since <= version
            and (not one.removed or one.removed > version)
            and not name.startswith("x_")
        }
        assert {one.name for one in export_columns(version)} == known
        for one in export_columns(version):
            for instead in one.instead:
                assert instead.startswith("=") or instead in columns()
    with pytest.raises(ModelError, match="there are 1.2, 1.4"):
        export_columns("1.3")


@settings(deadline=None)
@given(st.sets(st.sampled_from(sorted(columns()))))
def test_a_file_has_what_is_mandatory_and_what_is_filled(filled: set[str]) -> None:
    for version in VERSIONS:
        written = written_columns(version, filled)
        known = {one.name: one.level for one in export_columns(version)}
        assert len(written) == len(set(written))
        assert {name for name in written if name in known} == {
            name for name, level in known.items() if level == "mandatory" or name in filled
        }
        older = [name for name in ALLOCATION if name in filled and name not in known]
        assert [name for name in written if name.startswith("x_Allocated")] == [f"x_{name}" for name in older]
        assert written[-1] == FILLED


def test_what_may_not_be_null_is_filled_and_told() -> None:
    frame = charge(ProviderName="AWS", BilledCost=D("1.5"), ContractedCost=D(2), ServiceCategory="Compute")
    written = [*written_columns("1.4", {"ServiceSubcategory"})]
    row = exported(frame, "1.4", written).row(0, named=True)
    assert (row["ServiceProviderName"], row["InvoiceIssuerName"]) == ("AWS", "AWS")
    assert (row["ListCost"], row["ServiceSubcategory"]) == (D(2), "Other (Compute)")
    assert set(row[FILLED].split(" ")) == {
        "ServiceProviderName", "InvoiceIssuerName", "ListCost", "ServiceSubcategory",
    }  # fmt: skip
    whole = charge(
        ServiceProviderName="AWS",
        InvoiceIssuerName="AWS",
        ListCost=D(1),
        ContractedCost=D(1),
        ServiceCategory="Web",
    )
    assert exported(whole, "1.4", written_columns("1.4", set())).row(0, named=True)[FILLED] is None
    older = exported(frame, "1.2", written_columns("1.2", {"AllocatedMethodId"})).row(0, named=True)
    assert older["PublisherName"] == "AWS" and "x_AllocatedMethodId" in older


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(SHARED_COSTS), money), weights)
def test_parts_of_a_split_charge_are_the_charge(costs: dict[str, D], given_weights: list[D]) -> None:
    costs = {"BilledCost": D(0), **costs}
    frame = charge(**costs, Tags='{"a":"b"}')
    ratios = split(D(1), given_weights)
    divided = {name: split(amount, given_weights) for name, amount in costs.items()}
    shares = [
        Share(
            f"app-{place}",
            "shared:asked",
            ratios[place],
            {name: parts[place] for name, parts in divided.items()},
            "web",
            confidence=0.5,
            quantity=weight,
            unit="requests",
        )
        for place, weight in enumerate(given_weights)
    ]
    [parts] = with_allocations(frame, lambda _: shares)
    assert parts.schema == frame.schema
    with localcontext() as context:
        context.prec = 80
        for name in SHARED_COSTS:
            if name in costs:
                assert sum(parts[name], D(0)) == costs[name]
            else:
                assert parts[name].null_count() == parts.height
    assert set(parts["Tags"]) == {'{"a":"b"}'}
    assert parts["x_AppId"].to_list() == [one.app_id for one in shares]
    assert set(parts["x_AttributionRule"]) == {"shared:asked"} == set(parts["AllocatedMethodId"])
    rows = [
        {key: "" if value is None else str(value) for key, value in row.items()} for row in parts.to_dicts()
    ]
    with localcontext() as context:  # the toolkit sums in as many digits as its caller has
        context.prec = 80
        assert validate_split_allocation(rows, cost_tolerance=D(0)) == []
    for row, share in zip(rows, shares, strict=True):
        [element] = json.loads(row["AllocatedMethodDetails"], parse_float=D, parse_int=D)["Elements"]
        assert element["UsageQuantity"] == share.quantity and element["UsageUnit"] == "requests"
        assert json.loads(row["AllocatedTags"]) == {"app_id": share.app_id, "team": "web"}
        assert row["AllocatedResourceId"] == share.app_id
    lost = Share("more", "shared:asked", D(0), dict.fromkeys(costs, D("1e-18")))
    with pytest.raises(ModelError, match="the parts of a charge do not sum to it in BilledCost"):
        list(with_allocations(frame, lambda _: [*shares, lost]))


def test_only_what_is_shared_is_split_and_little_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.concat([charge(BilledCost=D(place), ServiceName="ab"[place % 2]) for place in range(9)])
    assert [one.equals(frame) for one in with_allocations(frame, lambda _: [])] == [True]
    monkeypatch.setattr("models.focus_export.MOST_PARTS", 4)

    def halves(row: Mapping[str, Any]) -> list[Share]:
        if row["ServiceName"] == "a":
            return []
        first, second = split(row["BilledCost"], [1, 1])
        return [
            Share(app, "shared:even", D("0.5"), {"BilledCost": part})
            for app, part in (("a", first), ("b", second))
        ]

    pieces = list(with_allocations(frame, halves))
    assert [piece.height for piece in pieces] == [4, 5, 4]
    whole = pl.concat(pieces)
    assert sum(whole["BilledCost"]) == sum(range(9))
    origins = whole.filter(pl.col("AllocatedMethodId").is_not_null()).select(*SPLIT).rows()
    assert origins == [(f"aws/{number}", D(2 * number - 1)) for number in range(1, 5) for _ in range(2)]
    kept = Share("unallocated", "shared:rest", D(1), {"BilledCost": D(3)}, "unassigned", confidence=0.25)
    [row] = next(
        with_allocations(charge(BilledCost=D(3), x_AppId="unallocated"), lambda _: [kept])
    ).to_dicts()
    assert (row["x_AttributionRule"], row["x_AttributionConfidence"]) == ("shared:rest", 0.25)
    assert row["AllocatedMethodId"] is None and row["x_SplitOriginId"] is None


def test_cells_are_written_as_focus_writes_them() -> None:
    frame = pl.DataFrame(
        {
            "a": [D("1.500000000000000000"), D("-0.000000000000000001"), D(100), None],
            "b": ["0", " x", "", None],
        },
        schema={"a": MONEY, "b": pl.String},
    ).with_columns(c=pl.datetime(2026, 3, 1, 4, time_zone="UTC"))
    assert as_csv_cells(frame).rows() == [
        ("1.5", "0", "2026-03-01T04:00:00Z"),
        ("-0.000000000000000001", " x", "2026-03-01T04:00:00Z"),
        ("100", "", "2026-03-01T04:00:00Z"),
        (None, None, "2026-03-01T04:00:00Z"),
    ]
