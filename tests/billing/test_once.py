"""A charge counts once: sameness by content whatever the name, packing, order and format; what cannot be told is held."""

from __future__ import annotations

import csv
import gzip
import io
import os
import random
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import ConfigurationError, ControlTotalError
from pipelines.ingest.billing import BillingOutcome, held
from pipelines.ingest.billing.held import accept, reject, waiting
from pipelines.ingest.billing.ledger import Ledger
from tests.billing.conftest import OCTOBER, ROW, Bills

SEPTEMBER, OCTOBER_1 = date(2024, 9, 1), date(2024, 10, 1)
AMOUNTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ConsumedQuantity", "PricingQuantity")
Row = dict[str, str]


def rows_of(seed: object, count: int, **more: str) -> list[Row]:
    """Charges that no other seed has; costs with places that doubles do not keep."""
    dice = random.Random(f"rows {seed}")
    return [
        {
            **ROW,
            "BilledCost": f"{dice.randint(-10_000, 90_000)}.{dice.randint(0, 10**9):09d}",
            "EffectiveCost": f"{dice.randint(0, 100)}.{dice.randint(0, 10**6):06d}",
            "ChargePeriodStart": f"2024-09-{1 + number % 28:02d}T00:00:00Z",
            "ChargePeriodEnd": f"2024-09-{1 + number % 28:02d}T01:00:00Z",
            "ResourceId": f"r-{seed}-{number}",
            "ConsumedQuantity": str(number),
            "PricingQuantity": f"{number}.5",
            "Tags": f'{{"app_id": "a", "n": "{number}"}}',
            **more,
        }
        for number in range(count)
    ]


def total(rows: Iterable[Row]) -> Decimal:
    return sum((Decimal(row["BilledCost"]) for row in rows), Decimal(0))


def as_csv(rows: list[Row]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]) if rows else [*ROW, "ResourceId"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def as_parquet(rows: list[Row], amounts: pa.DataType | None = None) -> bytes:
    arrays = {
        name: pa.array([float(r[name]) for r in rows])
        if amounts == pa.float64() and name in AMOUNTS
        else pa.array([Decimal(r[name]) for r in rows], amounts)
        if amounts is not None and name in AMOUNTS
        else pa.array([r[name] or None for r in rows], pa.string())
        for name in rows[0]
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(arrays), sink)
    return sink.getvalue()


def shuffled(rows: list[Row], seed: int = 1) -> list[Row]:
    rows = list(rows)
    random.Random(seed).shuffle(rows)
    return rows


def billed(bills: Bills, source: str) -> dict[date, Decimal]:
    """Published BilledCost of a source by month, summed here."""
    frame = bills.warehouse.frame_of(
        "SELECT x_BillingPeriod AS period, BilledCost AS cost FROM raw_focus_costs_published WHERE x_SourceName = {source:String}",
        source=source,
    )
    sums: dict[date, Decimal] = {}
    for row in frame.iter_rows(named=True):
        sums[row["period"]] = sums.get(row["period"], Decimal(0)) + row["cost"]
    return sums


def states(outcome: BillingOutcome) -> dict[date, str]:
    return {one.period: one.state for one in outcome.periods}


def ingest(bills: Bills, source: str, **settings: str) -> BillingOutcome:
    """An ingest of the source whose folder is named as it is."""
    outcome = bills.ingest(name=source, location=f"bills/{source}", **settings)
    assert outcome.refusals == ()
    return outcome


PACKINGS = {
    "its own bytes": lambda rows: ("copy/bill.csv", as_csv(rows)),
    "packed": lambda rows: ("bill.csv.gz", gzip.compress(as_csv(rows))),
    "packed twice": lambda rows: (
        "again.csv.gz",
        gzip.compress(as_csv(rows)[:99]) + gzip.compress(as_csv(rows)[99:]),
    ),
    "in another order": lambda rows: ("order.csv", as_csv(shuffled(rows))),
    "columns in another order": lambda rows: (
        "columns.csv",
        as_csv([dict(reversed(r.items())) for r in rows]),
    ),
    "as Parquet of text": lambda rows: ("text.parquet", as_parquet(shuffled(rows))),
    "as Parquet of decimals": lambda rows: ("decimals.parquet", as_parquet(rows, pa.decimal128(38, 18))),
    "with a byte order mark": lambda rows: ("mark.csv", b"\xef\xbb\xbf" + as_csv(rows)),
    "amounts written otherwise": lambda rows: (
        "amounts.csv",
        as_csv([{**r, "BilledCost": f"{Decimal(r['BilledCost']) * 1000:f}e-3"} for r in rows]),
    ),
    "tags in another order": lambda rows: (
        "tags.csv",
        as_csv([{**r, "Tags": f'{{"n": "{r["ConsumedQuantity"]}", "app_id": "a"}}'} for r in rows]),
    ),
}


def test_a_bill_counts_once_however_it_lies_there_twice(bills: Bills) -> None:
    rows = rows_of("packings", 40)
    bills.put("together/bill.csv", as_csv(rows))
    for packed in PACKINGS.values():
        name, content = packed(rows)
        bills.put(f"together/{name}", content)
    outcome = ingest(bills, "together")
    assert billed(bills, "together") == {SEPTEMBER: total(rows)}
    assert sum("counted once" in note for note in outcome.notes) == len(PACKINGS)
    again = ingest(bills, "together")
    assert (states(again), again.notes) == ({SEPTEMBER: "unchanged"}, ())
    assert waiting(bills.warehouse) == []


IN_A_TEST = ("packed", "as Parquet of text")
"""One copy that is told by its bytes and one that is told by its charges."""


@pytest.mark.parametrize(
    "packings", [IN_A_TEST, pytest.param(tuple(PACKINGS), marks=pytest.mark.slow)], ids=["two", "all"]
)
def test_a_copy_that_is_delivered_later_counts_once(bills: Bills, packings: tuple[str, ...]) -> None:
    rows = rows_of("packings", 40)
    bills.put("s/bill.csv", as_csv(rows))
    ingest(bills, "s")
    for what in packings:
        name, content = PACKINGS[what](rows)
        bills.put(f"s/{name}", content)
        outcome = ingest(bills, "s")
        assert not outcome.held, what
        assert billed(bills, "s") == {SEPTEMBER: total(rows)}, what
        assert any("counted once" in note for note in outcome.notes), what
    again = ingest(bills, "s")
    assert (states(again), again.notes) == ({SEPTEMBER: "unchanged"}, ())
    assert waiting(bills.warehouse) == []


def test_a_copy_printed_from_doubles_is_held_and_never_added(bills: Bills) -> None:
    rows = [{**row, "BilledCost": f"{row['BilledCost']}123456"} for row in rows_of("doubles", 40)]
    bills.put("s/bill.csv", as_csv(rows))
    bills.put("s/bill.parquet", as_parquet(rows, pa.float64()))
    outcome = ingest(bills, "s")
    assert states(outcome) == {SEPTEMBER: "held"}
    assert billed(bills, "s") == {}
    assert "would count twice" in outcome.held[0].reason


def in_month(rows: list[Row], month: int) -> list[Row]:
    """The rows in another billing month of 2023."""
    following = f"2023-{month + 1:02d}" if month < 12 else "2024-01"
    return [
        {
            **row,
            "BillingPeriodStart": f"2023-{month:02d}-01T00:00:00Z",
            "BillingPeriodEnd": f"{following}-01T00:00:00Z",
            **{name: f"2023-{month:02d}{row[name][7:]}" for name in ("ChargePeriodStart", "ChargePeriodEnd")},
        }
        for row in rows
    ]


SHARES = (0, 1, 2, 3, 4, 5, 10, 25, 50, 90, 99, 100)


@pytest.mark.parametrize(
    ("size", "published", "shares"),
    [
        (60, 301, SHARES),
        (3000, 3001, (5, 25)),
        pytest.param(60, 3001, SHARES, marks=pytest.mark.slow),
        pytest.param(3000, 3001, SHARES, marks=pytest.mark.slow),
    ],
)
def test_shared_charges_are_held_from_a_tenth_on(
    bills: Bills, size: int, published: int, shares: tuple[int, ...]
) -> None:
    """In each month another share, in percent, of a new object's charges is in the published one, which is larger."""
    old, new = {}, {}
    for number, share in enumerate(shares):
        old[number + 1] = in_month(rows_of((share, "old"), published), number + 1)
        of_month = in_month(rows_of((share, "new"), size), number + 1)
        shared = size * share // 100
        new[number + 1] = shuffled([*old[number + 1][:shared], *of_month[shared:]])
    bills.put("s/a.csv", as_csv([row for rows in old.values() for row in rows]))
    ingest(bills, "s")
    bills.put("s/b.parquet", as_parquet([row for rows in new.values() for row in rows]))
    outcome = ingest(bills, "s")
    found = billed(bills, "s")
    for number, share in enumerate(shares):
        month = date(2023, number + 1, 1)
        held = states(outcome)[month] == "held"
        both = [*old[number + 1], *new[number + 1]]
        assert found[month] == total(old[number + 1] if held else both), share
        assert held or share < 25 - 15 * (size == 60), share
        assert not held or share > 5, share


def test_a_small_published_object_inside_a_large_new_one_is_seen(bills: Bills) -> None:
    small, large = rows_of("small", 5), rows_of("large", 6000)
    bills.put("s/small.csv", as_csv(small))
    ingest(bills, "s")
    bills.put("s/large.csv", as_csv([*large, *small]))
    assert states(ingest(bills, "s")) == {SEPTEMBER: "held"}
    assert billed(bills, "s") == {SEPTEMBER: total(small)}


def test_few_distinct_charges_in_many_rows_are_compared_too(bills: Bills) -> None:
    fees = [row for row in rows_of("fees", 3) for _ in range(4000)]
    bills.put("s/a.csv", as_csv(fees))
    ingest(bills, "s")
    bills.put("s/b.csv", as_csv([*fees, *rows_of("more", 2)]))
    assert states(ingest(bills, "s")) == {SEPTEMBER: "held"}
    assert billed(bills, "s") == {SEPTEMBER: total(fees)}


def test_hourly_bills_and_part_files_never_hold_each_other(bills: Bills) -> None:
    """Hour after hour the same resources with the same amounts; parts cut from one bill that has equal rows."""
    hours: list[Row] = []
    for hour in range(3):
        of_hour = [
            {
                **row,
                "ChargePeriodStart": f"2024-09-10T{hour:02d}:00:00Z",
                "ChargePeriodEnd": f"2024-09-10T{hour + 1:02d}:00:00Z",
            }
            for row in rows_of("hourly", 30)
        ]
        hours += of_hour
        bills.put(f"hourly/2024-09-10-{hour:02d}.csv", as_csv(of_hour))
        assert states(ingest(bills, "hourly")) == {SEPTEMBER: "published"}
        assert billed(bills, "hourly") == {SEPTEMBER: total(hours)}
    bill = [*rows_of("parts", 200), *rows_of("fee", 1) * 10]
    dealt = shuffled(bill)
    for part in range(3):
        bills.put(f"parts/part-{part:05d}.csv", as_csv(dealt[part::3]))
    assert states(ingest(bills, "parts")) == {SEPTEMBER: "published"}
    assert billed(bills, "parts") == {SEPTEMBER: total(bill)}


def test_month_to_date_under_new_names_is_held_or_as_the_source_declares(bills: Bills) -> None:
    month = rows_of("month", 50)
    days = [month[:30], month[:40], month]

    def put(source: str, day: int) -> None:
        rows = [{**row, "SubAccountId": source} for row in days[day]]
        bills.put(f"{source}/2024-09-{day + 7:02d}.csv", as_csv(rows))

    for day, rows in enumerate(days):
        put("replace", day)
        replaced = ingest(bills, "replace", deliveries="replace")
        assert billed(bills, "replace") == {SEPTEMBER: total(rows)}
        assert any("replaces it" in note for note in replaced.notes) == bool(day)
    again = ingest(bills, "replace", deliveries="replace")
    assert (states(again), again.notes) == ({SEPTEMBER: "unchanged"}, ())
    for later in ((0,), (1, 2)):
        for day in later:
            put("undeclared", day)
            put("add", day)
        assert states(ingest(bills, "undeclared")) == {SEPTEMBER: "held" if later[0] else "published"}
        assert billed(bills, "undeclared") == {SEPTEMBER: total(days[0])}
        ingest(bills, "add", deliveries="add")
        added = (total(rows) for rows in days[: later[-1] + 1])
        assert billed(bills, "add") == {SEPTEMBER: sum(added, Decimal(0))}
    (line,) = waiting(bills.warehouse)
    assert (line.source, line.cause) == ("undeclared", "overlap")
    assert line.sums["USD/BilledCost"] == sum((total(d) for d in days), Decimal(0))
    assert line.published_sums["USD/BilledCost"] == total(days[0])


def test_replacing_keeps_the_bills_of_other_accounts(bills: Bills) -> None:
    one, two = rows_of("one", 40), rows_of("two", 40)
    for name, rows in (("one-07", one[:30]), ("two-07", two[:20]), ("one-08", one), ("two-08", two)):
        bills.put(f"s/{name}.csv", as_csv(rows))
    ingest(bills, "s", deliveries="replace")
    assert billed(bills, "s") == {SEPTEMBER: total([*one, *two])}


def test_the_same_charges_in_two_sources_are_held_in_the_second(bills: Bills) -> None:
    rows = rows_of("shared", 40)
    other = rows_of("other", 20)
    bills.put("first/a.csv", as_csv(rows))
    bills.put("second/b.parquet", as_parquet(shuffled([*rows[:20], *other])))
    bills.put("third/c.csv", as_csv(rows_of("third", 40)))
    for source in ("first", "third"):
        assert states(ingest(bills, source)) == {SEPTEMBER: "published"}
    outcome = ingest(bills, "second")
    assert states(outcome) == {SEPTEMBER: "held"}
    assert "a.csv of source first" in outcome.held[0].reason
    assert "20 rows" not in outcome.held[0].reason
    # The first delivers something else: nothing is shared any more, and the delivery counts from what is loaded.
    bills.put("first/a.csv", as_csv(rows_of("restated", 40)))
    ingest(bills, "first")
    assert states(ingest(bills, "second")) == {SEPTEMBER: "published"}
    assert billed(bills, "second") == {SEPTEMBER: total([*rows[:20], *other])}
    assert waiting(bills.warehouse) == []


def test_an_overlap_of_few_rows_in_each_of_two_months_is_held(bills: Bills) -> None:
    both = [*rows_of("sep", 8), *[{**row, **OCTOBER} for row in rows_of("oct", 8)]]
    bills.put("s/a.csv", as_csv([*both[:6], *both[8:14]]))
    bills.put("s/b.csv", as_csv([*both[4:8], *both[12:]]))
    outcome = ingest(bills, "s")
    assert states(outcome) == {SEPTEMBER: "held", OCTOBER_1: "held"}


def test_content_at_a_name_counts_whatever_its_time(bills: Bills) -> None:
    rows = rows_of("right", 10)
    wrong = [{**row, "BilledCost": f"{Decimal(row['BilledCost']) * Decimal('1.25'):f}"} for row in rows]
    path = bills.put("s/bill.csv", as_csv(wrong))
    ingest(bills, "s")
    for right in (rows, wrong, rows):
        path.write_bytes(as_csv(right))
        os.utime(path, (1_600_000_000, 1_600_000_000))
        assert states(ingest(bills, "s")) == {SEPTEMBER: "published"}
        assert billed(bills, "s") == {SEPTEMBER: total(right)}
    path.unlink()
    older = bills.put("s/other.csv", as_csv(wrong))
    os.utime(older, (1_500_000_000, 1_500_000_000))
    outcome = ingest(bills, "s")
    assert states(outcome) == {SEPTEMBER: "superseded"}
    assert "other.csv" in outcome.periods[0].reason
    assert billed(bills, "s") == {SEPTEMBER: total(rows)}


def test_a_rolling_file_is_right_and_quiet(bills: Bills) -> None:
    september, october = rows_of("rolling", 20), [{**row, **OCTOBER} for row in rows_of("rolled", 5)]
    for rows in (september[:10], september, october[:2], october):
        bills.put("s/current.csv", as_csv(rows))
        outcome = ingest(bills, "s")
        assert outcome.notes == ()
    assert states(outcome) == {SEPTEMBER: "unchanged", OCTOBER_1: "published"}
    assert billed(bills, "s") == {SEPTEMBER: total(september), OCTOBER_1: total(october)}
    bills.put("s/current.csv", as_csv([]))
    outcome = ingest(bills, "s")
    assert states(outcome) == {SEPTEMBER: "unchanged", OCTOBER_1: "held"}
    # What only adds to a month whose rolling file went on would replace it: nobody can tell.
    bills.put("s/current.csv", as_csv(october))
    bills.put("s/late.csv", as_csv(rows_of("late", 15)))
    outcome = ingest(bills, "s")
    assert states(outcome) == {SEPTEMBER: "held", OCTOBER_1: "unchanged"}
    assert "current.csv holds other months now" in outcome.held[0].reason
    assert billed(bills, "s") == {SEPTEMBER: total(september), OCTOBER_1: total(october)}


RUNS = (
    [f"focus/20231101-20231130/{n}1111111-2222-3333-4444-555555555555" for n in "9ab"],
    [f"focus/20231201-20231231/2023121{n}0102/{n}1111111-2222-3333-4444-555555555555" for n in "123"],
    [
        f"exp/data/BILLING_PERIOD=2023-10/2023-10-1{n}T01:02:03.456Z-{n}1111111-2222-3333-4444-555555555555"
        for n in "012"
    ],
)
"""Folders of the runs of an export, by its layout."""


@pytest.mark.parametrize("runs", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_run_folders_are_one_delivery_each_and_the_newest_counts(bills: Bills, runs: int) -> None:
    layouts = {date(2023, month, 1): folders for month, folders in zip((11, 12, 10), RUNS, strict=True)}
    parts = {month: 2 if month.month == 11 else 1 for month in layouts}
    published = {}
    for number in range(runs):
        for month, folders in layouts.items():
            rows = [
                {**row, "EffectiveCost": str(number)}
                for row in in_month(rows_of(month, 40)[: 20 + 10 * number], month.month)
            ]
            for part in range(parts[month]):
                bills.put(f"s/{folders[number]}/part_{part}_0001.csv", as_csv(rows[part :: parts[month]]))
            published[month] = total(rows)
        outcome = ingest(bills, "s")
        assert states(outcome) == dict.fromkeys(layouts, "published")
        assert billed(bills, "s") == published
        assert len(outcome.notes) == (sum(parts.values()) if number else 0)
    assert ingest(bills, "s").notes == ()
    for month, folders in layouts.items():
        bills.put(f"s/{folders[runs - 1]}/part_{parts[month] - 1}_0001.csv", "no,bill\n")
    outcome = bills.ingest(name="s", location="bills/s")
    assert states(outcome) == dict.fromkeys(layouts, "refused")
    assert billed(bills, "s") == published


def test_folders_of_subscriptions_and_of_hours_are_no_runs(bills: Bills) -> None:
    accounts = [rows_of(n, 10) for n in range(2)]
    for number, rows in enumerate(accounts):
        bills.put(f"guids/{number}1111111-2222-3333-4444-555555555555/bill.csv", as_csv(rows))
        bills.put(f"accounts/12345678901{number}/bill.csv", as_csv([{**r, "RegionId": "x"} for r in rows]))
        bills.put(
            f"hours/2024-09-10T0{number}:00:00Z/bill.csv", as_csv([{**r, "RegionId": "y"} for r in rows])
        )
    for source in ("guids", "accounts", "hours"):
        ingest(bills, source)
        assert billed(bills, source) == {SEPTEMBER: sum((total(rows) for rows in accounts), Decimal(0))}
    # Folders of points in time that hold the month so far are runs: they share charges.
    month = rows_of("snapshots", 40)
    for number in range(3):
        bills.put(f"snapshots/2024-09-1{number}T00:00:00Z/bill.csv", as_csv(month[: 20 + 10 * number]))
    ingest(bills, "snapshots")
    assert billed(bills, "snapshots") == {SEPTEMBER: total(month)}


def _times(rows: list[Row], factor: str) -> list[Row]:
    return [{**row, "BilledCost": f"{Decimal(row['BilledCost']) * Decimal(factor):f}"} for row in rows]


RESTATED = {
    "two rows of forty": (lambda rows: rows[:2], "shrinks"),
    "less than half": (lambda rows: rows[:19], "shrinks"),
    "most of it": (lambda rows: rows[:36], None),
    "other amounts": (lambda rows: _times(rows, "1.5"), None),
    "a hundredth of the money": (lambda rows: _times(rows, "0.01"), "shrinks"),
    "a hundred times the money": (lambda rows: _times(rows, "100"), "grows"),
    "every row three times": (lambda rows: rows * 3, "grows"),
    "another currency": (lambda rows: [{**row, "BillingCurrency": "EUR"} for row in rows], "shrinks"),
    "a third more": (lambda rows: [*rows, *[{**row, "ResourceId": "new"} for row in rows[:13]]], None),
    "four times the days": (
        lambda rows: [
            *rows,
            *[
                {**row, "ChargePeriodStart": row["ChargePeriodStart"][:7] + "-30T00:00:00Z"}
                for row in rows * 3
            ],
        ],
        None,
    ),
}


def test_a_month_that_shrinks_or_grows_beyond_its_share_is_held(bills: Bills) -> None:
    old, new = {}, {}
    for number, (what, (restated, _)) in enumerate(RESTATED.items()):
        month = number + 3  # none with fewer than thirty days
        old[month] = in_month(rows_of(what, 40), month)
        new[month] = restated(old[month])
        for rows in (old, new):
            rows[month] = [{**r, "ChargePeriodEnd": r["BillingPeriodEnd"]} for r in rows[month]]
    bills.put("s/bill.csv", as_csv([row for rows in old.values() for row in rows]))
    ingest(bills, "s")
    bills.put("s/bill.csv", as_csv([row for rows in new.values() for row in rows]))
    for _ in range(2):
        ingest(bills, "s")
        held = {line.period.month: line.cause for line in waiting(bills.warehouse)}
        found = billed(bills, "s")
        for month, (what, (_, cause)) in zip(old, RESTATED.items(), strict=True):
            assert held.get(month) == cause, what
            assert found[date(2023, month, 1)] == total(old[month] if cause else new[month]), what
    assert bills.count("raw_held_deliveries") == sum(1 for _, cause in RESTATED.values() if cause)
    bills.put("s/bill.csv", as_csv([]))
    outcome = ingest(bills, "s")
    assert {line.cause for line in waiting(bills.warehouse)} == {"emptied"}
    assert billed(bills, "s") == found
    assert set(states(outcome).values()) == {"held", "unchanged"}


def test_an_older_object_is_replaced_in_the_months_it_shares_and_counts_in_the_others(bills: Bills) -> None:
    rows, more = rows_of("shared", 40), rows_of("more", 4)
    first, second = (rows_of(seed, 5, **OCTOBER) for seed in ("first", "second"))
    bills.put("s/a.csv", as_csv([*rows, *first]))
    ingest(bills, "s", deliveries="replace")
    bills.put("s/b.csv", as_csv([*rows, *more, *second]))
    for _ in range(2):
        ingest(bills, "s", deliveries="replace")
        assert billed(bills, "s") == {SEPTEMBER: total([*rows, *more]), OCTOBER_1: total([*first, *second])}


def test_accepting_publishes_what_is_loaded_and_reads_no_file(bills: Bills) -> None:
    rows, more = rows_of("accept", 40), rows_of("more", 4)
    bills.put("s/a.csv", as_csv(rows))
    ingest(bills, "s")
    path = bills.put("s/b.csv", as_csv([*rows, *more]))
    ingest(bills, "s")
    ingest(bills, "s")
    content = path.read_bytes()
    path.unlink()
    (held,) = waiting(bills.warehouse)
    done = accept(bills.warehouse, bills.settings, "s/2024-09", "ann", "both are right")
    assert done.batch_id == held.batch_id
    assert (done.state, done.decided_by, done.why) == ("accepted", "ann", "both are right")
    assert billed(bills, "s") == {SEPTEMBER: total([*rows, *rows, *more])}
    assert accept(bills.warehouse, bills.settings, done.id, "bob", "").decided_by == "ann"
    path.write_bytes(content)
    assert states(ingest(bills, "s")) == {SEPTEMBER: "unchanged"}
    assert billed(bills, "s") == {SEPTEMBER: total([*rows, *rows, *more])}
    assert waiting(bills.warehouse) == []
    with pytest.raises(ConfigurationError, match="no such delivery waits"):
        accept(bills.warehouse, bills.settings, "s/2024-10", "ann", "")


def test_a_held_delivery_that_lost_rows_or_lines_is_not_published(bills: Bills) -> None:
    rows, more = rows_of("loses", 40), rows_of("more", 4)
    bills.put("s/a.csv", as_csv(rows))
    ingest(bills, "s")
    bills.put("s/b.csv", as_csv([*rows, *more]))
    ingest(bills, "s")
    (line,) = waiting(bills.warehouse)
    objects = "kind = 'billing' AND object_name LIKE '%b.csv'"
    kept = bills.warehouse.frame_of(f"SELECT count() AS n FROM raw_deliveries WHERE {objects}").item()
    bills.warehouse.execute_text("CREATE TABLE put_aside AS raw_deliveries")
    bills.warehouse.execute_text(f"INSERT INTO put_aside SELECT * FROM raw_deliveries WHERE {objects}")
    bills.warehouse.execute_text(f"DELETE FROM raw_deliveries WHERE {objects}")
    with pytest.raises(ControlTotalError, match="hold 40 rows, the table 84; nothing was published"):
        accept(bills.warehouse, bills.settings, line.id, "ann", "")
    bills.warehouse.execute_text("INSERT INTO raw_deliveries SELECT * FROM put_aside")
    bills.warehouse.execute_text("DROP TABLE put_aside")
    bills.warehouse.execute_text(
        "DELETE FROM raw_focus_costs WHERE x_BatchId = {batch:UUID} AND x_ObjectName LIKE '%b.csv' AND x_ChargeHash ="
        " (SELECT min(x_ChargeHash) FROM raw_focus_costs WHERE x_ObjectName LIKE '%b.csv')",
        batch=line.batch_id,
    )
    with pytest.raises(ControlTotalError, match="hold 84 rows, the table 83; nothing was published"):
        accept(bills.warehouse, bills.settings, line.id, "ann", "")
    assert kept and billed(bills, "s") == {SEPTEMBER: total(rows)}


def test_accepting_the_newest_alone_leaves_the_older_out_for_good(bills: Bills) -> None:
    rows, more = rows_of("newest", 40), rows_of("more", 4)
    bills.put("s/a.csv", as_csv(rows))
    ingest(bills, "s")
    bills.put("s/b.csv", as_csv([*rows, *more]))
    ingest(bills, "s")
    accept(bills.warehouse, bills.settings, "s/2024-09", "ann", "", newest_only=True)
    assert billed(bills, "s") == {SEPTEMBER: total([*rows, *more])}
    assert states(ingest(bills, "s")) == {SEPTEMBER: "unchanged"}
    assert billed(bills, "s") == {SEPTEMBER: total([*rows, *more])}


def test_rejecting_keeps_the_old_for_good_until_the_content_changes(bills: Bills) -> None:
    rows, more = rows_of("reject", 40), rows_of("more", 4)
    bills.put("s/a.csv", as_csv(rows))
    ingest(bills, "s")
    bills.put("s/b.csv", as_csv([*rows, *more]))
    ingest(bills, "s")
    reject(bills.warehouse, bills.settings, "s/2024-09", "ann", "a copy")
    assert reject(bills.warehouse, bills.settings, "s/2024-09", "bob", "").decided_by == "ann"
    for _ in range(2):
        outcome = ingest(bills, "s")
        assert not outcome.held
        assert billed(bills, "s") == {SEPTEMBER: total(rows)}
    late = rows_of("late", 5)
    bills.put("s/c.csv", as_csv(late))
    assert states(ingest(bills, "s")) == {SEPTEMBER: "published"}
    assert billed(bills, "s") == {SEPTEMBER: total([*rows, *late])}
    bills.put("s/b.csv", as_csv([*rows, *more[:2]]))
    assert states(ingest(bills, "s")) == {SEPTEMBER: "held"}
    bills.put("s/b.csv", as_csv(more))
    assert states(ingest(bills, "s")) == {SEPTEMBER: "published"}
    assert billed(bills, "s") == {SEPTEMBER: total([*rows, *late, *more])}


def test_a_rejected_shrink_is_quiet_and_never_comes_back_beside_others(bills: Bills) -> None:
    rows = rows_of("shrink", 40)
    bills.put("s/a.csv", as_csv(rows))
    ingest(bills, "s")
    bills.put("s/a.csv", as_csv(rows[:3]))
    ingest(bills, "s")
    reject(bills.warehouse, bills.settings, "s/2024-09", "ann", "")
    assert states(ingest(bills, "s")) == {SEPTEMBER: "rejected"}
    bills.put("s/b.csv", as_csv(rows_of("b", 60)))
    assert states(ingest(bills, "s")) == {SEPTEMBER: "held"}
    assert billed(bills, "s") == {SEPTEMBER: total(rows)}


def test_what_is_held_survives_collection_and_is_loaded_once(bills: Bills) -> None:
    rows = rows_of("kept", 40)
    bills.put("s/a.csv", as_csv(rows))
    ingest(bills, "s")
    for number in range(3):
        bills.put("s/a.csv", as_csv([{**row, "EffectiveCost": str(number)} for row in rows]))
        ingest(bills, "s")
    bills.put("s/b.csv", as_csv([{**row, "EffectiveCost": "2"} for row in rows[:30]]))
    ingest(bills, "s")
    (line,) = waiting(bills.warehouse)
    bills.warehouse.execute_text("OPTIMIZE TABLE raw_focus_costs FINAL")
    for _ in range(2):
        ingest(bills, "s")
    assert [one.batch_id for one in waiting(bills.warehouse)] == [line.batch_id]
    frame = bills.warehouse.frame_of(
        "SELECT count() AS n FROM raw_focus_costs WHERE x_BatchId = {b:UUID}", b=line.batch_id
    )
    assert frame["n"][0] == line.rows == 70


def test_equal_versions_are_restated(bills: Bills) -> None:
    one, two = rows_of("one", 10), rows_of("two", 10)
    path = bills.put("s/a.csv", as_csv(one))
    ingest(bills, "s")
    stamp = path.stat().st_mtime
    path.write_bytes(as_csv(two))
    os.utime(path, (stamp, stamp))
    assert states(ingest(bills, "s")) == {SEPTEMBER: "published"}
    assert billed(bills, "s") == {SEPTEMBER: total(two)}
    assert datetime.fromtimestamp(stamp, UTC).year < 2024


def test_a_decision_that_was_killed_before_it_published_is_completed(
    bills: Bills, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, more = rows_of("killed", 40), rows_of("more", 4)
    bills.put("s/a.csv", as_csv(rows))
    ingest(bills, "s")
    bills.put("s/b.csv", as_csv([*rows, *more]))
    ingest(bills, "s")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for step in ("publish", "collect"):
        with monkeypatch.context() as patch:
            patch.setattr(held, step, killed)
            with pytest.raises(KeyboardInterrupt):
                accept(bills.warehouse, bills.settings, "s/2024-09", "ann", "")
        ingest(bills, "s")
        assert billed(bills, "s") == {SEPTEMBER: total([*rows, *rows, *more])}
        assert waiting(bills.warehouse) == []
        bills.put("s/b.csv", as_csv([*rows, *more, *rows_of(step, 1)]))
        more = [*more, *rows_of(step, 1)]
        ingest(bills, "s")
    assert len(waiting(bills.warehouse)) == 1


def test_an_ingest_killed_while_it_holds_is_completed(bills: Bills, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of("killed", 40)
    bills.put("s/a.csv", as_csv(rows))
    ingest(bills, "s")
    bills.put("s/b.csv", as_csv([*rows, *rows_of("more", 4)]))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for step in ("remember_charges", "shared_charges", "hold"):
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, step, killed)
            with pytest.raises(KeyboardInterrupt):
                ingest(bills, "s")
        assert billed(bills, "s") == {SEPTEMBER: total(rows)}
    assert states(ingest(bills, "s")) == {SEPTEMBER: "held"}
    (line,) = waiting(bills.warehouse)
    accept(bills.warehouse, bills.settings, line.id, "ann", "")
    assert billed(bills, "s") == {SEPTEMBER: total([*rows, *rows, *rows_of("more", 4)])}


def test_a_file_that_lost_a_month_without_going_on_is_said(bills: Bills) -> None:
    september, october = rows_of("lost", 10), [{**row, **OCTOBER} for row in rows_of("stays", 10)]
    bills.put("s/bill.csv", as_csv([*september, *october]))
    ingest(bills, "s")
    bills.put("s/bill.csv", as_csv(october))
    outcome = ingest(bills, "s")
    assert states(outcome)[SEPTEMBER] == "vanished"
    assert "bill.csv holds no row of this month any more" in outcome.periods[0].reason
    assert billed(bills, "s") == {SEPTEMBER: total(september), OCTOBER_1: total(october)}
