"""The bridge from billed to effective cost, against sums of Python's decimals charge by charge."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.commitments import PARTS, bridges, unused_commitments
from models.errors import ModelError
from models.schemas import MONEY

D = Decimal
MARCH = date(2026, 3, 1)
amounts = st.decimals(D("-1e6"), D("1e6"), places=6)
charges = st.tuples(
    st.sampled_from(("aws", "actual", "amortized")), st.sampled_from(("USD", "EUR")),
    st.sampled_from(("Usage", "Purchase", "Credit")), st.sampled_from(("", "Used", "Unused")), st.booleans(), amounts, amounts,
)  # fmt: skip
SCHEMA = {
    "source_name": pl.String, "billing_currency": pl.String, "charge_category": pl.String, "commitment_status": pl.String,
    "is_commitment": pl.Boolean, "billed_cost": MONEY, "effective_cost": MONEY,
}  # fmt: skip
PAIR = {"actual": "actual + amortized", "amortized": "actual + amortized"}


@given(st.lists(charges, max_size=25))
def test_every_cent_between_billed_and_effective_is_in_one_part(rows: list[tuple]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    wanted: dict[tuple[str, str, str], D] = defaultdict(D)
    for source, currency, category, status, is_commitment, billed, effective in rows:
        place = (PAIR.get(source, source), currency)
        wanted[*place, "billed"] += billed
        wanted[*place, "effective"] += effective
        if not is_commitment:
            wanted[*place, "other"] += effective - billed
            continue
        wanted[*place, "purchases" if category == "Purchase" else "covered"] -= billed
        wanted[*place, "unused" if status == "Unused" else "used"] += effective
    found = bridges(frame, MARCH, PAIR)
    told = {
        (row["source_name"], row["billing_currency"], row["part"]): row["amount"]
        for row in found.iter_rows(named=True)
    }
    assert {key: value for key, value in told.items() if value} == {
        key: value for key, value in wanted.items() if value
    }
    for (source, currency), part in found.group_by("source_name", "billing_currency"):
        assert part["part"].to_list() == list(PARTS), (source, currency)
        assert sum(part["amount"][:-1], D(0)) == part["amount"][-1]


def test_an_unused_commitment_has_its_owner_and_what_was_used_of_it() -> None:
    columns = (
        "source_name",
        "billing_currency",
        "commitment_id",
        "commitment_name",
        "commitment_status",
        "app_id",
        "team",
        "effective_cost",
    )
    rows = [
        ("aws", "USD", "sp", "plan", "Used", "shop", "web", D(30)),
        ("aws", "USD", "sp", "plan", "Used", "batch", "jobs", D("4.5")),
        ("aws", "USD", "sp", "plan", "Unused", "unallocated", "unassigned", D(5)),
        ("aws", "USD", "sp", "plan", "Unused", "unallocated", "unassigned", D("0.25")),
        ("aws", "USD", "ri", "", "Unused", "shop", "web", D(9)),
        ("aws", "USD", "whole", "", "Unused", "shop", "web", D(0)),
        ("aws", "EUR", "sp", "plan", "Used", "shop", "web", D(1)),
    ]  # fmt: skip
    frame = pl.DataFrame(
        rows, schema={**dict.fromkeys(columns, pl.String), "effective_cost": MONEY}, orient="row"
    )
    found = unused_commitments(frame, MARCH)
    assert found.select("commitment_id", "app_id", "team", "unused_cost", "used_cost").rows() == [
        ("ri", "shop", "web", D(9), D(0)),
        ("sp", "unallocated", "unassigned", D("5.25"), D("34.5")),
    ]
    with pytest.raises(ModelError, match="money is"):
        unused_commitments(frame.cast({"effective_cost": pl.Float64}), MARCH)
