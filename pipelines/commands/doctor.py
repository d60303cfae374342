"""`appfleet doctor`: what is wrong or getting old in a workspace, and what to do about it.

Looks only; it changes nothing. Each check reads one named query.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from models import age
from models.errors import AppfleetError
from models.policy import watermark_policy
from models.redaction import redaction
from models.settings import FILE_NAME, Settings
from pipelines.commands.doubts import silent_sentences
from pipelines.compute import STALE_DAYS, cost_days, damaged_totals, newest_complete, yesterday
from pipelines.ingest.billing.held import at_stake, waiting
from pipelines.ingest.intake.journal import refused_segments
from pipelines.ingest.sources import open_store
from pipelines.ingest.sources.google_accounts import cloud_billing_client, linked_projects
from sql.local_warehouse import open_warehouse
from sql.publish import heads
from sql.warehouse import Warehouse

SHOWN = 10


@dataclass(frozen=True)
class Finding:
    """One line of the report; a failure makes the command end with 1."""

    check: str
    sentence: str
    advice: str = ""
    is_failure: bool = False


def findings(settings: Settings, clock: datetime) -> list[Finding]:
    """Everything found in a workspace at a moment, check by check; a check without findings says so.

    One that cannot be made is a finding too, and the others are made all the same.
    """
    with open_warehouse(settings.root, role="reader") as warehouse:
        found = []
        for check in (
            _sources,
            _ages,
            _control_totals,
            _held_deliveries,
            _refusals,
            _rejects,
            _repairs,
            _spans_without_resource,
            _nameless_senders,
            _unhidden,
            _differing_copies,
            _stale_sources,
            _charges_ahead,
            _silent_apps,
            _silent_projects,
            _refused_segments,
        ):
            name = check.__name__.strip("_").replace("_", " ")
            lines: list[Finding] = []
            try:
                lines += check(warehouse, settings, clock)
            except AppfleetError as error:
                advice = "mend that first; what this check looks at is not known until then"
                lines.append(Finding(name, f"could not be looked at: {error}", advice, is_failure=True))
            found += lines or [Finding(name, "nothing found")]
        return found


def _sources(warehouse: Warehouse, settings: Settings, clock: datetime) -> Iterator[Finding]:
    """Whether there is anything to read, and whether it can be listed now."""
    if not settings.billing and not settings.telemetry:
        yield Finding(
            "sources",
            "no source is configured: there is no bill and no telemetry but what is sent live",
            f"name your bill under sources.billing in {FILE_NAME}, then `appfleet run`",
        )
    for source in (*settings.billing, *settings.telemetry):
        try:
            objects = open_store(source, settings.root).objects()
        except AppfleetError as error:
            yield Finding(
                "sources", f"{source.name}: {error}", "its figures stay as they were", is_failure=True
            )
        else:
            if not objects:
                yield Finding(
                    "sources",
                    f"{source.name}: there is nothing in {source.location}",
                    "look whether its export runs",
                )


def _control_totals(warehouse: Warehouse, settings: Settings, clock: datetime) -> Iterator[Finding]:
    for sentence in damaged_totals(warehouse):
        yield Finding(
            "control totals",
            sentence,
            "keep a copy of .appfleet whole, for live telemetry since the last backup is nowhere else; then restore a backup, "
            "or load the bills into a new workspace with a copy of appfleet.yaml",
            is_failure=True,
        )
    totals = warehouse.frame("queries/billing/control_totals")
    for row in totals.filter(totals["difference"] != 0).iter_rows(named=True):
        yield Finding(
            "control totals",
            f"{row['source_name']} {row['billing_period']:%Y-%m}: attributed {row['metric']} differs from billed by "
            f"{row['billing_currency']} {row['difference']:f}",
            "run `appfleet run --only identities,costs`",
            is_failure=True,
        )


def _held_deliveries(warehouse: Warehouse, settings: Settings, clock: datetime) -> Iterator[Finding]:
    lines = waiting(warehouse)
    for line in lines[:SHOWN]:
        yield Finding(
            "held deliveries",
            f"{line.id}: {line.reason}; {at_stake(line)}",
            "look at its objects, then `appfleet deliveries accept` or `reject` it",
            is_failure=True,
        )
    yield from _more("held deliveries", len(lines), "`appfleet deliveries` lists them all")


def _more(check: str, count: int, advice: str, is_failure: bool = True) -> Iterator[Finding]:
    """How many a check found beyond those it shows."""
    if count > SHOWN:
        yield Finding(check, f"and {count - SHOWN:,} more, {count:,} in all", advice, is_failure)


def _refusals(warehouse: Warehouse, settings: Settings, clock: datetime) -> Iterator[Finding]:
    frame = warehouse.frame("queries/doctor/refused", shown=SHOWN)
    for row in frame.iter_rows(named=True):
        yield Finding(
            "refusals",
            f"{row['source_name']}: {_named(row['object_name'], row['reason'])}",
            "mend the export and deliver it again; the figures before it stay until then",
            is_failure=True,
        )
    yield from _more(
        "refusals",
        frame["matching"][0] if frame.height else 0,
        "`appfleet sql \"SELECT source_name, object_name, reason FROM raw_deliveries WHERE state = 'refused'\"`",
    )


def _named(object_name: str, reason: str) -> str:
    """A refusal with the object it is about, named once: most reasons begin with it."""
    return reason if reason.startswith(object_name) else f"{object_name}: {reason}"


def _rejects(warehouse: Warehouse, settings: Settings, clock: datetime) -> Iterator[Finding]:
    frame = warehouse.frame("queries/doctor/rejects", shown=SHOWN)
    for row in frame.iter_rows(named=True):
        yield Finding(
            "rejects",
            f"{row['source_name']}: {row['records']:,} record(s) set aside, {row['reason']} "
            f"(first: {row['object_name']}, position {row['position']})",
            'read them with `appfleet sql "SELECT * FROM raw_rejects"`; mend the sender',
        )
    yield from _more(
        "rejects",
        frame["matching"][0] if frame.height else 0,
        'read them with `appfleet sql "SELECT * FROM raw_rejects"`; mend the senders',
        is_failure=False,
    )


def _repairs(warehouse: Warehouse, settings: Settings, clock: datetime) -> Iterator[Finding]:
    for row in warehouse.frame("queries/doctor/repairs").iter_rows(named=True):
        money = f", beside {', '.join(row['amounts'])} billed" if row["amounts"] else ""
        yield Finding(
            "repairs",
            f"{row['source_name']}: {row['subject']} {row['reason']}, in {row['records']:,} record(s) of "
            f"{row['objects']:,} object(s){money} (one: {row['object_name']})",
            'read them with `appfleet sql "SELECT * FROM raw_repairs"`; mend the export or the sender',
        )


def _spans_without_resource(warehouse: Warehouse, settings: Settings, clock: datetime) -> Iterator[Finding]:
    spans = warehouse.frame("queries/telemetry/unassigned_resources")
    advice = "set both as resource attributes: `otel.instrument(app_id=..., owner=...)` does"
    for row in spans.head(SHOWN).iter_rows(named=True):
        yield Finding(
            "spans without resource",
            f"{row['spans']:,} span(s) of {row['day']} name neither app_id nor service.name",
            advice,
        )
    yield from _more("spans without resource", spans.height, advice, is_failure=False)


def _nameless_senders(warehouse: Warehouse, settings: Settings, clock: datetime) -> Iterator[Finding]:
    senders = warehouse.frame("queries/doctor/nameless_senders")
    for row in senders.head(SHOWN).iter_rows(named=True):
        told = "one app" if row["is_told_apart"] else "every sender that says nothing else of itself"
        yield Finding(
            "nameless senders",
            f"{row['app_id']} is {told}: {row['spans']:,} span(s), {row['logs']:,} log record(s), "
            f"{row['metric_points']:,} metric point(s), last seen {row['last_seen']:%Y-%m-%d %H:%M}",
            "set service.name or app_id where it starts: OTEL_SERVICE_NAME is enough",
        )
    if len(senders) > SHOWN:
        yield Finding("nameless senders", f"{len(senders) - SHOWN:,} more app(s) without a name of their own")


def _unhidden(warehouse: Warehouse, settings: Settings, clock: datetime) -> Iterator[Finding]:
    rows = warehouse.frame(
        "queries/doctor/unhidden", hidden_keys=redaction(settings.redact).bound()["hidden_keys"]
    )
    for row in rows.head(SHOWN).iter_rows(named=True):
        yield Finding(
            "unhidden",
            f"{row['records']:,} value(s) of {row['key']} in {row['signal']} that a collector inserted directly are stored as "
            "they came, and the redaction policy would hide them",
            "put a `redaction` processor with this key in its `blocked_key_patterns` before the collector's ClickHouse exporter",
        )
    yield from _more("unhidden", len(rows), "the same processor hides them", is_failure=False)


def _differing_copies(warehouse: Warehouse, settings: Settings, clock: datetime) -> Iterator[Finding]:
    copies = warehouse.frame("queries/doctor/differing_copies")
    for row in copies.head(SHOWN).iter_rows(named=True):
        yield Finding(
            "differing copies",
            f"{row['spans']:,} span(s) of {row['day']} came in {row['copies']:,} copies that differ in {row['differs_in']} "
            f"and count each, such as span {row['example_span']} of trace {row['example_trace']} ({', '.join(row['example_apps'])})",
            "two collectors name one sender differently, or one rewrites times: give both the same resource attributes",
        )
    if len(copies) > SHOWN:
        yield Finding(
            "differing copies",
            f"{len(copies) - SHOWN:,} more line(s) with {sum(copies['spans'][SHOWN:]):,} span(s)",
            "read them with sql/queries/doctor/differing_copies.sql",
        )


def _stale_sources(warehouse: Warehouse, settings: Settings, clock: datetime) -> Iterator[Finding]:
    known = {release.scope for release in heads(warehouse, "billing/")}
    for source in settings.billing:
        if f"billing/{source.name}" not in known:
            yield Finding(
                "stale sources",
                f"{source.name}: nothing of it is published",
                f"check its location {source.location}, then `appfleet run --only billing`",
            )
    days = cost_days(warehouse, yesterday(clock))
    for source_name, newest_day in days.items():
        if max(days.values()) - newest_day > timedelta(days=STALE_DAYS):
            yield Finding(
                "stale sources",
                f"{source_name}: newest complete day of cost is {newest_day}, others reach {max(days.values())}",
                "look whether its export still runs",
            )


def _charges_ahead(warehouse: Warehouse, settings: Settings, clock: datetime) -> Iterator[Finding]:
    """Usage nobody can have had yet: it stays in its month, and makes no day complete."""
    for row in warehouse.frame("queries/doctor/charges_ahead", today=clock.astimezone(UTC).date()).iter_rows(
        named=True
    ):
        yield Finding(
            "charges ahead",
            f"{row['source_name']}: {row['charges']:,} charges of usage, {row['billing_currency']}"
            f" {row['billed_cost']:,.2f} billed, are of {row['first_day']} to {row['last_day']}, which has not come yet",
            "ask who writes this bill for its dates; the charges count in their month",
        )


def _ages(warehouse: Warehouse, settings: Settings, clock: datetime) -> Iterator[Finding]:
    """Figures against the clock: sources that all stopped agree with each other."""
    as_of = newest_complete(warehouse, clock)
    days = cost_days(warehouse, yesterday(clock))
    for sentence in age.warnings(
        cost_day=max(days.values(), default=None),
        telemetry_end=as_of.slice_end if as_of.basis != "none" else None,
        clock=clock,
        policy=watermark_policy(),
    ):
        yield Finding("ages", sentence, "look whether exports and collectors still run, then `appfleet run`")
    if as_of.note:
        yield Finding(
            "ages",
            f"as of {as_of.slice_end:%Y-%m-%d %H:%M} UTC: {as_of.note}",
            "`appfleet run --as-of` names another moment; mend the sender's clock",
        )


def _silent_apps(warehouse: Warehouse, settings: Settings, clock: datetime) -> Iterator[Finding]:
    for sentence in silent_sentences(warehouse):
        yield Finding("silent apps", sentence, "look whether they still run, and their collector")


def _silent_projects(warehouse: Warehouse, settings: Settings, clock: datetime) -> Iterator[Finding]:
    for source in settings.billing:
        if not source.google_billing_account:
            continue
        client = cloud_billing_client(os.environ.get("CLOUD_BILLING_EMULATOR_HOST"))
        billed = set(
            warehouse.frame("queries/doctor/sub_accounts", source_name=source.name)["sub_account_id"]
        )
        for project in linked_projects(client, source.google_billing_account):
            if project not in billed:
                yield Finding(
                    "silent projects",
                    f"{source.name}: project {project} is paid by {source.google_billing_account} but has no cost row",
                    "check that the export covers it; a project without any use has none",
                )


def _refused_segments(warehouse: Warehouse, settings: Settings, clock: datetime) -> Iterator[Finding]:
    kept = refused_segments(settings.state)
    if kept:
        yield Finding(
            "refused segments",
            f"{len(kept):,} file(s) of live requests could not be loaded and are kept in "
            f"{kept[0].parent.relative_to(settings.root)}, {sum(one.stat().st_size for one in kept):,} bytes; "
            f"first: {kept[0].name}",
            "rejects and refusals name who sent them; nothing reads the files again, they are yours to keep",
        )
