"""Closes a month's statement, reopens it, and asks for a closed month to be charged by newer rules or owners.

A month is closed only while nothing about it is in doubt; what is in doubt is listed by name. Nothing here computes a cost:
lines come from what is published, and the ledger of closings is ``sql.closings``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import polars as pl

from models.accounts import LedgerAccounts, parse_accounts
from models.closing import month_after, open_month, sums_by_currency
from models.completeness import CLOSABLE, FINAL
from models.credit_proposals import CREDIT
from models.errors import AppfleetError, CloseRefused, ConfigurationError, ControlTotalError
from models.identity import RULE_VERSION, UNASSIGNED
from models.invoices import Invoices, parse_invoices
from models.journal import journal_entries, journal_totals
from models.readers import Reader
from models.settings import RULES_FILE, BillingSource, Settings
from models.statement_csv import COLUMNS, LAYOUT_VERSION, csv_bytes, plain
from models.statement_files import parquet_bytes, xlsx_bytes
from pipelines.compute.adjustments import (
    BILL,
    IDENTITIES,
    OWN_LINES,
    Pending,
    batches_of_rules,
    compute_adjustments,
    pending,
    reclassification_key,
)
from pipelines.compute.completeness import days_at
from pipelines.compute.costs import billed_months, changed_totals
from pipelines.compute.reporting import SCOPE as REPORTING
from pipelines.compute.reporting import compute_reporting, unreported
from pipelines.compute.rules import rules_sha256
from pipelines.ingest.billing.held import waiting as held_deliveries
from pipelines.ingest.shared_rules import rules_text, written_rules
from pipelines.reports.journal import rendered_journal
from pipelines.reports.reporting import NO_REPORTING, REPORTED, reporting_files, reporting_name
from pipelines.reports.statements import (
    MonthStatement,
    csv_name,
    file_stem,
    read_statement,
    replace_file,
    ties_to_bill,
)
from sql.closings import CLOSED as CLOSED_STATE
from sql.closings import (
    LEASE,
    REOPENED,
    Closing,
    Reclassification,
    batch_key,
    batches_of,
    closed_file,
    closed_months,
    decide,
    reclassifications,
    refuse_unless,
    write_closed,
    write_reclassification,
)
from sql.leases import lease
from sql.publish import WHOLE_TABLE, Release, collect, head, heads
from sql.warehouse import Warehouse
from sql.workspace import read_text

Waiting = Callable[[str], None]


@dataclass(frozen=True)
class ClosingCheck:
    """One thing a month is held against before it is closed; ``sentence`` says what was found."""

    name: str
    is_green: bool
    sentence: str


@dataclass(frozen=True)
class Plan:
    """What closing a month would freeze, and what stands against it."""

    period: date
    checks: tuple[ClosingCheck, ...]
    closing: Closing | None = None
    lines: pl.DataFrame | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def red(self) -> tuple[ClosingCheck, ...]:
        """Checks that stand against closing."""
        return tuple(one for one in self.checks if not one.is_green)


def close_month(
    warehouse: Warehouse, settings: Settings, period: date, by: str, now: datetime, wait_seconds: float = 0.0
) -> Closing:
    """Closes a month's statement; one that is closed stays as it is.

    Raises:
        CloseRefused: a check is red; names each.
        LeaseHeld: a pass runs, or somebody else closes.
        ControlTotalError: what was stored is not what was computed; nothing is closed.
    """
    with deciding(settings, wait_seconds):
        done = closed_months(warehouse).get(period)
        if done:
            return done
        with lease(settings.root, "costs", wait_seconds):
            collect(warehouse, compute_adjustments(warehouse))
            if settings.reporting:
                compute_reporting(warehouse, settings, [period])
        plan = plan_close(warehouse, settings, period, by, now)
        if plan.red:
            raise CloseRefused(
                f"{period:%Y-%m} cannot be closed: " + "; ".join(one.sentence for one in plan.red)
            )
        assert plan.closing and plan.lines is not None
        return write_closed(warehouse, plan.closing, plan.lines, plan.files)


def plan_close(warehouse: Warehouse, settings: Settings, period: date, by: str, now: datetime) -> Plan:
    """What closing a month would freeze, and every check; nothing is written."""
    checks: list[ClosingCheck] = []
    closed = closed_months(warehouse)
    if period in closed:
        done = closed[period]
        said = (
            f"{period:%Y-%m} is closed already, by {done.decided_by} at {done.decided_at:%Y-%m-%d %H:%M} UTC"
        )
        return Plan(period, (ClosingCheck("open", False, said),))
    try:
        statement = read_statement(warehouse, period)
    except ConfigurationError as error:
        return Plan(period, (ClosingCheck("statement", False, str(error)),))
    changes, adjusted = _adjustments(warehouse, statement)
    accounts, booked = _booked(settings, statement)
    checks += [
        _in_order(period, closed, heads(warehouse, "billing/")),
        _computed(warehouse, settings, period),
        _attributed_equals_billed(warehouse, statement),
        _undamaged(warehouse, period),
        adjusted,
        *_invoices(settings, statement),
        _nothing_held(warehouse, period),
        *_complete_days(warehouse, settings, statement, now),
        booked,
        *_reported(warehouse, settings, period),
    ]
    lines = statement.lines
    if accounts and booked.is_green:
        lines = accounts.booked(lines, period)
    statement = replace(statement, lines=lines)
    files, journal = _files(settings, statement, accounts if booked.is_green else None)
    if journal:
        checks.append(journal)
    if settings.reporting:
        files = {**files, **reporting_files(warehouse, statement)}
    return Plan(
        period,
        tuple(checks),
        _closing(warehouse, settings, statement, changes, by, now),
        lines,
        files,
    )


def reopen_month(
    warehouse: Warehouse,
    settings: Settings,
    period: date,
    by: str,
    reason: str,
    now: datetime,
    wait_seconds: float = 0.0,
) -> Closing:
    """Opens a closed month again; what it was closed with stays in the ledger.

    Raises:
        CloseRefused: it is not closed, there is no reason, or a later closed statement adjusts it.
    """
    refuse_unless(bool(reason.strip()), f"{period:%Y-%m} is reopened with a reason: say why with --reason")
    with deciding(settings, wait_seconds):
        closed = closed_months(warehouse)
        refuse_unless(period in closed, f"{period:%Y-%m} is not closed, so there is nothing to reopen")
        later = [
            month
            for month, one in closed.items()
            if month != period and batches_of(one.batches, "billing/", period)
        ]
        refuse_unless(
            not later,
            f"{period:%Y-%m} is adjusted by the closed statement of {', '.join(f'{one:%Y-%m}' for one in later)}: reopen that "
            "one first",
        )
        with lease(settings.root, "costs", wait_seconds):
            opened = decide(
                warehouse,
                replace(closed[period], state=REOPENED, decided_by=by, decided_at=now, reason=reason.strip()),
            )
            collect(warehouse, compute_adjustments(warehouse))
            return opened


def reclassify_month(
    warehouse: Warehouse,
    settings: Settings,
    period: date,
    by: str,
    reason: str,
    now: datetime,
    wait_seconds: float = 0.0,
) -> tuple[Reclassification, Pending]:
    """Asks for a closed month to be charged as today's rules and owners say; the difference is lines of the open month.

    Raises:
        CloseRefused: it is not closed, there is no reason, or its costs are not computed as they are now.
        ControlTotalError: closed lines and adjustments do not sum to the bill.
    """
    refuse_unless(
        bool(reason.strip()), f"{period:%Y-%m} is reclassified with a reason: say why with --reason"
    )
    with deciding(settings, wait_seconds), lease(settings.root, "costs", wait_seconds):
        refuse_unless(
            period in closed_months(warehouse),
            f"{period:%Y-%m} is not closed, so newer rules and owners hold by themselves",
        )
        computed = _computed(warehouse, settings, period)
        refuse_unless(computed.is_green, computed.sentence)
        costs, identities = head(warehouse, "costs", period), head(warehouse, "identities", WHOLE_TABLE)
        assert costs and identities
        bills = [one for one in heads(warehouse, "billing/") if one.period == period]
        shared_rules = written_rules(settings)
        one = write_reclassification(
            warehouse,
            Reclassification(
                billing_period=period,
                batches={
                    **{batch_key(bill.scope, period, BILL): bill.batches[BILL] for bill in bills},
                    batch_key("costs", period, OWN_LINES): costs.batches[OWN_LINES],
                    batch_key("identities", period, IDENTITIES): identities.batches[IDENTITIES],
                    **batches_of_rules(warehouse, shared_rules, period, costs)[0],
                },
                shared_rules=shared_rules,
                decided_by=by,
                reason=reason.strip(),
                decided_at=now,
            ),
        )
        collect(warehouse, compute_adjustments(warehouse))
        return one, pending(warehouse)


@contextmanager
def deciding(settings: Settings, wait_seconds: float, waiting: Waiting = lambda _: None) -> Iterator[None]:
    """Nobody else publishes or decides on statements until the end of the block."""
    with ExitStack() as stack:
        for scope in ("pass", LEASE):
            stack.enter_context(lease(settings.root, scope, wait_seconds, waiting))
        yield


def _closing(
    warehouse: Warehouse,
    settings: Settings,
    statement: MonthStatement,
    changes: Pending,
    by: str,
    now: datetime,
) -> Closing:
    """The decision that closes a month, with everything its lines were made of."""
    assert statement.release
    period = statement.period
    made_of = [*statement.sources, statement.release]
    reported = head(warehouse, REPORTING, period) if settings.reporting else None
    if reported:
        made_of.append(reported)
    batches = {
        batch_key(one.scope, period, table): batch for one in made_of for table, batch in one.batches.items()
    }
    releases = {f"{one.scope} {period:%Y-%m}": one.seq for one in made_of}
    identities = head(warehouse, "identities", WHOLE_TABLE)
    if identities:
        batches[batch_key("identities", period, IDENTITIES)] = identities.batches[IDENTITIES]
        releases[f"identities {period:%Y-%m}"] = identities.seq
    shared_rules = written_rules(settings)
    by_rules, released = batches_of_rules(warehouse, shared_rules, period, statement.release)
    batches, releases = {**batches, **by_rules}, {**releases, **released}
    asked = [one.seq for one in reclassifications(warehouse) if one.billing_period == period]
    if asked:  # of an earlier closing of this month: its own lines are by today's rules and owners
        releases[reclassification_key(period)] = max(asked)
    return Closing(
        statement_period=period,
        state=CLOSED_STATE,
        lines_batch=UUID(int=0),
        decided_by=by,
        decided_at=now,
        statement_id=statement.id,
        statement_version=statement.version,
        rule_version=RULE_VERSION,
        rules_sha256=rules_sha256(),
        shared_rules_version=rules_text(shared_rules, RULES_FILE).version,
        shared_rules_sha256=hashlib.sha256(shared_rules.encode()).hexdigest(),
        shared_rules=shared_rules,
        layout_version=LAYOUT_VERSION,
        rows=statement.lines.height,
        sums=sums_by_currency(statement.lines),
        batches={**batches, **changes.batches},
        releases={**releases, **changes.releases},
    )


def write_beside(
    warehouse: Warehouse, settings: Settings, period: date, out_dir: Path, kind: str, team: str | None = None
) -> Path:
    """Writes a month's statement as ``xlsx``, ``parquet``, ``journal`` or ``reporting``: of a closed month the bytes it was closed with.

    Raises:
        ConfigurationError: the month has no statement, or the journal has no accounts or is a team's.
        ControlTotalError: a closed file is not what it was.
    """
    statement = read_statement(warehouse, period)
    is_journal = kind == "journal"
    if is_journal and team:
        raise ConfigurationError("a journal is of the whole statement: leave out --team")
    name = f"journal-{period:%Y-%m}.csv" if is_journal else f"{file_stem(period, team)}.{kind}"
    if kind == REPORTED:
        name = reporting_name(period, team)
    if statement.closing and not team:
        if name not in statement.closing.files:
            needed = "reporting currency" if kind == REPORTED else "file of accounts"
            raise ConfigurationError(f"{period:%Y-%m} was closed without {name}: no {needed} was named then")
        content = closed_file(warehouse, statement.closing, name)
    elif kind == REPORTED:
        content = reporting_files(warehouse, statement, team).get(name, b"")
        if not content:
            said = unreported(warehouse, settings, period) if settings.reporting else NO_REPORTING
            raise ConfigurationError(f"{name}: {said}")
    elif is_journal:
        accounts, booked = _booked(settings, statement)
        if accounts is None or not booked.is_green:
            raise ConfigurationError(f"{name}: {booked.sentence}")
        lines = accounts.booked(statement.lines, period)
        content = _journal(settings, replace(statement, lines=lines), accounts)[0]
    else:
        write = {"xlsx": xlsx_bytes, "parquet": parquet_bytes}[kind]
        content = write(statement.stamped(team).select(COLUMNS))
    out_dir.mkdir(parents=True, exist_ok=True)
    replace_file(out_dir / name, content)
    return out_dir / name


def _journal(settings: Settings, statement: MonthStatement, accounts: LedgerAccounts) -> tuple[bytes, int]:
    """The journal of a statement whose lines have accounts, and how many entries it has."""
    entries = journal_entries(statement.lines, accounts.clearing, statement.period)
    about = {"id": statement.id, "version": statement.version, "period": f"{statement.period:%Y-%m}"}
    context = {"entries": entries, "totals": journal_totals(entries), "statement": about}
    return rendered_journal(settings.statements.journal, context), len(entries)


def _files(
    settings: Settings, statement: MonthStatement, accounts: LedgerAccounts | None
) -> tuple[dict[str, bytes], ClosingCheck | None]:
    """Every file of a statement by its name, and whether its journal could be written."""
    stamped = statement.stamped()
    frame = stamped.select(COLUMNS)
    stem = file_stem(statement.period)
    files = {csv_name(statement.period, reader): csv_bytes(frame, reader)[0] for reader in Reader}
    files[f"{stem}.xlsx"] = xlsx_bytes(frame)
    files[f"{stem}.parquet"] = parquet_bytes(frame)
    if accounts is None:
        return files, None
    try:
        content, entries = _journal(settings, statement, accounts)
    except AppfleetError as error:
        return files, ClosingCheck("journal", False, str(error))
    files[f"journal-{statement.period:%Y-%m}.csv"] = content
    return files, ClosingCheck("journal", True, f"{entries} entries, debits equal credits")


def _in_order(period: date, closed: Mapping[date, Closing], bills: Sequence[object]) -> ClosingCheck:
    billed = {one.period for one in bills}  # type: ignore[attr-defined]
    earlier = [one for one in sorted(billed - set(closed)) if closed and min(closed) < one < period]
    said = ", ".join(f"{one:%Y-%m}" for one in earlier)
    return ClosingCheck(
        "order",
        not earlier,
        f"{said} must be closed first: adjustments go to the first open month"
        if earlier
        else "no earlier month waits",
    )


def _computed(warehouse: Warehouse, settings: Settings, period: date) -> ClosingCheck:
    _, stale = billed_months(warehouse, settings)
    return ClosingCheck(
        "computed",
        period not in stale,
        f"the costs of {period:%Y-%m} are not computed from the bill, identities and rules as they are now: `appfleet run`"
        if period in stale
        else "costs are those of the bill, identities and rules as they are now",
    )


def _attributed_equals_billed(warehouse: Warehouse, statement: MonthStatement) -> ClosingCheck:
    # Whoever closes sees whole bills, whichever teams they are of.
    frame = warehouse.frame(
        "queries/finance/reconciliation",
        billing_period=statement.period,
        see_whole_bills=True,
        teams=[UNASSIGNED],
    )
    apart = frame.filter(pl.col("difference") != 0)
    if apart.height:
        first = apart.row(0, named=True)
        return ClosingCheck(
            "attributed equals billed",
            False,
            f"{first['source_name']} {statement.period:%Y-%m}: attributed {first['metric']} is {plain(first['attributed'])} "
            f"{first['billing_currency']}, billed is {plain(first['published'])}: `appfleet run`",
        )
    try:
        ties_to_bill(warehouse, statement)
    except ControlTotalError as error:
        return ClosingCheck("attributed equals billed", False, str(error))
    return ClosingCheck(
        "attributed equals billed",
        True,
        f"equal in all {frame.height} sums of source, currency and metric, to the last digit",
    )


def _undamaged(warehouse: Warehouse, period: date) -> ClosingCheck:
    found = [one for one in changed_totals(warehouse) if one.period == period]
    return ClosingCheck(
        "rows",
        not found,
        "; ".join(str(one) for one in found) or "the tables hold what was published",
    )


def _adjustments(warehouse: Warehouse, statement: MonthStatement) -> tuple[Pending, ClosingCheck]:
    """Adjustments the statement takes, and whether it has them as they are now."""
    try:
        found = pending(warehouse)
    except ControlTotalError as error:
        return Pending(), ClosingCheck("adjustments", False, str(error))
    made_of = found if found.month == statement.period else Pending()
    lines = found.by_month.get(statement.period, made_of.lines)
    has = statement.lines.filter(pl.col("line").is_in(lines["line"].to_list())).select(lines.columns)
    all_told = lines.filter(pl.col("adjustment") != "").height
    # behind its own lines a statement has its adjustments and nothing else
    is_whole = statement.lines["line"].to_list() == list(range(1, statement.lines.height + 1))
    is_whole &= statement.lines.filter(pl.col("adjustment") != "").height == all_told
    if not has.equals(lines) or not is_whole:
        return made_of, ClosingCheck(
            "adjustments",
            False,
            "closed months were restated, reclassified or credited since: `appfleet run`",
        )
    credits = lines.filter(adjustment=CREDIT).height
    told = all_told - credits
    if not told and not credits:
        return made_of, ClosingCheck("adjustments", True, "no adjustment of closed months is of this month")
    return made_of, ClosingCheck(
        "adjustments",
        True,
        f"{told} lines adjust closed months" + (f", {credits} are credits for failures" if credits else ""),
    )


def _invoices(settings: Settings, statement: MonthStatement) -> list[ClosingCheck]:
    checks = []
    try:
        declared = declared_invoices(settings)
    except ConfigurationError as error:
        return [ClosingCheck("invoices", False, str(error))]
    bills = {one.scope.removeprefix("billing/"): one for one in statement.sources}
    for one in declared.invoices:
        if one.month != statement.period:
            continue
        name = f"invoice {one.source} {one.currency}"
        if one.source not in bills:
            checks.append(
                ClosingCheck(name, False, f"{one.source} has an invoice of {one.month:%Y-%m} and no bill")
            )
            continue
        apart = one.difference(bills[one.source].sums)
        said = (
            f"{one.source} {one.month:%Y-%m}: the invoice has {plain(one.total)} {one.currency}, the bill "
            f"{plain(one.total + apart)}: {plain(apart)} apart, {plain(one.tolerance)} is allowed"
        )
        checks.append(ClosingCheck(name, abs(apart) <= one.tolerance, said))
    return checks or [ClosingCheck("invoices", True, "no total of an invoice is declared for this month")]


def _nothing_held(warehouse: Warehouse, period: date) -> ClosingCheck:
    held = [one.id for one in held_deliveries(warehouse) if one.period == period]
    return ClosingCheck(
        "held",
        not held,
        f"{', '.join(held)} waits for a person: `appfleet deliveries`"
        if held
        else "no delivery waits for a person",
    )


def _complete_days(
    warehouse: Warehouse, settings: Settings, statement: MonthStatement, now: datetime
) -> Iterator[ClosingCheck]:
    """Of each source, whether every day of the month is final or settled, by the rule of ``core_cost_days``."""
    end = month_after(statement.period)
    days = days_at(warehouse, settings, now).filter(
        pl.col("usage_date").is_between(statement.period, end, closed="left")
    )
    named: dict[str, BillingSource] = {one.name: one for one in settings.billing}
    for release in statement.sources:
        source = release.scope.removeprefix("billing/")
        own = days.filter(pl.col("source_name") == source)
        is_whole = own.height == (end - statement.period).days and own["state"].is_in(CLOSABLE).all()
        stated = named[source].settled_after_days if source in named else None
        yield ClosingCheck(
            f"days {source}",
            is_whole,
            _closable(source, own) if is_whole else _not_closable(release, source, stated, end, now, own),
        )


def _closable(source: str, days: pl.DataFrame) -> str:
    if (days["state"] == FINAL).all():
        return f"{source} is final: {days['reason'][0]}"
    return f"{source} is settled since {max(days['since'].to_list()):%Y-%m-%d}"


def _not_closable(
    release: Release, source: str, stated: int | None, end: date, now: datetime, days: pl.DataFrame
) -> str:
    """Why days of a source keep its month open: the first thing that has to change."""
    month = f"{release.period:%Y-%m}"
    if stated is None:
        return (
            f"{source} does not say how many days after a day's end it is settled, nor does it deliver {month} as final: set "
            "`settled_after_days` of the source"
        )
    settled = end + timedelta(days=stated)
    if now < datetime.combine(settled, datetime.min.time(), UTC):
        return f"{source} is settled {stated} days after a day's end, so {month} is not before {settled}"
    if release.version < datetime.combine(end, datetime.min.time(), UTC):
        return (
            f"{source} delivered {month} last on {release.version:%Y-%m-%d}, before the month's end: its last days are not "
            "there"
        )
    left = days.filter(~pl.col("state").is_in(CLOSABLE))
    return f"{source} {left['usage_date'][0]}: {left['reason'][0]}"


def _booked(settings: Settings, statement: MonthStatement) -> tuple[LedgerAccounts | None, ClosingCheck]:
    """The accounts of cost centres, and whether every line of the statement has one."""
    try:
        accounts = ledger_accounts(settings)
    except ConfigurationError as error:
        return None, ClosingCheck("accounts", False, str(error))
    if accounts is None:
        return None, ClosingCheck(
            "accounts", True, "no file of accounts is named: lines have none, and there is no journal"
        )
    last = month_after(statement.period) - timedelta(days=1)
    missing = accounts.unbooked(set(statement.lines["cost_center"]), statement.period, last)
    path = settings.statements.accounts
    assert path
    return accounts, ClosingCheck(
        "accounts",
        not missing,
        f"{path.name}: {', '.join(missing)}" if missing else "every cost centre has an account",
    )


def _reported(warehouse: Warehouse, settings: Settings, period: date) -> Iterator[ClosingCheck]:
    """Whether the month has its lines in the reporting currency, which closing freezes with their rates."""
    if settings.reporting:
        said = unreported(warehouse, settings, period)
        yield ClosingCheck(
            "rates", not said, said or f"every day has its rate to {settings.reporting.currency}"
        )


def ledger_accounts(settings: Settings) -> LedgerAccounts | None:
    """What the settings' file of accounts says; None where none is named.

    Raises:
        ConfigurationError: it cannot be read, or has a mistake.
    """
    path = settings.statements.accounts
    return parse_accounts(_text(path), path.name) if path else None


def declared_invoices(settings: Settings) -> Invoices:
    """What the settings' file of invoices declares.

    Raises:
        ConfigurationError: it cannot be read, or has a mistake.
    """
    path = settings.statements.invoices
    return parse_invoices(_text(path), path.name) if path else Invoices()


def _text(path: Path) -> str:
    return read_text(path, path.name)


def next_open_month(warehouse: Warehouse) -> date | None:
    """The month whose statement takes the adjustments of closed ones; None where nothing is closed."""
    return open_month(closed_months(warehouse), {one.period for one in heads(warehouse, "billing/")})
