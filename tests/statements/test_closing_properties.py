"""Whatever happens after a month is closed, in whatever order: its bytes stay, every amount is booked once, nothing is lost."""

from __future__ import annotations

import csv
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.chargeback import KEY, statement_lines
from models.closing import COSTS, adjustment_lines, changes, month_after, open_month
from models.credit_proposals import ACCEPTED, REVERSED, accepted
from models.focus import currencies
from models.ownership import ALWAYS
from models.readers import Reader
from models.registry import OPEN_END
from models.schemas import MONEY, SCHEMAS
from models.statement_csv import COLUMNS, csv_bytes
from models.statement_files import parquet_bytes, xlsx_bytes
from pipelines.compute.costs import compute_costs
from pipelines.compute.publishing import insert
from pipelines.reports.closing import reclassify_month, reopen_month
from pipelines.reports.credits import credits_of, decide_credit
from pipelines.reports.focus_export import export_focus
from pipelines.reports.statements import read_statement
from sql.closings import Closing, batches_of_days, closed_file, closed_lines, closed_months
from sql.credits import credit_decisions
from sql.publish import WHOLE_TABLE, heads, publish
from sql.warehouse import Warehouse
from tests.conftest import emptied
from tests.statements.conftest import NOW, Books, Charge, added, books_in, of_bills
from tests.statements.failures import failed, hurt

MONTHS = [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]
APPS = ("shop", "batch", "search", "")
TEAMS = ("web", "jobs")

money = st.one_of(
    st.integers(-(10**12), 10**12).map(lambda value: Decimal(value).scaleb(-6)),
    st.integers(-(10**20), 10**20).map(lambda value: Decimal(value).scaleb(-18)),
)
charges = st.lists(
    st.builds(
        Charge,
        app=st.sampled_from(APPS),
        billed=money,
        effective=money,
        currency=st.sampled_from(["USD", "JPY", "KWD"]),
        service=st.sampled_from(["Compute", "Storage"]),
    ),
    min_size=1,
    max_size=5,
)
failures = st.dictionaries(
    st.tuples(st.sampled_from(MONTHS), st.sampled_from(["shop", "batch"])), money, min_size=1, max_size=3
)
owners = st.fixed_dictionaries({app: st.sampled_from(TEAMS) for app in APPS if app})


@dataclass
class QuickBooks(Books):
    """Books whose bills and identities are published as rows: what comes before a statement is tested elsewhere."""

    delivered: dict[date, Sequence[Charge]] = field(default_factory=dict)
    closed_with: dict[date, Sequence[Charge]] = field(default_factory=dict)

    def close(self, month: date, by: str = "ada") -> Closing:
        """Closes a month, and keeps what its bill was then."""
        self.closed_with[month] = self.delivered[month]
        return super().close(month, by)

    def bill(self, month: date, charges: Sequence[Charge]) -> None:
        """Publishes a month as it is now."""
        batch = uuid.uuid4()
        start = datetime(month.year, month.month, 2, tzinfo=UTC)
        self.warehouse.insert(
            "raw_focus_costs",
            pl.DataFrame(
                [
                    {
                        "x_SourceName": "aws", "x_BillingPeriod": month, "x_BatchId": str(batch),
                        "x_IdentityHash": APPS.index(one.app), "BilledCost": one.billed, "EffectiveCost": one.effective,
                        "BillingCurrency": one.currency, "ServiceName": one.service, "ChargeCategory": "Usage",
                        "ProviderName": "AWS", "ChargePeriodStart": start, "ChargePeriodEnd": start,
                    }
                    for one in charges
                ],
                schema_overrides={"x_IdentityHash": pl.UInt64, "BilledCost": MONEY, "EffectiveCost": MONEY},
            ),
        )  # fmt: skip
        sums = {
            f"{currency}/{metric}": amounts[place]
            for (_, currency), amounts in of_bills({month: charges}).items()
            for place, metric in enumerate(("BilledCost", "EffectiveCost"))
        }
        publish(
            self.warehouse,
            "billing/aws",
            month,
            batches={"raw_focus_costs": batch},
            rows=len(charges),
            sha256=str(batch),
            version=datetime(2026, 11, 1, tzinfo=UTC),
            sums=sums,
        )
        self.delivered[month] = charges

    def owners(self, teams: dict[str, str]) -> None:
        """Publishes who has which app."""
        batch = uuid.uuid4()
        self.warehouse.insert(
            "core_identities",
            pl.DataFrame(
                [
                    {
                        "x_IdentityHash": APPS.index(app), "valid_from": WHOLE_TABLE, "app_id": app, "team": team,
                        "cost_center": f"CC-{team}", "attribution_rule": "app_tag", "confidence": 1.0,
                        "batch_id": str(batch),
                    }
                    for app, team in teams.items()
                ],
                schema_overrides={"x_IdentityHash": pl.UInt64},
            ),
        )  # fmt: skip
        publish(
            self.warehouse,
            "identities",
            WHOLE_TABLE,
            batches={"core_identities": batch},
            rows=len(teams),
            sha256=str(batch),
            version=datetime.now(UTC),
        )

    def compute(self) -> None:
        """Costs, statement lines and adjustments."""
        assert compute_costs(self.warehouse, self.settings).refused == ()


def closed_bytes(books: Books) -> dict[tuple[date, str], bytes]:
    """Every file of every closed month, read back and held against the ledger."""
    return {
        (month, name): closed_file(books.warehouse, closing, name)
        for month, closing in closed_months(books.warehouse).items()
        for name in closing.files
    }


def produced_again(books: Books, month: date) -> dict[str, bytes]:
    """A closed month's files from its stored lines."""
    frame = read_statement(books.warehouse, month).stamped().select(COLUMNS)
    stem = f"chargeback-{month:%Y-%m}"
    return {
        f"{stem}.csv": csv_bytes(frame, Reader.spreadsheet)[0],
        f"{stem}-erp.csv": csv_bytes(frame, Reader.erp)[0],
        f"{stem}.xlsx": xlsx_bytes(frame),
        f"{stem}.parquet": parquet_bytes(frame),
    }


@st.composite
def happenings(draw: st.DrawFn, most: int = 8) -> list[tuple[str, Any]]:
    """What may happen to books: bills restated, owners changed, months closed, reopened and reclassified; failures, whose credits
    are accepted, and taken back."""
    kinds = st.sampled_from(
        ["bill", "bill", "owners", "close", "close", "reclassify", "reopen", "failures", "take back"]
    )
    found: list[tuple[str, Any]] = []
    for kind in draw(st.lists(kinds, min_size=most // 2, max_size=most)):
        if kind == "bill":
            found.append((kind, (draw(st.sampled_from(MONTHS)), draw(charges))))
        elif kind == "owners":
            found.append((kind, draw(owners)))
        elif kind == "reclassify":
            found.append((kind, draw(st.sampled_from(MONTHS))))
        elif kind == "failures":
            found.append((kind, draw(failures)))
        else:
            found.append((kind, None))
    return found


def live(books: QuickBooks, happened: Sequence[tuple[str, Any]], first: dict[date, Sequence[Charge]]) -> int:
    """Lives through what happens; after each step everything promised holds. How many steps were held against it."""
    books.owners(dict.fromkeys(APPS[:-1], "web"))
    for month, ones in first.items():
        books.bill(month, ones)
    books.compute()
    kept: dict[tuple[date, str], bytes] = {}
    lived = 0
    for kind, what in happened:
        closed = sorted(closed_months(books.warehouse))
        if kind == "bill":
            books.bill(*what)
        elif kind == "owners":
            books.owners(what)
        elif kind == "close" and len(closed) < len(MONTHS):
            books.close(MONTHS[len(closed)])
        elif kind == "reclassify" and what in closed:
            reclassify_month(books.warehouse, books.settings, what, "ada", "owner", NOW)
        elif kind == "reopen" and closed:
            reopen_month(books.warehouse, books.settings, closed[-1], "ada", "again", NOW)
            kept = {key: content for key, content in kept.items() if key[0] != closed[-1]}
        elif kind in ("failures", "take back"):
            _credit(books, what)
        books.compute()
        now = closed_bytes(books)
        assert {key: now[key] for key in kept} == kept  # closed bytes never change
        kept = now
        assert books.booked() == of_bills(books.delivered)  # every amount is booked once
        before = heads(books.warehouse)
        books.compute()
        assert heads(books.warehouse) == before  # and once more changes nothing
        lived += 1
    for month in closed_months(books.warehouse):
        assert produced_again(books, month) == {
            name: content for (of, name), content in kept.items() if of == month
        }
    for month in MONTHS:
        _sums_to_its_rounded_total(read_statement(books.warehouse, month).lines)
    _bills_are_kept(books)
    return lived


def _credit(books: QuickBooks, costs: dict[tuple[date, str], Decimal] | None) -> None:
    """Accepts every credit of what failures cost now, or takes back what was accepted first."""
    what, names = REVERSED, [one.credit_id for one in accepted(credit_decisions(books.warehouse))][:1]
    if costs is not None:
        rows = [hurt(month, app, "web", f"{cost:f}", 1) for (month, app), cost in costs.items()]
        failed(books.warehouse, rows, date(2026, 4, 1))
        what, names = ACCEPTED, [one.name for one in credits_of(books.warehouse).proposed]
    for name in names:
        assert decide_credit(books.warehouse, books.settings, name, what, "fin", "they failed", NOW)[1]
    if costs is not None:
        assert credits_of(books.warehouse).proposed == []


def _sums_to_its_rounded_total(lines: pl.DataFrame) -> None:
    for (currency,), part in lines.group_by("billing_currency"):
        exact = sum(part["billed_cost"], Decimal(0))
        places = Decimal(1).scaleb(-currencies()[str(currency)])
        assert sum(part["amount"], Decimal(0)) == exact.quantize(places)  # half to even, as Python's default


def _bills_are_kept(books: Books) -> None:
    """Batches a closing names are all there, however often the month was published since."""
    named = {
        batch
        for closing in closed_months(books.warehouse).values()
        for key, batch in closing.batches.items()
        if key.endswith("raw_focus_costs")
    }
    found = books.warehouse.frame_of("SELECT DISTINCT toString(x_BatchId) AS batch FROM raw_focus_costs")
    assert {str(one) for one in named} <= set(found["batch"])


@settings(
    max_examples=1,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(happened=happenings(), first=st.fixed_dictionaries(dict.fromkeys(MONTHS, charges)))
def test_whatever_happens_closed_bytes_stay_and_every_amount_is_booked_once(
    engine: Warehouse, tmp_path: Path, happened: list[tuple[str, Any]], first: dict[date, Sequence[Charge]]
) -> None:
    emptied(engine)
    assert live(QuickBooks(engine, books_in(tmp_path, engine).settings), happened, first) == len(happened)


@pytest.mark.slow
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(happened=happenings(), first=st.fixed_dictionaries(dict.fromkeys(MONTHS, charges)))
def test_the_same_many_times(
    engine: Warehouse, tmp_path: Path, happened: list[tuple[str, Any]], first: dict[date, Sequence[Charge]]
) -> None:
    emptied(engine)
    assert live(QuickBooks(engine, books_in(tmp_path, engine).settings), happened, first) == len(happened)


SHARED_RULES = """\
version: "1"
rules:
  - {name: stored, take: {service: Storage}, split: fixed, shares: {shop: 1, batch: 2.5}}
  - {name: rest, split: direct_cost, fallback: even}
  - {name: handed, take: {app: batch}, split: even, to: {except: shop}}
"""
EVERY_APP = [Charge(app, Decimal(0), Decimal(0)) for app in APPS if app]
"""Charges of nothing, so that the bill of every month knows every app."""


def exported_parts_sum(books: QuickBooks, bills: dict[date, Sequence[Charge]], out: Path) -> None:
    """What is exported of each month is its bill, and the parts of a charge are the charge: open months as they are, closed
    ones as they were closed."""
    for month, ones in bills.items():
        done = export_focus(books.warehouse, books.settings, month, "1.4", out)
        with done.paths[0].open(newline="") as file:
            rows = list(csv.DictReader(file))
        told = added(
            (month, row["BillingCurrency"], Decimal(row["BilledCost"]), Decimal(row["EffectiveCost"]))
            for row in rows
        )
        assert told == of_bills({month: ones})
        origins: dict[str, list[dict[str, str]]] = {}
        for row in rows:
            if row["x_SplitOriginId"]:
                origins.setdefault(row["x_SplitOriginId"], []).append(row)
        with localcontext() as context:
            context.prec = 80
            for parts in origins.values():
                [origin] = {Decimal(part["x_SplitOriginCost"]) for part in parts}
                assert sum(Decimal(part["BilledCost"]) for part in parts) == origin
        assert {row["x_AppId"] for row in rows if row["x_SplitOriginId"]} <= {*APPS}


@pytest.mark.slow
@pytest.mark.parametrize(("examples", "most"), [(1, 2), (10, 8)])
def test_with_shared_rules_too_every_amount_is_booked_once_and_splits_sum(
    engine: Warehouse, tmp_path: Path, examples: int, most: int
) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(happened=happenings(most), first=st.fixed_dictionaries(dict.fromkeys(MONTHS, charges)))
    def lived(happened: list[tuple[str, Any]], first: dict[date, Sequence[Charge]]) -> None:
        emptied(engine)
        books = QuickBooks(engine, books_in(tmp_path, engine).settings)
        (tmp_path / "rules.yaml").write_text(SHARED_RULES)
        whole = [
            (kind, (what[0], [*what[1], *EVERY_APP]) if kind == "bill" else what) for kind, what in happened
        ]
        live(books, whole, {month: [*ones, *EVERY_APP] for month, ones in first.items()})
        bills = {**books.delivered}
        for month, closing in closed_months(engine).items():
            bills[month] = books.closed_with[month]
            assert closing.shared_rules_version == "1" and closing.shared_rules == SHARED_RULES
        exported_parts_sum(books, bills, tmp_path / "out")

    lived()


class Killed(Exception):
    """The process ends here, as far as what it left behind is concerned."""


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
def test_a_closing_cut_at_any_step_leaves_the_month_open_or_closed_and_whole(
    engine: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    emptied(engine)
    books = QuickBooks(engine, books_in(tmp_path, engine).settings)
    books.owners({"shop": "web"})
    for month, amount in ((MONTHS[0], "1.005"), (MONTHS[1], "2")):
        books.bill(month, [Charge("shop", Decimal(amount), Decimal(1))])
    books.compute()
    books.close(MONTHS[0])
    books.bill(MONTHS[0], [Charge("shop", Decimal("1.5"), Decimal(1))])
    january = closed_bytes(books)
    cuts = 0
    for step in range(1, 50):
        with monkeypatch.context() as patched:
            for name in ("insert", "execute"):
                patched.setattr(engine, name, _cut_at(step, is_done, getattr(engine, name), patched))
            _calls.clear()
            try:
                books.close(MONTHS[1])
                whole = True
            except Killed:
                whole, cuts = False, cuts + 1
        closed = closed_months(engine)
        assert MONTHS[0] in closed
        now = closed_bytes(books)
        assert {key: now[key] for key in january} == january
        assert books.booked() == of_bills(books.delivered) or MONTHS[1] not in closed
        if MONTHS[1] in closed:
            assert closed[MONTHS[1]].rows == read_statement(engine, MONTHS[1]).lines.height == 4
            assert len(now) == len(january) * 2
        if whole:
            break
    assert cuts == 6  # lines, four files and the one row that closes
    assert books.booked() == of_bills(books.delivered)


_calls: list[int] = []


def _cut_at(step: int, is_done: bool, run: Any, _: pytest.MonkeyPatch) -> Any:
    def counted(*args: Any, **kwargs: Any) -> None:
        _calls.append(1)
        if len(_calls) == step and not is_done:
            raise Killed
        run(*args, **kwargs)
        if len(_calls) == step and is_done:
            raise Killed

    return counted


def costs_of(ones: Sequence[Charge]) -> pl.DataFrame:
    rows = [
        (
            one.currency,
            "CC",
            "web",
            one.app,
            "aws",
            "AWS",
            one.service,
            "Usage",
            "",
            "app_tag",
            one.billed,
            one.effective,
        )
        for one in ones
    ]
    return pl.DataFrame(
        rows, schema={**dict.fromkeys(KEY, pl.String), **dict.fromkeys(COSTS, MONEY)}, orient="row"
    )


@given(before=charges, after=charges)
def test_what_was_plus_what_changed_is_what_is(before: list[Charge], after: list[Charge]) -> None:
    found = changes(costs_of(before), costs_of(after))
    assert changes(costs_of(before), costs_of(before)).is_empty()
    told = {tuple(row[: len(KEY)]): row[len(KEY) :] for row in found.iter_rows()}
    wanted: dict[tuple[Any, ...], tuple[Decimal, Decimal]] = {}
    for sign, ones in ((-1, before), (1, after)):
        for row in costs_of(ones).iter_rows():
            old = wanted.get(row[: len(KEY)], (Decimal(0), Decimal(0)))
            wanted[row[: len(KEY)]] = old[0] + sign * row[-2], old[1] + sign * row[-1]
    assert told == {key: value for key, value in wanted.items() if any(value)}


@given(own=charges, changed=charges, booked=charges)
def test_an_adjustment_names_its_line_and_the_lines_sum_to_the_rounded_total(
    own: list[Charge], changed: list[Charge], booked: list[Charge]
) -> None:
    january, february = MONTHS[:2]
    empty = pl.DataFrame(
        schema={"app_id": pl.String, "app_name": pl.String, "team": pl.String, "lead": pl.String}
    )
    lines = statement_lines(costs_of(own), empty, empty, currencies())
    originals = costs_of(booked).select(
        *KEY,
        billing_period=pl.lit(january),
        reference=pl.format("id/{}", pl.int_range(pl.len())),
        app_name=pl.lit("Name"),
        owner=pl.lit("Lead"),
    )
    found = adjustment_lines(
        february,
        lines,
        costs_of(changed).with_columns(
            billing_period=pl.lit(january), adjustment=pl.lit("restatement"), named=pl.lit("")
        ),
        originals.select("billing_period", *KEY, "reference", "app_name", "owner"),
        empty.rename({"lead": "owner"}),
        currencies(),
    )
    adjusted = found.filter(pl.col("cost_type") == "adjustment")
    first = {}
    for place, one in enumerate(booked):
        first.setdefault((one.currency, one.app, one.service), f"id/{place}")
    for row in adjusted.iter_rows(named=True):
        key = row["billing_currency"], row["app_id"], row["service_name"]
        assert row["adjustment_of"] == first.get(key, "none")
        assert row["app_name"] == ("Name" if key in first else row["app_id"])
    both = pl.concat(
        [frame.select("billing_currency", "billed_cost", "amount", "line") for frame in (lines, found)]
    )
    assert both["line"].to_list() == list(range(1, both.height + 1))
    _sums_to_its_rounded_total(both)


@given(st.sets(st.integers(0, 40), max_size=6), st.sets(st.integers(0, 40), max_size=12))
def test_the_open_month_is_the_first_billed_one_behind_the_closed_ones(
    closed: set[int], billed: set[int]
) -> None:
    def month(number: int) -> date:
        return date(2020 + number // 12, number % 12 + 1, 1)

    later = sorted(one for one in billed if closed and one > max(closed))
    expected = month(later[0] if later else max(closed) + 1) if closed else None
    assert open_month({month(one) for one in closed}, {month(one) for one in billed}) == expected
    assert month_after(date(2025, 12, 1)) == date(2026, 1, 1)


def test_a_closed_file_that_was_changed_is_not_given_out(engine: Warehouse, tmp_path: Path) -> None:
    from models.errors import ControlTotalError

    emptied(engine)
    books = QuickBooks(engine, books_in(tmp_path, engine).settings)
    books.owners({"shop": "web"})
    books.bill(MONTHS[0], [Charge("shop", Decimal(1), Decimal(1))])
    books.compute()
    closing = books.close(MONTHS[0])
    name = "chargeback-2026-01.csv"
    assert hashlib.sha256(closed_file(engine, closing, name)).hexdigest() == closing.files[name]
    engine.execute_text(
        "ALTER TABLE statement_files UPDATE content = 'x' WHERE 1 SETTINGS mutations_sync = 2"
    )
    with pytest.raises(ControlTotalError, match="not the file it was closed with"):
        closed_file(engine, closing, name)
    engine.execute_text("TRUNCATE TABLE statement_files")
    with pytest.raises(ControlTotalError, match="not stored any more"):
        closed_file(engine, closing, name)


KEPT_RULES = """\
version: "1"
rules:
  - {name: stored, take: {service: Storage}, split: fixed, shares: {shop: 1, batch: 3}}
  - {name: asked, take: {service: Network}, split: requests, over: month, fallback: refuse}
  - {name: spread, take: {service: Support}, split: even}
  - {name: rest, split: direct_cost, fallback: even}
"""


def known(books: QuickBooks, *apps: str) -> None:
    """Publishes a registry of these apps, each of a team of its own."""
    batch = uuid.uuid4()
    lines = pl.DataFrame(
        [
            {
                "app_id": app,
                "team": f"of {app}",
                "cost_center": "CC",
                "valid_from": ALWAYS,
                "valid_to": OPEN_END,
            }
            for app in apps
        ]
    )
    insert(books.warehouse, "core_apps", lines, batch)
    publish(
        books.warehouse, "registry", WHOLE_TABLE, batches={"core_apps": batch}, rows=len(apps), sha256=str(batch),
        version=NOW,
    )  # fmt: skip


def requests(books: QuickBooks, **counted: int) -> None:
    """Publishes the requests apps had on the second of January, in the place of what was there."""
    batch = uuid.uuid4()
    day = datetime(2026, 1, 2, tzinfo=UTC)
    frame = pl.DataFrame(
        [
            {"hour": day, "app_id": app, "measure": "requests", "quantity": Decimal(number), "counted": 1}
            for app, number in counted.items()
        ],
        schema=SCHEMAS["core_app_usage_hours"],
    )
    insert(books.warehouse, "core_app_usage_hours", frame, batch)
    publish(
        books.warehouse, "slices", day.date(), batches={"core_app_usage_hours": batch}, rows=len(counted),
        sha256=str(batch), version=NOW,
    )  # fmt: skip


@pytest.mark.slow
def test_what_is_restated_of_shared_cost_is_split_as_its_month_was_closed(
    engine: Warehouse, tmp_path: Path
) -> None:
    """Counted by hand: rules, apps, direct cost and telemetry are others by the time the month is restated."""
    emptied(engine)
    books = QuickBooks(engine, books_in(tmp_path, engine).settings)
    rules = tmp_path / "rules.yaml"
    rules.write_text(KEPT_RULES)

    def january(shop: int, storage: int, network: int, support: int, compute: int) -> None:
        told = [("shop", shop, "Compute"), ("batch", 30, "Compute"), ("", storage, "Storage"), ("", network, "Network"),
                ("", support, "Support"), ("", compute, "Compute")]  # fmt: skip
        books.bill(
            MONTHS[0],
            [Charge(app, Decimal(cost), Decimal(cost), service=service) for app, cost, service in told],
        )
        books.compute()

    def adjusted(reason: str) -> dict[tuple[str, str], Decimal]:
        lines = read_statement(engine, MONTHS[1]).lines.filter(adjustment=reason)
        assert lines["billed_cost"].equals(lines["effective_cost"])
        assert books.booked() == of_bills(books.delivered)
        return {
            (row["attribution_rule"], row["app_id"]): row["billed_cost"]
            for row in lines.iter_rows(named=True)
        }

    books.owners({"shop": "web", "batch": "jobs"})
    known(books, "shop", "batch")
    requests(books, shop=1, batch=3)
    books.bill(MONTHS[1], [Charge("shop", Decimal(1), Decimal(1))])
    january(10, 8, 4, 2, 4)
    closing = books.close(MONTHS[0])
    lines = closed_lines(engine, [closing])
    stored = {
        (row["attribution_rule"], row["app_id"]): (
            row["billed_cost"],
            f"{closing.statement_id}/{row['line']}",
        )
        for row in lines.iter_rows(named=True)
    }
    assert {key: cost for key, (cost, _) in stored.items() if key[0].startswith("shared:")} == {
        ("shared:stored", "shop"): 2, ("shared:stored", "batch"): 6, ("shared:asked", "shop"): 1, ("shared:asked", "batch"): 3,
        ("shared:spread", "shop"): 1, ("shared:spread", "batch"): 1, ("shared:rest", "shop"): 1, ("shared:rest", "batch"): 3,
    }  # fmt: skip

    rules.write_text('version: "2"\nrules:\n  - {name: all, split: even}\n')
    known(books, "shop", "batch", "search")
    requests(books, shop=5, batch=5, search=5)
    january(20, 16, 8, 4, 8)
    assert adjusted("restatement") == {
        ("app_tag", "shop"): 10,
        ("shared:stored", "shop"): 2, ("shared:stored", "batch"): 6,
        ("shared:asked", "shop"): 1, ("shared:asked", "batch"): 3,
        ("shared:spread", "shop"): 1, ("shared:spread", "batch"): 1,
        ("shared:rest", "shop"): 1, ("shared:rest", "batch"): 3,
    }  # fmt: skip
    february = read_statement(engine, MONTHS[1]).lines.filter(adjustment="restatement")
    for row in february.iter_rows(named=True):
        assert row["adjustment_of"] == stored[row["attribution_rule"], row["app_id"]][1]
    # and it is exported as it was closed
    assert (
        export_focus(engine, books.settings, MONTHS[0], "1.4", tmp_path / "out").sums["USD/BilledCost"] == 58
    )
    # what a collection may remove since is none of what the month was closed with
    batches = {
        str(one) for one in batches_of_days(closing.batches, "slices", "core_app_usage_hours").values()
    }
    assert len(batches) == 1
    for table in ("core_app_usage_hours", "core_apps"):
        wanted = batches if table != "core_apps" else {str(closing.batches["registry 2026-01 core_apps"])}
        found = engine.frame(
            "queries/collection/superseded", computed=table, table=table, before="2100-01-01 00:00:00"
        )
        assert wanted.isdisjoint(found["batch_id"])

    # reclassified, it is split by the rules it was reclassified by: evenly among three, 36 being 12 each
    reclassify_month(engine, books.settings, MONTHS[0], "ada", "new rules", NOW)
    rules.unlink()
    known(books, "shop")
    before = adjusted("restatement")
    january(20, 19, 8, 4, 8)
    after = adjusted("restatement")
    assert {key: cost - before.get(key, 0) for key, cost in after.items() if cost != before.get(key)} == {
        ("shared:all", "shop"): 1, ("shared:all", "batch"): 1, ("shared:all", "search"): 1,
    }  # fmt: skip


def test_shared_cost_that_is_new_is_split_by_the_rules_of_then_or_nothing_is_adjusted(
    engine: Warehouse, tmp_path: Path
) -> None:
    emptied(engine)
    books = QuickBooks(engine, books_in(tmp_path, engine).settings)
    rules = tmp_path / "rules.yaml"
    rules.write_text(KEPT_RULES)
    books.owners({"shop": "web", "batch": "jobs"})
    own = [Charge("shop", Decimal(1), Decimal(1)), Charge("batch", Decimal(3), Decimal(3))]
    books.bill(MONTHS[0], own)
    books.bill(MONTHS[1], [Charge("shop", Decimal(1), Decimal(1))])
    books.compute()
    books.close(MONTHS[0])
    rules.unlink()
    # more of nobody's, and shop costs nine by itself: by the closing's one to three, not by nine to three
    own[0] = Charge("shop", Decimal(9), Decimal(9))
    books.bill(MONTHS[0], [*own, Charge("", Decimal(4), Decimal(4))])
    books.compute()
    lines = read_statement(engine, MONTHS[1]).lines.filter(adjustment="restatement")
    told = lines.select("attribution_rule", "app_id", "billed_cost").rows()
    assert sorted(told) == [("app_tag", "shop", 8), ("shared:rest", "batch", 3), ("shared:rest", "shop", 1)]
    assert books.booked() == of_bills(books.delivered)

    books.bill(MONTHS[0], [*own, Charge("", Decimal(2), Decimal(2), service="Network")])
    [sentence] = compute_costs(engine, books.settings).refused
    assert sentence.startswith("what was restated of 2026-01 cannot be split by the rules it was closed by: ")
    assert sentence.endswith("`appfleet reclassify` charges the month by the rules of now")
    assert read_statement(engine, MONTHS[1]).lines.filter(adjustment="restatement").equals(lines)
