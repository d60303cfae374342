"""Credits for failures of shared apps as finance decides on them: what is proposed, under which name, and what an accepted
one puts on a statement.

Pure: frames and decisions in, proposals and changes of statements out. What a failure costs is
``models.reliability_credits``; where decisions are kept, and who may decide, does not belong here.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl

from models.chargeback import KEY
from models.closing import COSTS, month_after, summed
from models.errors import CloseRefused
from models.money import exact_total, money_series, units_of
from models.reliability_cost_windows import windows_to
from models.reliability_costs import WorthPolicy
from models.reliability_credits import NOBODY
from models.schemas import MONEY
from models.statement_csv import plain

CREDIT = "credit"
"""Why a line is on a statement: ``adjustment`` of a line, and the rule that gave it."""

CATEGORY = "Adjustment"
"""FOCUS ChargeCategory of such a line."""

ACCEPTED, DECLINED, REVERSED = "accepted", "declined", "reversed"
OPEN, WAITING = "open", "waiting"
"""States of a proposal nobody decided on: its month is not whole yet, or it waits for a person."""

_DIGITS = 12
"""Of the fingerprint in a name: 48 bits tell the few states of one proposal apart."""

Key = tuple[date, str, str, str]
"""Month, shared app, app that was hurt, currency."""


@dataclass(frozen=True)
class CreditLine:
    """What one app is credited, and the failures it is for."""

    app_id: str
    team: str
    first_day: date
    last_day: date
    failed_calls: int
    hurt_requests: int
    credit: Decimal
    cost_center: str = ""


@dataclass(frozen=True)
class Proposal:
    """What a shared app owes the apps its failures of one month hurt, in one currency, beyond what was accepted."""

    month: date
    from_app_id: str
    from_team: str
    billing_currency: str
    lines: tuple[CreditLine, ...]
    state: str = WAITING
    from_cost_center: str = ""

    @property
    def total(self) -> Decimal:
        """What its team would pay."""
        return exact_total(one.credit for one in self.lines)

    @property
    def place(self) -> str:
        """What it is about, whatever it says."""
        return f"{self.month:%Y-%m}/{self.from_app_id}/{self.billing_currency}"

    @property
    def name(self) -> str:
        """What it is decided by: another one as soon as a figure or an owner is another one."""
        return f"{self.place}@{self.digest}"

    @property
    def digest(self) -> str:
        """Fingerprint of what it says: who pays, and of each app what and for which failures."""
        said: list[Any] = [f"{self.month}", self.from_app_id, self.from_team, self.billing_currency]
        said += [
            [one.app_id, one.team, f"{one.first_day}", f"{one.last_day}", one.failed_calls, one.hurt_requests]
            + [plain(one.credit)]
            for one in sorted(self.lines, key=lambda line: line.app_id)
        ]
        text = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


@dataclass(frozen=True)
class CreditDecision:
    """What a person decided about a proposal, which is kept as it was then (columns of ``statement_credits``)."""

    proposal: Proposal
    credit_id: str
    decision: str
    worth_batch: UUID
    known_to: date
    decided_by: str
    reason: str
    decided_at: datetime
    fence: int = 0
    seq: int = 0


def proposals(
    credits: pl.DataFrame, decisions: Collection[CreditDecision], known_to: date, policy: WorthPolicy
) -> list[Proposal]:
    """What is proposed now, by month, shared app and currency: what failures cost less what was accepted for them.

    Months before those failures are computed of are left out: nothing new is known of them. A month is ``open`` until its
    last day is whole, as its figures grow until then.

    Args:
        credits: rows of ``mart_reliability_credits``.
        decisions: the one that holds of each proposal ever decided on.
        known_to: last day that is whole in bills and telemetry.
        policy: how far failures are looked back to.
    """
    first = windows_to(known_to, policy)[-1][0].replace(day=1)
    holding = {one.credit_id: one.decision for one in decisions}
    by: defaultdict[tuple[date, str, str], list[CreditLine]] = defaultdict(list)
    teams: dict[tuple[date, str, str], str] = {}
    for (month, from_app, _, currency), (from_team, line) in _remaining(credits, decisions).items():
        if month >= first and line.credit:
            by[month, from_app, currency].append(line)
            teams[month, from_app, currency] = from_team
    found = []
    for (month, from_app, currency), lines in sorted(by.items()):
        one = Proposal(month, from_app, teams[month, from_app, currency], currency, tuple(lines))
        is_whole = month_after(month) - timedelta(days=1) <= known_to
        state = OPEN if not is_whole else DECLINED if holding.get(one.name) == DECLINED else WAITING
        found.append(replace(one, state=state))
    return found


def _remaining(
    credits: pl.DataFrame, decisions: Iterable[CreditDecision]
) -> dict[Key, tuple[str, CreditLine]]:
    """Key -> team that pays and line: what is computed less what was accepted, in the order of the key."""
    found: dict[Key, tuple[str, CreditLine]] = {}
    for row in credits.iter_rows(named=True):
        key = row["month"], row["from_app_id"], row["app_id"], row["billing_currency"]
        names = ("app_id", "team", "first_day", "last_day", "failed_calls", "hurt_requests", "credit")
        found[key] = row["from_team"], CreditLine(**{name: row[name] for name in names})
    for one in accepted(decisions):
        for taken in one.proposal.lines:
            key = (
                one.proposal.month,
                one.proposal.from_app_id,
                taken.app_id,
                one.proposal.billing_currency,
            )
            # What is not computed any more is taken back from those it was given.
            nothing = replace(taken, failed_calls=0, hurt_requests=0, credit=Decimal(0), cost_center="")
            team, line = found.get(key, (one.proposal.from_team, nothing))
            found[key] = (
                team,
                replace(
                    line,
                    failed_calls=line.failed_calls - taken.failed_calls,
                    hurt_requests=line.hurt_requests - taken.hurt_requests,
                    credit=exact_total((line.credit, taken.credit.copy_negate())),
                ),
            )
    return dict(sorted(found.items()))


def accepted(decisions: Iterable[CreditDecision]) -> list[CreditDecision]:
    """Decisions by which credits are on statements."""
    return [one for one in decisions if one.decision == ACCEPTED]


def asked_for(found: Sequence[Proposal], name: str, known_to: date) -> Proposal:
    """The proposal of a name, which can be decided on.

    Raises:
        CloseRefused: there is none of this name, it says something else now, its month is not whole, or nobody can pay.
    """
    one = next((proposal for proposal in found if proposal.name == name), None)
    if one is None:
        place = name.rpartition("@")[0] or name
        now = next((proposal for proposal in found if proposal.place == place), None)
        if now is not None and name != place:
            raise CloseRefused(
                f"{place} says something else than {name}: it is {now.name} now, {now.billing_currency} {plain(now.total)} to "
                f"{len(now.lines)} apps; look at it again with `appfleet credits`"
            )
        raise CloseRefused(
            f"no credit {name} is proposed: `appfleet credits` lists what is, with its whole name"
        )
    if one.state == OPEN:
        raise CloseRefused(
            f"{one.month:%Y-%m} is known to {known_to} only, so {one.place} still grows: decide once the month is whole"
        )
    if one.from_team == NOBODY:
        raise CloseRefused(
            f"{one.from_app_id} belongs to no team, so nobody can pay {one.name}: give it an owner in the catalogue first"
        )
    return one


def changes_of_statements(decisions: Iterable[CreditDecision], booked: pl.DataFrame) -> pl.DataFrame:
    """What statements do not have yet of accepted credits, and have of those taken back: ``billing_period, adjustment, named``,
    ``KEY`` and ``COSTS``. Of each credit the amounts sum to nothing.

    Args:
        decisions: the one that holds of each proposal.
        booked: lines of closed statements that are credits, with ``adjustment_of``.
    """
    by = ["billing_period", "adjustment", "named", *KEY]
    rows = [row for one in accepted(decisions) for row in _rows(one)]
    schema = {**dict.fromkeys(by, pl.String), "billing_period": pl.Date}
    wanted = pl.DataFrame([places for places, _ in rows], schema=schema, orient="row")
    amounts = money_series("amount", [units for _, units in rows])
    has = booked.rename({"adjustment_of": "named"}).select(
        *by, *((pl.lit(0, MONEY) - pl.col(name)).cast(MONEY).alias(name) for name in COSTS)
    )
    return summed(pl.concat([wanted.with_columns(*(amounts.alias(name) for name in COSTS)), has]), by)


def _rows(one: CreditDecision) -> list[tuple[tuple[Any, ...], int]]:
    """A credit as rows of ``changes_of_statements`` with their amounts in the smallest: the shared app's team pays, each app
    that was hurt gets."""
    said = one.proposal
    sides: list[tuple[str, str, str, Decimal]] = [
        (said.from_cost_center, said.from_team, said.from_app_id, said.total)
    ]
    sides += [(line.cost_center, line.team, line.app_id, line.credit.copy_negate()) for line in said.lines]
    return [
        (
            (
                said.month, CREDIT, one.credit_id, said.billing_currency, center, team, app, "", "",
                f"failures of {said.from_app_id}", CATEGORY, "", CREDIT,
            ),
            units_of(amount),
        )
        for center, team, app, amount in sides
    ]  # fmt: skip


def month_of(change: date, closed: Collection[date], open_month: date | None) -> date:
    """The month whose statement takes what is not booked of a credit: its own while that is open, else the open month.

    What is older than every closed month is never closed any more, so it goes to the open month too.
    """
    if open_month is None or (change not in closed and change > min(closed)):
        return change
    return open_month


def placed(one: Proposal, cost_centers: Mapping[str, str]) -> Proposal:
    """A proposal with the cost centre of each team; empty of a team without one."""
    return replace(
        one,
        from_cost_center=cost_centers.get(one.from_team, ""),
        lines=tuple(replace(line, cost_center=cost_centers.get(line.team, "")) for line in one.lines),
    )
