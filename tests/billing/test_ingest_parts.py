"""What an ingest decides between its steps, without a warehouse: which lines it writes, what it looks up, what it counts once.
Whole ingests: ``test_once`` and ``test_deliveries``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from pipelines.ingest.billing import comparing, counting, ingest, month_lines, writing
from pipelines.ingest.billing.delivery import DeliveredObject
from pipelines.ingest.billing.formats import BILL_FORMATS
from pipelines.ingest.billing.ledger import NO_MONTH, Line, MonthTotals, ObjectMonth, Profile
from pipelines.ingest.billing.outcome import PeriodOutcome, Repair
from pipelines.ingest.billing.plan import Aside, Candidate, MonthPlan
from pipelines.ingest.billing.sameness import Held, Print, Shared
from pipelines.ingest.sources import SourceObject
from sql.publish import Release

SEPTEMBER, OCTOBER = date(2024, 9, 1), date(2024, 10, 1)
SUMS = {"USD/BilledCost": Decimal(3), "USD/EffectiveCost": Decimal(4), "USD/ListCost": Decimal(5)}


def at(hour: int) -> datetime:
    return datetime(2024, 11, 1, hour, tzinfo=UTC)


def candidate(
    name: str, sha256: str, *months: date, hour: int = 1, rows: int = 5, place: str = "", ignored: str = "x"
) -> Candidate:
    item = DeliveredObject(SourceObject(name, 9, at(9), ""), at(hour), run_place=place)
    return Candidate(
        item, Profile(sha256, {month: MonthTotals(rows, 0, SUMS) for month in months}, (ignored,))
    )


A, B = candidate("a", "1", SEPTEMBER, OCTOBER), candidate("b", "2", SEPTEMBER, hour=2, ignored="y")


def month(action: Any = "load", *candidates: Candidate, period: date = SEPTEMBER, **more: Any) -> MonthPlan:
    return MonthPlan(period, action, "because", candidates, **more)


def test_objects_are_loaded_once_with_their_months() -> None:
    copy = candidate("copy of a", "1", SEPTEMBER, OCTOBER)
    header = candidate("header", "3")
    plans = [month("load", A, B, header), month("load", copy, B, period=OCTOBER)]
    assert writing.by_object(plans) == [(A, [SEPTEMBER, OCTOBER]), (B, [SEPTEMBER])]


def test_a_month_holds_what_its_objects_hold_of_it() -> None:
    totals = comparing.expected_of(month("load", A, B, candidate("header", "3"), period=OCTOBER))
    assert (totals.rows, totals.sums) == (5, SUMS)
    assert comparing.expected_of(month("load", A, B)).rows == 10
    assert list(comparing.keys_of(month("load", A, B))) == [("a", SEPTEMBER), ("b", SEPTEMBER)]


def test_costs_without_a_column_are_told_with_the_money_beside_them() -> None:
    empty = replace(A, profile=replace(A.profile, months={**A.profile.months, NO_MONTH: MonthTotals()}))
    money = {key: SUMS[key] for key in ("USD/BilledCost", "USD/EffectiveCost")}
    assert writing.undelivered_costs(empty, ["ListCost"]) == [
        Repair("a", period, "ListCost", "is not delivered: empty", 5, money)
        for period in (SEPTEMBER, OCTOBER)
    ]


@pytest.mark.parametrize(
    ("period", "ends"),
    [
        (date(2024, 2, 1), (2024, 3)),
        (date(2023, 2, 1), (2023, 3)),
        (date(2024, 12, 1), (2025, 1)),
        (SEPTEMBER, (2024, 10)),
    ],
)
def test_a_month_ends_where_the_next_one_begins(period: date, ends: tuple[int, int]) -> None:
    assert comparing.month_ends(period) == datetime(*ends, 1, tzinfo=UTC)


def test_a_hash_below_which_enough_are_found() -> None:
    """Four times as many as a sketch needs, of hashes that are spread evenly; all of them where there are no more."""
    assert comparing.enough_below(400, 100) == 2**64 - 1
    for rows in (401, 800, 10**9):
        assert comparing.enough_below(rows, 100) == 2**64 * 400 // rows


def test_two_objects_of_equal_charges_are_seen() -> None:
    def of(left: Print, right: Print) -> bool:
        found = {
            ("a", SEPTEMBER): ObjectMonth(MonthTotals(), left),
            ("b", SEPTEMBER): ObjectMonth(MonthTotals(), right),
        }
        return comparing.are_twins(month("load", A, B), found)

    assert of(Print(5, 1), Print(5, 1)) and not of(Print(5, 1), Print(5, 2))
    assert not comparing.are_twins(
        month("load", A, B), {("a", SEPTEMBER): ObjectMonth(MonthTotals(), Print(5, 1))}
    )


@pytest.mark.parametrize(
    ("left", "right", "are_runs"),
    [
        (("p/1/a", "p/"), ("p/2/a", "p/"), True),
        (("p/1/a", "p/"), ("p/1/b", "p/"), False),
        (("p/1/a", "p/"), ("q/2/a", "q/"), False),
        (("1/a", ""), ("2/a", ""), False),
        (("1/a", ""), ("2/a", "p/"), False),
    ],
)
def test_folders_of_points_in_time_of_one_place_are_runs(
    left: tuple[str, str], right: tuple[str, str], are_runs: bool
) -> None:
    one, two = (
        candidate(name, sha256, SEPTEMBER, place=place)
        for (name, place), sha256 in ((left, "1"), (right, "2"))
    )
    shared = Shared(SEPTEMBER, Held("", left[0], "1"), Held("", right[0], "2"), 3, 3, 3)
    assert comparing.are_runs(shared, month("load", one, two)) is are_runs


def test_the_older_of_each_pair_is_left_out() -> None:
    third = candidate("c", "3", SEPTEMBER, hour=0)
    plan = month("load", A, B, third)
    pairs = [(A, B), (third, B)]
    shared = [
        Shared(
            SEPTEMBER, Held("", one.item.name, one.sha256), Held("", other.item.name, other.sha256), 3, 3, 3
        )
        for one, other in pairs
    ]
    assert comparing.older_of_pairs(plan, shared) == {"1", "3"}
    assert comparing.older_of_pairs(plan, []) == set()


ASIDE = Aside(B, "unchanged", "a copy")


def test_lines_say_what_became_of_each_object() -> None:
    totals = A.profile.months[SEPTEMBER]
    batch = UUID(int=3)
    assert month_lines.lines_of(month("load", A), "held", "wait", batch) == [
        Line(A.item, "1", SEPTEMBER, "held", "wait", batch, totals)
    ]
    beside = Line(B.item, "2", SEPTEMBER, "unchanged", "a copy")
    assert month_lines.loaded_lines(month("load", A, asides=(ASIDE,)), batch) == [
        Line(A.item, "1", SEPTEMBER, "loaded", "", batch, totals, ("x",)),
        beside,
    ]
    gone = SourceObject("g", 0, at(5), "")
    for action, lines in (
        ("refused", [Line(A.item, "1", SEPTEMBER, "refused", "because", None, totals)]),
        ("superseded", [Line(A.item, "1", SEPTEMBER, "superseded", "because", None, totals)]),
        ("vanished", [Line(DeliveredObject(gone, at(5)), "", SEPTEMBER, "vanished", "because")]),
        ("unchanged", []),
        ("rejected", []),
    ):
        plan = month(action, A, asides=(ASIDE,), vanished=("g",), version=at(5))
        assert month_lines.quiet_lines([plan]) == [*lines, beside], action
    (line,) = month_lines.quiet_lines([month("vanished", vanished=("g",))])
    assert line.item.version == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "reason", "is_note"),
    [
        ("unchanged", "a copy", True),
        ("replaced", "newer", True),
        ("unchanged", "", False),
        ("rejected", "x", False),
        ("loaded", "x", False),
    ],
)
def test_what_counts_otherwise_than_delivered_is_a_note(state: str, reason: str, is_note: bool) -> None:
    assert month_lines.is_note(Line(A.item, "1", SEPTEMBER, state, reason)) is is_note


def test_what_is_kept_is_told_with_its_release() -> None:
    release = Release(
        "billing/s", SEPTEMBER, 0, 2, {}, 7, "f", at(3), at(4), sums=SUMS, residues={"USD/x": Decimal(1)}
    )
    assert ingest._kept(month("unchanged"), release) == PeriodOutcome(
        SEPTEMBER, "unchanged", "because", 7, SUMS, {"USD/x": Decimal(1)}, at(3)
    )
    assert ingest._kept(month("refused"), None) == PeriodOutcome(SEPTEMBER, "refused", "because")


def counted(period: str, currency: str, rows: int, bad: int = 0, blank: int = 0) -> str:
    metrics = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
    line: Mapping[str, Any] = {
        "period": period or None,
        "currency": currency,
        "rows": f"{rows}",
        "bad_rows": f"{bad}",
        "blank_rows": f"{blank}",
        **{f"sum_{name}": f"{rows}.{place}" for place, name in enumerate(metrics)},
        **{f"residue_{name}": f"0.00{place}" for place, name in enumerate(metrics)},
    }
    return json.dumps(line)


def test_counts_of_currencies_stand_side_by_side() -> None:
    lines = [
        counted("2024-09-01", "EUR", 2, bad=1),
        counted("2024-09-01", "USD", 3, bad=2, blank=4),
        counted("", "", 1, bad=1),
        counted("2024-10-01", "", 0, blank=5),
    ]
    months = counting._months("\n".join(lines))
    assert set(months) == {SEPTEMBER, None}
    september = months[SEPTEMBER]
    assert (september.rows, september.rejected, months[None].rows) == (5, 3, 1)
    assert september.sums == {
        **{
            f"EUR/{name}": Decimal(f"2.{place}")
            for place, name in enumerate(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"))
        },
        **{
            f"USD/{name}": Decimal(f"3.{place}")
            for place, name in enumerate(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"))
        },
    }
    assert september.residues["USD/ListCost"] == Decimal("0.002") and len(september.residues) == 8
    assert counting._rows_of("\n".join(lines), "blank_rows") == 9
    assert counting._rows_of("\n".join(lines), "repeated_rows") == 0


def test_rules_are_those_of_what_counts_and_of_what_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    bill = BILL_FORMATS["focus"]
    count, rows = counting.rules(bill), ingest.rows_rules(bill)
    assert count.startswith("rules ") and rows.startswith("rules ") and count != rows
    assert len(count) == len(rows) == len("rules ") + 12
    other = replace(bill, profile="ingest/focus", load="ingest/focus_profile")
    assert counting.rules(other) != count and ingest.rows_rules(other) != rows
    monkeypatch.setattr(type(bill), "rules", ("other",))
    assert counting.rules(bill) != count
    assert ingest.rows_rules(bill) == rows
