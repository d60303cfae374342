"""Credits that finance decides on, by an account of its own: every decision kept in a ledger of plain decimals."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal, localcontext
from uuid import UUID

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.chargeback import KEY
from models.closing import COSTS, adjustment_lines
from models.credit_proposals import (
    ACCEPTED,
    DECLINED,
    REVERSED,
    CreditDecision,
    asked_for,
    changes_of_statements,
    month_of,
    placed,
    proposals,
)
from models.errors import CloseRefused
from models.focus import currencies
from models.journal import journal_entries
from models.money import money_series, units_of
from models.reliability_costs import worth_policy
from models.schemas import MONEY, SCHEMAS

KNOWN_TO = date(2026, 5, 10)
APRIL, MAY, OLD = date(2026, 4, 1), date(2026, 5, 1), date(2025, 12, 1)
NOW = datetime(2026, 5, 11, tzinfo=UTC)
SCHEMA = SCHEMAS["mart_reliability_credits"]
BOOKED = {
    **dict.fromkeys(("adjustment", "adjustment_of", *KEY), pl.String),
    "billing_period": pl.Date,
    **dict.fromkeys(COSTS, MONEY),
}

units = st.one_of(st.integers(-(10**30), 10**30), st.integers(-3, 3))
Rows = dict[tuple[date, str, str, str], tuple[int, int]]
"""Month, shared app, app hurt and currency -> amount in its smallest, and requests hurt."""

rows = st.dictionaries(
    st.tuples(
        st.sampled_from([APRIL, date(2026, 3, 1), MAY, OLD]),
        st.sampled_from(["gate", "mail"]),
        st.sampled_from(["shop", "cart", "batch"]),
        st.sampled_from(["USD", "JPY"]),
    ),
    st.tuples(units, st.integers(0, 5)),
    max_size=8,
)
steps = st.lists(
    st.tuples(
        rows,
        st.lists(st.tuples(st.integers(0, 9), st.sampled_from([ACCEPTED, DECLINED, REVERSED])), max_size=4),
    ),
    min_size=1,
    max_size=4,
)


def computed(found: Rows, team: str = "ops") -> pl.DataFrame:
    frame = pl.DataFrame(
        [
            {
                "month": month, "first_day": month, "last_day": month, "from_app_id": gate, "from_team": team, "app_id": app,
                "team": f"team of {app}", "billing_currency": currency, "failed_calls": hurt, "hurt_requests": hurt,
            }
            for (month, gate, app, currency), (_, hurt) in found.items()
        ],
        schema={name: kind for name, kind in SCHEMA.items() if name != "credit"},
    )  # fmt: skip
    return frame.with_columns(money_series("credit", [amount for amount, _ in found.values()]))


def decided(one: object, name: str, what: str) -> CreditDecision:
    return CreditDecision(one, name, what, UUID(int=0), KNOWN_TO, "fin", "why", NOW)  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(steps)
def test_what_is_accepted_and_what_is_proposed_are_what_was_computed(
    lived: list[tuple[Rows, list[tuple[int, str]]]],
) -> None:
    """Whatever is computed and decided in whatever order: accepted and proposed sum to the newest figures, and every
    statement's lines sum to nothing, per credit, currency and cost."""
    held: dict[str, CreditDecision] = {}
    for found, wishes in lived:
        frame = computed(found)
        for at, what in wishes:
            now = [
                one
                for one in proposals(frame, list(held.values()), KNOWN_TO, worth_policy())
                if one.state != "open"
            ]
            if what == REVERSED:
                taken = [one for one in held.values() if one.decision == ACCEPTED]
                if taken:
                    one = taken[at % len(taken)]
                    held[one.credit_id] = decided(one.proposal, one.credit_id, REVERSED)
            elif now:
                proposal = now[at % len(now)]
                assert asked_for(now, proposal.name, KNOWN_TO) is proposal
                placed_ = placed(proposal, {"ops": "CC"})
                held[proposal.name] = decided(placed_, proposal.name, what)
        told: defaultdict[tuple[date, str, str, str], int] = defaultdict(int)
        for one in held.values():
            for line in one.proposal.lines if one.decision == ACCEPTED else ():
                key = one.proposal.month, one.proposal.from_app_id, line.app_id, one.proposal.billing_currency
                told[key] += units_of(line.credit)
        left = {
            key: (found.get(key, (0, 0))[0] - told.get(key, 0)) for key in {*found, *told} if key[0] != OLD
        }
        proposed = {
            (one.month, one.from_app_id, line.app_id, one.billing_currency): units_of(line.credit)
            for one in proposals(frame, list(held.values()), KNOWN_TO, worth_policy())
            for line in one.lines
        }
        assert proposed == {key: amount for key, amount in left.items() if amount}

    changes = changes_of_statements(list(held.values()), pl.DataFrame(schema=BOOKED))
    sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    with localcontext() as context:
        context.prec = 80
        paid: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for row in changes.iter_rows(named=True):
            assert row["billed_cost"] == row["effective_cost"]
            assert row["cost_center"] == ("CC" if row["team"] == "ops" else "")
            sums[row["named"], row["billing_currency"]] += row["billed_cost"]
            paid[row["named"], row["app_id"]] += row["billed_cost"]
        assert not any(sums.values())
        for one in held.values():
            for line in one.proposal.lines if one.decision == ACCEPTED else ():
                assert paid[one.credit_id, line.app_id] == -line.credit
    # booked as they are, nothing is left; what is booked of one that was taken back comes as its opposite
    booked = changes.rename({"named": "adjustment_of"})
    assert changes_of_statements(list(held.values()), booked).is_empty()
    opposite = changes_of_statements([], booked)
    both = (
        pl.concat([changes, opposite])
        .group_by("named", *KEY)
        .agg(pl.col("billed_cost").cast(pl.Decimal(38, 18)).sum())
    )
    assert set(both["billed_cost"]) <= {Decimal(0)}


@settings(max_examples=25, deadline=None)
@given(rows.filter(bool), st.data())
def test_a_name_is_of_every_figure_and_owner(found: Rows, data: st.DataObject) -> None:
    policy = worth_policy()
    before = proposals(computed(found), [], KNOWN_TO, policy)
    assert [one.name for one in proposals(computed(dict(reversed(found.items()))), [], KNOWN_TO, policy)] == [
        one.name for one in before
    ], "the order of rows is no figure"
    key = data.draw(st.sampled_from(sorted(found)))
    changed = {**found, key: (found[key][0] + (1 if found[key][0] >= 0 else -1), found[key][1])}
    after = {one.name for one in proposals(computed(changed), [], KNOWN_TO, policy)}
    other_owner = {one.name for one in proposals(computed(found, "web"), [], KNOWN_TO, policy)}
    for one in before:
        is_of = (one.month, one.from_app_id, one.billing_currency) == (key[0], key[1], key[3])
        assert (one.name in after) != is_of
        assert one.name not in other_owner


def test_what_cannot_be_decided_is_said_in_a_sentence() -> None:
    found = proposals(
        computed({(APRIL, "gate", "shop", "USD"): (7, 1), (MAY, "gate", "shop", "USD"): (7, 1)}),
        [],
        KNOWN_TO,
        worth_policy(),
    )
    april, may = found
    assert (april.state, may.state) == ("waiting", "open")
    for name, said in (
        (may.name, "2026-05 is known to 2026-05-10 only"),
        (f"{april.place}@000000000000", f"it is {april.name} now, USD 0.000000000000000007 to 1 apps"),
        (april.place, "with its whole name"),
        ("2026-04/nobody/USD@0", "no credit 2026-04/nobody/USD@0 is proposed"),
    ):
        with pytest.raises(CloseRefused, match=said):
            asked_for(found, name, KNOWN_TO)
    nobodys = proposals(
        computed({(APRIL, "gate", "shop", "USD"): (7, 1)}, "unassigned"), [], KNOWN_TO, worth_policy()
    )
    with pytest.raises(CloseRefused, match="gate belongs to no team, so nobody can pay"):
        asked_for(nobodys, nobodys[0].name, KNOWN_TO)


@pytest.mark.parametrize(
    ("of", "closed", "open_month", "takes"),
    [
        (APRIL, [], None, APRIL),
        (APRIL, [date(2026, 3, 1)], APRIL, APRIL),
        (MAY, [date(2026, 3, 1)], APRIL, MAY),
        (APRIL, [APRIL], MAY, MAY),
        (APRIL, [date(2026, 3, 1), MAY], date(2026, 6, 1), APRIL),  # opened again
        (date(2026, 1, 1), [APRIL], MAY, MAY),  # from before anything was closed
    ],
)  # fmt: skip
def test_a_credit_is_on_its_own_statement_while_that_is_open(
    of: date, closed: list[date], open_month: date | None, takes: date
) -> None:
    assert month_of(of, closed, open_month) == takes


def test_a_journal_moves_a_credit_from_account_to_account() -> None:
    """Seven from shop's team to that of gate, and nothing to the clearing account."""
    [one] = proposals(
        computed({(APRIL, "gate", "shop", "USD"): (7 * 10**18, 1)}), [], KNOWN_TO, worth_policy()
    )
    whole = placed(one, {"ops": "CC-ops", "team of shop": "CC-shop"})
    changes = changes_of_statements(
        [decided(whole, one.name, ACCEPTED)],  # lines of nothing else
        pl.DataFrame(schema=BOOKED),
    )
    texts = dict.fromkeys((*KEY, "reference", "app_name", "owner"), pl.String)
    own = {"line": pl.UInt64, "billing_currency": pl.String, "billed_cost": MONEY, "amount": MONEY}
    lines = adjustment_lines(
        MAY,
        pl.DataFrame(schema=own),
        changes,
        pl.DataFrame(schema={"billing_period": pl.Date, **texts}),
        pl.DataFrame(schema=dict.fromkeys(("app_id", "app_name", "team", "owner"), pl.String)),
        currencies(),
    )
    assert lines["line"].to_list() == [1, 2, 3]
    assert set(lines["adjustment_of"]) == {one.name, ""}
    booked = lines.with_columns(
        legal_entity=pl.lit("DE"),
        gl_account=pl.col("cost_center").replace({"": "CC-rounding"}),
        erp_cost_center=pl.lit(""),
    )
    entries = journal_entries(booked, "1590", MAY)
    told = {entry["gl_account"]: (entry["debit"], entry["credit"]) for entry in entries}
    assert told == {"CC-ops": ("7.00", ""), "CC-shop": ("", "7.00")}
