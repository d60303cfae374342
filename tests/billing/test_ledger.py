"""What the ledger of a source is given comes back as it was, and what it is asked twice it writes once."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl
import pytest

from models.errors import ConfigurationError
from pipelines.ingest.billing.delivery import DeliveredObject
from pipelines.ingest.billing.held import _named as named
from pipelines.ingest.billing.held import added, at_stake, decided, difference, waiting
from pipelines.ingest.billing.ledger import (
    NO_MONTH,
    Hold,
    Ledger,
    Line,
    MonthTotals,
    ObjectMonth,
    Profile,
    holds,
)
from pipelines.ingest.billing.outcome import BillingOutcome, PeriodOutcome, Refusal, Repair, exact_sum
from pipelines.ingest.billing.sameness import Held, Print, Shared
from pipelines.ingest.sources import SourceObject
from sql.publish import publish
from sql.warehouse import Warehouse

SEPTEMBER, OCTOBER = date(2024, 9, 1), date(2024, 10, 1)
WRITTEN, VERSION = datetime(2024, 10, 2, 3, tzinfo=UTC), datetime(2024, 10, 3, 4, 5, 6, tzinfo=UTC)
ITEM = DeliveredObject(SourceObject("a.csv", 77, WRITTEN, "etag"), VERSION)
LEAST = Decimal("0.000000000000000001")


def totals(number: int) -> MonthTotals:
    """Counts of their own."""
    sums = {"USD/BilledCost": number + LEAST, "EUR/BilledCost": Decimal(-number)}
    return MonthTotals(number, number + 1, sums, {"USD/BilledCost": LEAST.scaleb(-20) * number})


@pytest.fixture
def ledger(warehouse: Warehouse) -> Ledger:
    return Ledger(warehouse, "s")


@pytest.fixture
def other(warehouse: Warehouse) -> Ledger:
    """The ledger of another source, in which nothing of the first is seen."""
    return Ledger(warehouse, "s2")


def test_profiles_are_remembered_under_their_rules(ledger: Ledger, other: Ledger) -> None:
    whole = Profile("1", {SEPTEMBER: totals(3), OCTOBER: totals(5)}, ("x_A", "x_B"))
    empty = Profile("2", {}, ("x_C",))
    for profile in (whole, empty):
        ledger.remember(ITEM, profile, "rules 1")
    ledger.remember(ITEM, replace(whole, months={SEPTEMBER: totals(9)}), "rules 2")
    assert ledger.profiles("rules 1") == {"1": whole, "2": empty}
    assert ledger.profiles("rules 2") == {"1": Profile("1", {SEPTEMBER: totals(9)}, ("x_A", "x_B"))}
    assert ledger.profiles("rules 3") == other.profiles("rules 1") == {}


def test_lines_are_written_with_all_they_say(ledger: Ledger, warehouse: Warehouse) -> None:
    batch = UUID(int=7)
    full = Line(ITEM, "1", SEPTEMBER, "loaded", "because", batch, totals(3), ("x_A",))
    assert ledger.record([full, Line(ITEM, "1", OCTOBER, "vanished")]) != []
    columns = (
        "toString(kind), toString(source_name), object_name, object_sha256, object_bytes, modified_at, toString(signal), period,"
        " toString(batch_id), rows, rejected, toString(sums['EUR/BilledCost']), mapKeys(sums), residues['USD/BilledCost'] > 0, ignored_columns,"
        " toString(state), reason"
    )
    rows = warehouse.frame_of(f"SELECT {columns} FROM raw_deliveries ORDER BY period").rows()
    of_both = ("billing", "s", "a.csv", "1", 77, VERSION, "costs")
    assert rows[0] == (
        *of_both, SEPTEMBER, str(batch), 3, 4, "-3", ["USD/BilledCost", "EUR/BilledCost"], True, ["x_A"], "loaded", "because",
    )  # fmt: skip
    assert rows[1] == (*of_both, OCTOBER, str(UUID(int=0)), 0, 0, "0", [], False, [], "vanished", "")


def test_a_line_that_says_nothing_new_is_left_out_unless_it_loads(ledger: Ledger, other: Ledger) -> None:
    line = Line(ITEM, "1", SEPTEMBER, "refused", "because")
    assert ledger.record([]) == []
    assert ledger.record([line]) == [line]
    assert ledger.record([line]) == []
    assert other.record([line]) == [line]
    news = [
        replace(line, sha256="2"),
        replace(line, sha256="2", state="vanished"),
        replace(line, sha256="2", state="vanished", reason="other"),
        replace(line, period=OCTOBER),
        replace(line, item=replace(ITEM, object=SourceObject("b.csv", 1, WRITTEN, ""))),
    ]
    for one in news:
        assert ledger.record([one]) == [one]
        assert ledger.record([one]) == []
    assert ledger.record([line, news[-1]]) == [line], "what was said before something else is news again"
    assert ledger.record([line], even_if_known=True) == [line]
    loaded = replace(line, state="loaded")
    assert ledger.record([loaded]) == ledger.record([loaded]) == [loaded]


def test_rows_set_aside_are_told_by_their_place(ledger: Ledger, other: Ledger) -> None:
    faults = pl.DataFrame(
        {
            "position": [7, 2],
            "reason": ["is no number", "is no time"],
            "detail": ["BilledCost x", "ChargePeriodStart y"],
            "first_bytes": ["x", "y"],
            "column": ["BilledCost", "ChargePeriodStart"],
        }
    )
    ledger.set_aside("a.csv", "1", faults)
    told = [
        Refusal("b.csv", 2, "ChargePeriodStart y is no time"),
        Refusal("b.csv", 7, "BilledCost x is no number"),
    ]
    assert ledger.rejects("1", "b.csv") == told
    assert ledger.rejects("2", "b.csv") == other.rejects("1", "b.csv") == []


def test_charges_are_remembered_under_their_rules(ledger: Ledger, other: Ledger) -> None:
    print_ = Print(5, 2**64 - 3, {"USD": 5 + LEAST, "EUR": Decimal(0)})
    month = ObjectMonth(totals(5), print_, (1, 2**64 - 1))
    ledger.remember_charges("rules", {})
    ledger.remember_charges("rules", {(Held("", "a.csv", "1"), SEPTEMBER): month})
    assert ledger.prints("rules") == {("1", SEPTEMBER): print_}
    assert ledger.prints("rules")["1", SEPTEMBER].gross == print_.gross
    assert ledger.prints("others") == other.prints("rules") == {}


def test_pairs_that_share_charges_are_remembered(ledger: Ledger, other: Ledger) -> None:
    one, two = Held("", "a.csv", "1"), Held("", "b.csv", "2")
    ledger.remember_overlaps([])
    ledger.remember_overlaps([Shared(SEPTEMBER, one, two, 9, 3, 5), Shared(OCTOBER, two, one, 9, 3, 5)])
    assert ledger.replacements() == {(SEPTEMBER, frozenset("12")), (OCTOBER, frozenset("12"))}
    assert other.replacements() == set()


HOLD = Hold(
    source="s",
    period=SEPTEMBER,
    sha256="0123456789abcdef",
    state="held",
    cause="overlap",
    reason="because",
    batch_id=UUID(int=9),
    rows=41,
    sums={"USD/BilledCost": LEAST, "EUR/EffectiveCost": Decimal(1)},
    residues={"USD/BilledCost": LEAST.scaleb(-20)},
    published_sums={"CHF/BilledCost": Decimal("1234.5")},
    version=VERSION,
    object_names=("a.csv", "b.csv"),
    object_sha256s=("1", "2"),
    new_sha256s=("2",),
    newest_sha256s=("1",),
    kept_sha256s=("1", "2", "3"),
    decided_by="ann",
    why="it is right",
)


def test_what_waits_comes_back_as_it_was_held(ledger: Ledger, other: Ledger, warehouse: Warehouse) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    ledger.hold(HOLD)
    (found,) = ledger.holds()
    assert before <= found.recorded_at <= datetime.now(UTC)
    assert replace(found, recorded_at=HOLD.recorded_at) == HOLD
    assert len({repr(getattr(HOLD, one.name)) for one in fields(Hold)}) == len(fields(Hold)), "no two alike"
    assert other.holds() == []
    other.hold(replace(HOLD, source="s2", period=OCTOBER, state="rejected"))
    ledger.hold(replace(HOLD, state="accepted"))
    ledger.hold(replace(HOLD, period=OCTOBER))
    lines = [(one.source, one.period, one.state, one.is_latest) for one in holds(warehouse)]
    assert lines == [
        ("s", OCTOBER, "held", True),
        ("s", SEPTEMBER, "accepted", True),
        ("s2", OCTOBER, "rejected", True),
        ("s", SEPTEMBER, "held", False),
    ]
    assert [(one.source, one.period) for one in waiting(warehouse)] == [("s", OCTOBER)]
    assert [(one.source, one.state) for one in decided(warehouse)] == [("s", "accepted"), ("s2", "rejected")]
    other.hold(replace(HOLD, source="s2", period=SEPTEMBER))
    assert [(one.source, one.period) for one in waiting(warehouse)] == [("s", OCTOBER), ("s2", SEPTEMBER)]


def test_a_delivery_is_named_by_its_id_or_by_its_beginning(
    ledger: Ledger, other: Ledger, warehouse: Warehouse
) -> None:
    ledger.hold(HOLD)
    ledger.hold(replace(HOLD, period=OCTOBER, sha256="f" * 16, state="accepted"))
    other.hold(replace(HOLD, source="s2", state="lapsed"))
    assert HOLD.id == "s/2024-09/01234567"
    for name in ("s/2024-09/01234567", "s/2024-09", "s/2024-09/"):
        assert named(warehouse, name).period == SEPTEMBER
    assert named(warehouse, "s/2024-10").state == "accepted"
    for name in ("s", "s/2024-0", "s/2024-09/0123", "s2", "s2/2024-09", "x"):
        with pytest.raises(
            ConfigurationError, match=r"no such delivery waits; waiting: s/2024-09/01234567 \("
        ):
            named(warehouse, name)


def test_the_objects_of_what_waits_have_the_totals_of_their_bytes(ledger: Ledger, other: Ledger) -> None:
    ledger.record([Line(ITEM, "1", SEPTEMBER, "held", "because", UUID(int=9), totals(3))])
    (line,) = ledger.held_objects(UUID(int=9), SEPTEMBER)
    want = Line(
        DeliveredObject(SourceObject("a.csv", 77, VERSION, ""), VERSION),
        "1",
        SEPTEMBER,
        "held",
        batch_id=UUID(int=9),
        totals=replace(totals(3), rejected=0),
    )
    assert line == want
    for asked in ((UUID(int=8), SEPTEMBER), (UUID(int=9), OCTOBER)):
        assert ledger.held_objects(*asked) == []
    assert other.held_objects(UUID(int=9), SEPTEMBER) == []


def test_repairs_are_written_with_the_money_beside_them(ledger: Ledger, warehouse: Warehouse) -> None:
    ledger.repaired([], {})
    repair = Repair("a.csv", SEPTEMBER, "Tags", "left empty", 3, {"USD/BilledCost": LEAST}, "an example")
    ledger.repaired([repair], {"a.csv": "1"})
    columns = "toString(kind), toString(source_name), object_name, object_sha256, period, toString(subject), toString(reason)"
    rows = warehouse.frame_of(
        f"SELECT {columns}, records, toString(amounts['USD/BilledCost']), example FROM raw_repairs"
    ).rows()
    assert rows == [
        ("billing", "s", "a.csv", "1", SEPTEMBER, "Tags", "left empty", 3, f"{LEAST:f}", "an example")
    ]


def test_published_is_what_its_releases_and_their_batches_say(
    ledger: Ledger, other: Ledger, warehouse: Warehouse
) -> None:
    batch = UUID(int=5)
    ledger.record(
        [
            Line(ITEM, "1", SEPTEMBER, "loaded", "", batch, totals(3)),
            Line(ITEM, "2", OCTOBER, "loaded", "", batch),
        ]
    )
    given: dict[str, Any] = {"rows": 3, "sha256": "f", "version": VERSION}
    release = publish(warehouse, ledger.scope, SEPTEMBER, batches={"raw_focus_costs": batch}, **given)
    publish(warehouse, f"{ledger.scope}2", OCTOBER, batches={"raw_focus_costs": batch}, **given)
    assert (ledger.scope, ledger.releases()) == ("billing/s", {SEPTEMBER: release})
    assert ledger.published_objects() == {SEPTEMBER: {"a.csv": "1"}}
    assert set(other.releases()) == {OCTOBER}
    assert other.published_objects() == {}


ROWS = [
    # object, currency, billed, effective, hash
    ("a.csv", "USD", "5", "1", 30),
    ("a.csv", "USD", "-2", "1", 10),
    ("a.csv", "EUR", "7", "2", 10),
    ("a.csv", "EUR", "0", "3", 20),
    ("b.csv", "USD", "1", "1", 40),
]


def test_a_batch_is_read_by_object_and_month_its_currencies_side_by_side(
    ledger: Ledger, warehouse: Warehouse
) -> None:
    batch, published = UUID(int=5), UUID(int=6)
    rows = [
        {
            "x_SourceName": "s",
            "x_BillingPeriod": SEPTEMBER,
            "x_BatchId": str(batch),
            "x_ObjectName": name,
            "BillingCurrency": currency,
            "BilledCost": Decimal(billed),
            "EffectiveCost": Decimal(effective),
            "ListCost": Decimal(billed) * 2,
            "x_ChargeHash": hash_,
            "ChargePeriodStart": VERSION,
        }
        for name, currency, billed, effective, hash_ in ROWS
    ]
    published_row = {**rows[0], "x_BatchId": str(published)}
    money = dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost"), pl.Decimal(38, 18))
    frame = pl.DataFrame([*rows, published_row], schema_overrides={**money, "x_ChargeHash": pl.UInt64})
    warehouse.insert("raw_focus_costs", frame)
    found = ledger.batch(batch, [OCTOBER, SEPTEMBER], {"a.csv": 25, "b.csv": 100}, 2)
    assert set(found) == {("a.csv", SEPTEMBER), ("b.csv", SEPTEMBER)}
    month = found["a.csv", SEPTEMBER]
    assert month.totals == MonthTotals(
        4,
        0,
        {
            "USD/BilledCost": Decimal(3), "USD/EffectiveCost": Decimal(2), "USD/ListCost": Decimal(6), "USD/ContractedCost": Decimal(0),
            "EUR/BilledCost": Decimal(7), "EUR/EffectiveCost": Decimal(5), "EUR/ListCost": Decimal(14), "EUR/ContractedCost": Decimal(0),
        },
    )  # fmt: skip
    assert (month.print.rows, month.print.gross) == (4, {"USD": 7, "EUR": 7})
    assert month.sketch == (10, 20)
    assert ledger.batch(batch, [SEPTEMBER], {"a.csv": 100}, 2)["a.csv", SEPTEMBER].sketch == (10, 20)
    assert ledger.batch(batch, [SEPTEMBER], {"a.csv": 100}, 3)["a.csv", SEPTEMBER].sketch == (10, 20, 30)
    hashes = warehouse.frame_of(
        "SELECT cityHash64(x_ChargeHash, BilledCost, EffectiveCost, coalesce(ConsumedQuantity, 0), coalesce(PricingQuantity, 0))"
        " FROM raw_focus_costs WHERE x_ObjectName = 'a.csv' AND x_BatchId = {batch:UUID}",
        batch=batch,
    )
    assert month.print.row_hash_sum == sum(hashes.to_series().to_list()) % 2**64
    covered = ledger.days_covered(SEPTEMBER, batch, published)
    assert (covered.rows, covered.gross) == (5, {"USD": 8, "EUR": 7})


def test_totals_add_up_and_differ_to_the_last_digit() -> None:
    large = Decimal(10) ** 57
    parts = [
        MonthTotals(2, 9, {"USD/x": large}, {"USD/x": LEAST}),
        MonthTotals(3, 9, {"USD/x": LEAST, "EUR/x": Decimal(1)}),
    ]
    total = added(parts)
    assert (total.rows, total.rejected, total.residues) == (5, 0, {"USD/x": LEAST})
    assert total.sums == {"USD/x": exact_sum(large, LEAST), "EUR/x": 1}
    assert exact_sum(exact_sum(large, LEAST), -large) == LEAST
    assert difference(total, replace(total, rejected=7, residues={})) == ""
    assert difference(total, replace(total, rows=4)) == "the bytes hold 5 rows, the table 4"
    few, more = (
        MonthTotals(5, 0, {"USD/x": Decimal(1)}),
        MonthTotals(5, 0, {"USD/x": 1 + LEAST, "EUR/x": Decimal(0)}),
    )
    assert difference(few, more) == f"the bytes sum to 1 USD/x, the table to {1 + LEAST:f}"
    assert (
        difference(MonthTotals(), MonthTotals(0, 0, {"EUR/x": Decimal(2)}))
        == "the bytes sum to 0 EUR/x, the table to 2"
    )
    assert (
        difference(MonthTotals(0, 0, {"EUR/x": Decimal(2)}), MonthTotals())
        == "the bytes sum to 2 EUR/x, the table to 0"
    )


def test_the_money_of_a_decision_is_told_by_currency() -> None:
    line = replace(HOLD, sums={"USD/BilledCost": Decimal("1234.5"), "USD/EffectiveCost": Decimal(9)})
    assert at_stake(line) == (
        "CHF 0.00 billed would count, 1,234.50 is published, USD 1,234.50 billed would count, 0.00 is published"
    )
    assert at_stake(replace(HOLD, sums={}, published_sums={})) == "no money would count"


def test_an_outcome_adds_up_what_it_published() -> None:
    periods = tuple(
        PeriodOutcome(SEPTEMBER, state, "", rows, {"USD/x": Decimal(rows) + LEAST})  # type: ignore[arg-type]
        for state, rows in (("published", 2), ("held", 3), ("published", 5), ("unchanged", 9))
    )
    outcome = BillingOutcome("s", periods)
    assert [one.rows for one in outcome.published] == [2, 5]
    assert [one.rows for one in outcome.held] == [3]
    assert (outcome.rows, outcome.sums) == (7, {"USD/x": 7 + 2 * LEAST})


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (Refusal("a.csv", 0, "it is empty"), "a.csv: it is empty"),
        (Refusal("a.csv", 1, "no number"), "a.csv, row 1: no number"),
        (
            Repair("a.csv", SEPTEMBER, "Tags", "left empty", 1200, {"USD/BilledCost": LEAST, "EUR/BilledCost": Decimal(2), "EUR/EffectiveCost": Decimal(9)}, "x'"),
            f"a.csv, 2024-09: Tags left empty, in 1,200 row(s) of EUR 2, USD {LEAST:f} billed (as \"x'\")",
        ),
        (Repair("a.csv", NO_MONTH, "row", "left out", 1, {}), "a.csv: row left out, in 1 row(s) of no money billed"),
        (Repair("a.csv", date(1971, 1, 1), "row", "left out", 1, {}), "a.csv, 1971-01: row left out, in 1 row(s) of no money billed"),
    ],
)  # fmt: skip
def test_what_is_said_names_object_row_and_money(said: Refusal | Repair, sentence: str) -> None:
    assert str(said) == sentence
