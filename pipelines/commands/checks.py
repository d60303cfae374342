"""What `appfleet doctor` looks at: one function per check, each of which reads what it needs and changes nothing.

Which of them are made, and what a finding means for the command, is ``pipelines.commands.doctor``'s business.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from models import age
from models.alert_routes import FILE_NAME as ROUTES_FILE
from models.billing_apis import apis
from models.comparison import four_weeks
from models.errors import AppfleetError, ConfigurationError, ControlTotalError
from models.grants import FILE_NAME as PEOPLE_FILE
from models.grants import parse_people
from models.indicator_words import indicator_sentence
from models.maintenance import strange_names
from models.policy import watermark_policy
from models.redaction import redaction
from models.samples import sample_sentence
from models.settings import FILE_NAME, MAINTENANCE_FILE, Settings
from models.shared_rules import idle_rules, refuse_circles, unknown_names
from pipelines.actions.notify import told_of
from pipelines.actions.remediate import load_playbooks
from pipelines.actions.targets import address_of, load_routing
from pipelines.commands.credits import waiting_credits, waiting_sentence
from pipelines.commands.doubts import headline, silent_sentences
from pipelines.commands.playbooks import mistakes
from pipelines.commands.rebuild import damages
from pipelines.compute import STALE_DAYS, billed_months, changed_totals, cost_days_at, newest_complete
from pipelines.ingest import LIVE_SOURCE
from pipelines.ingest.billing.held import at_stake, waiting
from pipelines.ingest.intake import journal
from pipelines.ingest.intake.door import refuse_unguarded
from pipelines.ingest.intake.gate import NOBODY
from pipelines.ingest.intake.policy import intake_policy, retired_lifecycle
from pipelines.ingest.intake.token_file import token_file
from pipelines.ingest.maintenance import held_windows
from pipelines.ingest.registry import load_registry
from pipelines.ingest.shared_rules import load_rules
from pipelines.ingest.sources import open_store, refuse_shared_objects
from pipelines.ingest.sources.google_accounts import cloud_billing_client, linked_projects
from pipelines.said import Sentence, said
from sql import access_log
from sql.alerts import current_alerts
from sql.closings import Closing, closed_file, closed_months, pairs_of_map
from sql.damage import Damage, lost_rows
from sql.opening import open_warehouse
from sql.publish import heads
from sql.retention import begun
from sql.warehouse import Warehouse
from sql.workspace import people_text

SHOWN = 10
LIVE_DAYS = 7
"""How long what a live sender did wrong is told: it leaves nothing that could be mended later."""

CLOCK_SLACK = timedelta(minutes=5)


@dataclass(frozen=True)
class Finding:
    """One line of the report; a failure makes the command end with 1."""

    sentence: str
    advice: str = ""
    is_failure: bool = False


@dataclass
class Look:
    """What checks look at: an open warehouse, the settings, a moment, and what is listed once for all of them."""

    warehouse: Warehouse
    settings: Settings
    clock: datetime
    listed: dict[str, set[str] | str] = field(default_factory=dict)
    """Source -> names of its objects now, or why it cannot be listed."""

    def objects(self, source: str) -> set[str] | str:
        """Names of a source's objects now, or why it cannot be listed; of the intake and of a source that is gone, none."""
        if source not in self.listed:
            own = [one for one in (*self.settings.billing, *self.settings.telemetry) if one.name == source]
            try:
                self.listed[source] = {
                    item.name for one in own for item in open_store(one, self.settings.root).objects()
                }
            except AppfleetError as error:
                self.listed[source] = str(error)
        return self.listed[source]

    @property
    def sources(self) -> set[str]:
        """Names of the sources of the settings."""
        return {one.name for one in (*self.settings.billing, *self.settings.telemetry)}

    def is_there(self, source: str, object_name: str) -> bool:
        """Whether an object is still delivered; where its source cannot be listed it may be."""
        found = self.objects(source)
        return source in self.sources and (isinstance(found, str) or object_name in found)

    def said(self, *kinds: str) -> list[Sentence]:
        """What the last passes said of these kinds, but for sources that are gone from the settings."""
        return [
            one
            for one in said(self.warehouse)
            if one.kind in kinds
            and (
                one.step not in ("billing", "telemetry")
                or one.kind == "failed"
                or _first_word(one.text) in self.sources
            )
        ]


Checking = Callable[[Look], Iterator[Finding]]


def _first_word(sentence: str) -> str:
    """The source a sentence of a pass begins with."""
    found = re.match(r"[\w-]+", sentence)
    return found[0] if found else ""


def _shown(found: Sequence[Finding], more: str) -> Iterator[Finding]:
    """The first of many findings, and how many there are in all."""
    yield from found[:SHOWN]
    if len(found) > SHOWN:
        fails = any(one.is_failure for one in found[SHOWN:])
        yield Finding(f"and {len(found) - SHOWN:,} more, {len(found):,} in all", more, fails)


def sources(look: Look) -> Iterator[Finding]:
    """Whether there is anything to read, whether it can be listed now, and whether each object is in one source."""
    settings = look.settings
    if not settings.billing and not settings.telemetry:
        yield Finding(
            "no source is configured: there is no bill and no telemetry but what is sent live",
            f"name your bill under sources.billing in {FILE_NAME}, then `appfleet run`",
        )
    for source in (*settings.billing, *settings.telemetry):
        found = look.objects(source.name)
        if isinstance(found, str):
            yield Finding(f"{source.name}: {found}", "its figures stay as they were", is_failure=True)
        elif not found:
            yield Finding(
                f"{source.name}: there is nothing in {source.location}", "look whether its export runs"
            )
    for bill in settings.billing:
        api = apis()[bill.api] if bill.api else None
        if api and api.lacks:
            yield Finding(
                f"{bill.name}: {api.title} leaves out {api.lacks}: its total is not that of its invoice",
                "bring those in as a source of their own (`format: mapping`)",
            )
    try:
        refuse_shared_objects(settings.billing, settings.root)
    except AppfleetError as error:
        yield Finding(str(error), "`appfleet run` reads no bill until then", is_failure=True)


def writer(look: Look) -> Iterator[Finding]:
    """Whether a server lets its writer write, where this machine has that user: looking itself is done as the reader."""
    if look.settings.warehouse is None or not os.environ.get("APPFLEET_WAREHOUSE_WRITER_USER"):
        return
    try:
        with open_warehouse(look.settings.root):
            pass
    except AppfleetError as error:
        yield Finding(str(error), "no pass and no intake writes from here until then", is_failure=True)


def lost_parts(look: Look) -> Iterator[Finding]:
    """What is published and not there any more, or cannot be read: everything is counted and read."""
    yield from _shown(
        _damages(damages(look.warehouse)), "`appfleet rebuild` loads or computes all of them again"
    )


def _damages(found: Iterable[Damage]) -> list[Finding]:
    return [
        Finding(
            f"{one.place}: {one.what}",
            f"`{one.command}` {one.verb} it again and loses nothing; keep .appfleet as it is until then",
            is_failure=True,
        )
        for one in dict.fromkeys(replace(one, batch="") for one in found)
    ]


def closed_statements(look: Look) -> Iterator[Finding]:
    """Lines and files of closed statements that are not those the ledger froze, each by its name."""
    closed = closed_months(look.warehouse)
    held = {
        row["statement_period"]: row for row in look.warehouse.frame("queries/doctor/closed_lines").to_dicts()
    }
    for month, one in closed.items():
        yield from (
            Finding(f"{month:%Y-%m}: {sentence}", _FROM_BACKUP, is_failure=True)
            for sentence in (*_wrong_lines(one, held[month]), *_wrong_files(look.warehouse, one))
        )


_FROM_BACKUP = (
    "a closed statement is made from nothing else: restore it from a backup; where its Parquet file is whole, `appfleet chargeback "
    "--format parquet` still gives every line"
)


def _wrong_lines(one: Closing, held: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the lines of a closed statement; the first few by name, as an adjustment names them."""
    for numbers, what in ((held["missing"], "lost"), (held["twice"], "there twice")):
        if numbers:
            names = ", ".join(f"{one.statement_id}/{number}" for number in numbers[:SHOWN])
            more = f" and {len(numbers) - SHOWN:,} more" if len(numbers) > SHOWN else ""
            verb = "is" if len(numbers) == 1 else "are"
            yield f"{len(numbers):,} of {one.rows:,} lines of its closed statement {verb} {what}: {names}{more}"
    if held["missing"] or held["twice"]:
        return
    sums = {key: Decimal(value) for key, value in pairs_of_map(held["sums"])}
    for key in sorted({*one.sums, *sums}):
        before, now = one.sums.get(key, Decimal(0)), sums.get(key, Decimal(0))
        if before != now:
            yield f"lines of its closed statement {one.statement_id} sum to {now:f} {key}, it was closed with {before:f}"


def _wrong_files(warehouse: Warehouse, one: Closing) -> Iterator[str]:
    for name in one.files:
        try:
            closed_file(warehouse, one, name)
        except ControlTotalError as error:
            yield str(error)


def control_totals(look: Look) -> Iterator[Finding]:
    """Exact sums: of the bill as it was published, as the table holds it, and as it was attributed."""
    yield from _damages(changed_totals(look.warehouse, lost_rows(look.warehouse.frame)))
    totals = look.warehouse.frame("queries/billing/control_totals")
    for row in totals.filter(totals["difference"] != 0).iter_rows(named=True):
        yield Finding(
            f"{row['source_name']} {row['billing_period']:%Y-%m}: attributed {row['metric']} differs from billed by "
            f"{row['billing_currency']} {row['difference']:f}",
            "run `appfleet run --only identities,costs`",
            is_failure=True,
        )


def held_deliveries(look: Look) -> Iterator[Finding]:
    """Bills that wait for a person."""
    found = [
        Finding(
            f"{line.id}: {line.reason}; {at_stake(line)}",
            "look at its objects, then `appfleet deliveries accept` or `reject` it",
            is_failure=True,
        )
        for line in waiting(look.warehouse)
    ]
    yield from _shown(found, "`appfleet deliveries` lists them all")


def credits_waiting(look: Look) -> Iterator[Finding]:
    """Credits for failures of shared apps that were neither accepted nor declined, and whose figures grow no more."""
    advice = "`appfleet credits` shows the failures; then `appfleet credits accept` or `decline` it"
    found = [Finding(waiting_sentence(one), advice) for one in waiting_credits(look.warehouse)]
    yield from _shown(found, "`appfleet credits` lists them all")


def last_pass(look: Look) -> Iterator[Finding]:
    """Steps that failed when they were last run."""
    for one in look.said("failed"):
        yield Finding(f"{one.step}: {one.text}", "mend it, then `appfleet run`", is_failure=True)


def alerts(look: Look) -> Iterator[Finding]:
    """Alerts of which nobody could be told, targets that take nothing or have no address, and alerts nobody is told of."""
    routing = load_routing(look.settings)
    now = current_alerts(look.warehouse)
    told = told_of(look.warehouse, routing, now, look.clock)
    for sentence in told.unreached:
        yield Finding(
            sentence, "mend the target; it is tried again with every `appfleet run`", is_failure=True
        )
    for sentence in told.notes:
        yield Finding(sentence, f"look at its route in {ROUTES_FILE}")
    for target in routing.targets.values():
        try:
            address_of(target, look.settings.root)
        except AppfleetError as error:
            yield Finding(
                f"target {target.name} of {ROUTES_FILE}: {error}", "nothing is sent to it until then"
            )
    firing = sum(one.is_open for one in now)
    if firing and not routing.routes:
        yield Finding(
            f"nobody is told of alerts, and {firing:,} fire now: there is no route in {ROUTES_FILE}",
            "write who is told, or look at `appfleet oncall`",
        )


def playbooks(look: Look) -> Iterator[Finding]:
    """Whether `playbooks.yaml` can be read, its targets have an address, and somebody may approve what waits for a person."""
    try:
        found = load_playbooks(look.settings)
    except ConfigurationError as error:
        yield Finding(
            str(error),
            "playbooks do nothing until it is corrected; people are told of alerts",
            is_failure=True,
        )
        return
    for sentence, advice in mistakes(look.settings, found):
        yield Finding(sentence, advice)


def refusals(look: Look) -> Iterator[Finding]:
    """Everything the last pass refused."""
    found = [
        Finding(
            one.text, "mend it and deliver it again; the figures before it stay until then", is_failure=True
        )
        for one in look.said("refused")
    ]
    more = "`appfleet sql \"SELECT sentence FROM pass_sentences FINAL WHERE kind = 'refused'\"`"
    yield from _shown(found, more)


def notes(look: Look) -> Iterator[Finding]:
    """Everything the last pass noted and that still holds: what is counted once, left out or set aside."""
    found = [Finding(f"{one.step}: {one.text}", "look whether that is meant") for one in look.said("note")]
    more = "`appfleet sql \"SELECT sentence FROM pass_sentences FINAL WHERE kind = 'note'\"`"
    yield from _shown(found, more)


def rejects(look: Look) -> Iterator[Finding]:
    """Rows and records set aside, as long as their object is delivered and refused, or was sent lately."""
    refused = [one.text for one in look.said("refused") if one.step == "billing"]
    since = look.clock - timedelta(days=LIVE_DAYS)
    frame = look.warehouse.frame("queries/doctor/rejects")
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], str] = {}
    for row in frame.iter_rows(named=True):
        name = row["object_name"]
        if row["source_name"] == LIVE_SOURCE:
            holds = row["rejected_at"] >= since
        elif row["kind"] == "billing":
            holds = any(text.startswith(f"{row['source_name']}: {name}") for text in refused)
        else:
            holds = look.is_there(row["source_name"], name)
        if holds:
            key = (row["source_name"], row["reason"])
            counts[key] += row["records"]
            first.setdefault(key, f"{name}, position {row['position']}")
    advice = 'read them with `appfleet sql "SELECT * FROM raw_rejects"`; mend the sender'
    found = [
        Finding(f"{key[0]}: {records:,} record(s) set aside, {key[1]} (first: {first[key]})", advice)
        for key, records in counts.most_common()
    ]
    yield from _shown(found, advice)


def repairs(look: Look) -> Iterator[Finding]:
    """What was emptied or guessed in records that count."""
    yield from _repairs(look, lambda reason: not reason.startswith(_HIDDEN), "mend the export or the sender")


def retention(look: Look) -> Iterator[Finding]:
    """Removals of raw telemetry that were not ended, and records that came for a day after its raw rows were removed."""
    for one in begun(look.warehouse):
        part = one.partition
        yield Finding(
            f"{part.table} {part.day}: the removal of {part.rows:,} row(s) past their retention was begun and not ended",
            "`appfleet retention apply` ends it, unless one is at work",
        )
    late = [
        Finding(
            f"{row['source_name']} {row['day']}: {row['records']:,} record(s) of {row['signal']} came after raw rows of the day "
            "were removed; they count in no figure",
            "have it sent sooner, or keep raw rows longer (`retention:` in appfleet.yaml)",
        )
        for row in look.warehouse.frame("queries/retention/late").iter_rows(named=True)
    ]
    yield from _shown(late, "the same holds of them")


def redactions(look: Look) -> Iterator[Finding]:
    """What was hidden before it was stored: whoever sends it should not."""
    yield from _repairs(look, lambda reason: reason.startswith(_HIDDEN), "have the sender leave it out")


_HIDDEN = "hidden by rule "


def _repairs(look: Look, is_meant: Callable[[str], bool], remedy: str) -> Iterator[Finding]:
    advice = f'read them with `appfleet sql "SELECT * FROM raw_repairs"`; {remedy}'
    found = []
    for row in look.warehouse.frame("queries/doctor/repairs").iter_rows(named=True):
        if is_meant(row["reason"]) and row["source_name"] in {*look.sources, LIVE_SOURCE}:
            money = f", beside {', '.join(row['amounts'])} billed" if row["amounts"] else ""
            sentence = (
                f"{row['source_name']}: {row['subject']} {row['reason']}, in {row['records']:,} record(s) of "
                f"{row['objects']:,} object(s){money} (one: {row['object_name']})"
            )
            found.append(Finding(sentence, advice))
    yield from _shown(found, advice)


def overlaps(look: Look) -> Iterator[Finding]:
    """Objects that share charges, of which the newer counts alone, as long as both are delivered."""
    found = [
        Finding(
            f"{row['source_name']} {row['period']:%Y-%m}: {row['object_name']} and {row['other_object_name']} share "
            f"{row['found']:,} of {row['looked_up']:,} charges that were looked up; the newer counts alone",
            "name `deliveries: add` in the settings of the source if both are to count",
        )
        for row in look.warehouse.frame("queries/doctor/overlaps").iter_rows(named=True)
        if all(look.is_there(row["source_name"], row[name]) for name in ("object_name", "other_object_name"))
    ]
    yield from _shown(found, '`appfleet sql "SELECT * FROM raw_object_overlaps FINAL"`')


def orphans(look: Look) -> Iterator[Finding]:
    """What is published of a source that is gone from the settings, and rows that nothing names any more."""
    months: dict[str, list[date]] = {}
    for release in heads(look.warehouse, "billing/"):
        if release.rows:
            months.setdefault(release.scope.removeprefix("billing/"), []).append(release.period)
    for name in sorted(set(months) - {one.name for one in look.settings.billing}):
        yield Finding(
            f"{name}: {len(months[name])} month(s), {months[name][0]:%Y-%m} to {months[name][-1]:%Y-%m}, are published and "
            "count, and no source of this name is configured: nothing renews them",
            f"name it under sources.billing in {FILE_NAME} again, if it was not meant to end",
        )
    for row in look.warehouse.frame("queries/doctor/orphans").iter_rows(named=True):
        yield Finding(
            f"{row['rows']:,} row(s) of {row['batches']:,} batch(es) in {row['table_name']} are of attempts that did not end",
            "nobody reads them, and no figure holds them: they only take room",
        )


def unassigned_shares(look: Look) -> Iterator[Finding]:
    """Cost of the last four weeks that belongs to no app, or to no team."""
    days = four_weeks(headline(look.warehouse)["cost_day"] or look.clock.date())
    shown: dict[str, Any] = {"first_day": days.first, "last_day": days.last}
    for row in look.warehouse.frame("queries/summary/unallocated", **shown).iter_rows(named=True):
        if row["unallocated_cost"]:
            yield Finding(
                f"{row['billing_currency']} {row['unallocated_cost']:,.2f} of the last four weeks of cost belong to no app"
                + _share(row["unallocated_share"]),
                "tag what costs most, or name its account in the catalogue: the Finance page lists it",
            )
    teams = look.warehouse.frame("queries/summary/teams", **shown)
    for row in teams.filter(teams["team"] == "unassigned").iter_rows(named=True):
        whole = sum(teams.filter(teams["billing_currency"] == row["billing_currency"])["billed_cost"])
        yield Finding(
            f"{row['billing_currency']} {row['billed_cost']:,.2f} of the last four weeks of cost, of {row['apps']:,} app(s), "
            "belong to no team" + _share(row["billed_cost"] / whole if whole else None),
            "give these apps an owner in the catalogue: the Fleet page lists them",
        )


def _share(share: float | None) -> str:
    return "" if share is None else f", {share:.1%} of what is billed"


def partitions_missing(look: Look) -> Iterator[Finding]:
    """Months of a bill and days of telemetry between others that are not there, or that nothing was computed of."""
    releases = heads(look.warehouse)
    months: dict[str, set[date]] = {}
    for release in releases:
        months.setdefault(release.scope, set()).add(release.period)
    billed = {
        scope.removeprefix("billing/"): found
        for scope, found in months.items()
        if scope.startswith("billing/")
    }
    for source in sorted(set(billed) & look.sources):
        for gap in _gaps(billed[source], _next_month):
            yield Finding(
                f"{source}: no bill of {_range(gap, '%Y-%m')}", "look whether its export left it out"
            )
    of_bills: set[date] = set().union(*billed.values())
    for step in ("costs", "unit_costs"):
        missing = sorted(of_bills - months.get(step, set()))
        if missing:
            yield Finding(
                f"{step}: nothing is computed of {', '.join(f'{one:%Y-%m}' for one in missing[:SHOWN])}, {len(missing)} month(s)",
                "`appfleet run` computes it",
            )
    days = set(look.warehouse.frame("queries/telemetry/days")["day"].to_list())
    for gap in _gaps(days, lambda day: day + timedelta(days=1)):
        yield Finding(
            f"no telemetry of {_range(gap, '%Y-%m-%d')}, {len(gap):,} day(s), and there is of days before and after",
            "look whether collectors ran; what they kept can still be delivered",
        )
    uncounted = sorted(days - months.get("slices", set()))
    if uncounted:
        yield Finding(
            f"slices: nothing is computed of {len(uncounted):,} day(s) of telemetry, {uncounted[0]} to {uncounted[-1]}",
            "`appfleet run` computes it",
        )


def _gaps(found: Iterable[date], following: Callable[[date], date]) -> Iterator[list[date]]:
    """What is missing between the first and the last, each gap by itself."""
    ordered = sorted(found)
    for before, after in zip(ordered, ordered[1:], strict=False):
        gap, one = [], following(before)
        while one < after:
            gap.append(one)
            one = following(one)
        if gap:
            yield gap


def _next_month(month: date) -> date:
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def _range(gap: Sequence[date], form: str) -> str:
    return f"{gap[0]:{form}}" if len(gap) == 1 else f"{gap[0]:{form}} to {gap[-1]:{form}}"


def clock(look: Look) -> Iterator[Finding]:
    """Whether this machine's clock was set back: what is older than what was written before it may be taken for new."""
    (row,) = look.warehouse.frame("queries/doctor/newest_lines").iter_rows(named=True)
    newest = max((moment for moment in row.values() if moment), default=None)
    if newest and newest > look.clock + CLOCK_SLACK:
        yield Finding(
            f"something was written down at {newest:%Y-%m-%d %H:%M} UTC, and this machine's clock says {look.clock:%Y-%m-%d %H:%M} UTC",
            "set the clock right (NTP): ages, receipts and what is newest are judged by it",
            is_failure=True,
        )


def spans_without_resource(look: Look) -> Iterator[Finding]:
    """Spans nobody can be told of."""
    advice = "set both as resource attributes: `otel.instrument(app_id=..., owner=...)` does"
    spans = look.warehouse.frame("queries/telemetry/unassigned_resources")
    found = [
        Finding(f"{row['spans']:,} span(s) of {row['day']} name neither app_id nor service.name", advice)
        for row in spans.iter_rows(named=True)
    ]
    yield from _shown(found, advice)


def nameless_senders(look: Look) -> Iterator[Finding]:
    """Apps known by a default of their SDK alone, ``unknown_service``."""
    advice = "set service.name or app_id where it starts: OTEL_SERVICE_NAME is enough"
    found = []
    for row in look.warehouse.frame("queries/doctor/nameless_senders").iter_rows(named=True):
        told = "one app" if row["is_told_apart"] else "every sender that says nothing else of itself"
        sentence = (
            f"{row['app_id']} is {told}: {row['spans']:,} span(s), {row['logs']:,} log record(s), "
            f"{row['metric_points']:,} metric point(s), last seen {row['last_seen']:%Y-%m-%d %H:%M}"
        )
        found.append(Finding(sentence, advice))
    yield from _shown(found, advice)


def samples(look: Look) -> Iterator[Finding]:
    """Apps whose requests are told by a sample of their spans."""
    advice = (
        "send the histogram http.server.request.duration, which counts every request, or spans before they are sampled: "
        "objectives count the spans that come"
    )
    found = []
    for row in look.warehouse.frame("queries/doctor/samples", days=WATCHED_DAYS).iter_rows(named=True):
        right = None if not row["stands_for"] else 1 - row["errors_stand_for"] / row["stands_for"]
        said = sample_sentence(row["sampled"], row["stands_for"], right)
        came = 1 - row["errors"] / row["sampled"]
        found.append(
            Finding(f"{row['app_id']}: {said}; {came:.3%} of the spans that came went right", advice)
        )
    yield from _shown(found, advice)


def uncounted(look: Look) -> Iterator[Finding]:
    """What objectives ask to count and could not be counted."""
    found = [
        Finding(
            f"{row['app_id']}: of what an objective counts, {row['set_aside']:,} could not be counted and {row['total']:,} were in "
            f"{WATCHED_DAYS} days; it {indicator_sentence(row['indicator'])}",
            "points without a number, counters that fall or grow by parts, and more bad or good events than there are of all",
        )
        for row in look.warehouse.frame("queries/doctor/uncounted", days=WATCHED_DAYS).iter_rows(named=True)
    ]
    yield from _shown(found, "compare both queries of the objective's ratio")


def unhidden(look: Look) -> Iterator[Finding]:
    """What the redaction policy would hide and a collector inserted past it."""
    keys = redaction(look.settings.redact).bound()["hidden_keys"]
    found = [
        Finding(
            f"{row['records']:,} value(s) of {row['key']} in {row['signal']} that a collector inserted directly are stored as "
            "they came, and the redaction policy would hide them",
            "put a `redaction` processor with this key in its `blocked_key_patterns` before the collector's ClickHouse exporter",
        )
        for row in look.warehouse.frame("queries/doctor/unhidden", hidden_keys=keys).iter_rows(named=True)
    ]
    yield from _shown(found, "the same processor hides them")


def differing_copies(look: Look) -> Iterator[Finding]:
    """Copies of one span that count each."""
    copies = look.warehouse.frame("queries/doctor/differing_copies")
    found = [
        Finding(
            f"{row['spans']:,} span(s) of {row['day']} came in {row['copies']:,} copies that differ in {row['differs_in']} "
            f"and count each, such as span {row['example_span']} of trace {row['example_trace']} ({', '.join(row['example_apps'])})",
            "two collectors name one sender differently, or one rewrites times: give both the same resource attributes",
        )
        for row in copies.iter_rows(named=True)
    ]
    spans = sum(copies["spans"][SHOWN:])
    yield from _shown(
        found, f"they are of {spans:,} span(s): sql/queries/doctor/differing_copies.sql reads them"
    )


def stale_sources(look: Look) -> Iterator[Finding]:
    """Sources of bills that never came, or are behind the others."""
    known = {release.scope for release in heads(look.warehouse, "billing/")}
    for source in look.settings.billing:
        if f"billing/{source.name}" not in known:
            yield Finding(
                f"{source.name}: nothing of it is published",
                f"check its location {source.location}, then `appfleet run --only billing`",
            )
    days = cost_days_at(look.warehouse, look.clock)
    for source_name, newest_day in days.items():
        if max(days.values()) - newest_day > timedelta(days=STALE_DAYS):
            yield Finding(
                f"{source_name}: newest complete day of cost is {newest_day}, others reach {max(days.values())}",
                "look whether its export still runs",
            )


def charges_ahead(look: Look) -> Iterator[Finding]:
    """Usage nobody can have had yet: it stays in its month, and makes no day complete."""
    today = look.clock.astimezone(UTC).date()
    for row in look.warehouse.frame("queries/doctor/charges_ahead", today=today).iter_rows(named=True):
        yield Finding(
            f"{row['source_name']}: {row['charges']:,} charges of usage, {row['billing_currency']}"
            f" {row['billed_cost']:,.2f} billed, are of {row['first_day']} to {row['last_day']}, which has not come yet",
            "ask who writes this bill for its dates; the charges count in their month",
        )


def ages(look: Look) -> Iterator[Finding]:
    """Figures against the clock: sources that all stopped agree with each other."""
    as_of = newest_complete(look.warehouse, look.clock)
    for sentence in age.warnings(
        cost_day=as_of.known_cost_day,
        telemetry_end=as_of.slice_end if as_of.basis != "none" else None,
        clock=look.clock,
        policy=watermark_policy(),
    ):
        yield Finding(sentence, "look whether exports and collectors still run, then `appfleet run`")
    if as_of.note:
        yield Finding(
            f"as of {as_of.slice_end:%Y-%m-%d %H:%M} UTC: {as_of.note}",
            "`appfleet run --as-of` names another moment; mend the sender's clock",
        )


def silent_apps(look: Look) -> Iterator[Finding]:
    """Apps whose requests stopped against their own rhythm."""
    for sentence in silent_sentences(look.warehouse):
        yield Finding(sentence, "look whether they still run, and their collector")


def silent_projects(look: Look) -> Iterator[Finding]:
    """Projects a Google billing account pays for and its bill says nothing of."""
    for source in look.settings.billing:
        if not source.google_billing_account:
            continue
        client = cloud_billing_client(os.environ.get("CLOUD_BILLING_EMULATOR_HOST"))
        billed = set(
            look.warehouse.frame("queries/doctor/sub_accounts", source_name=source.name)["sub_account_id"]
        )
        for project in linked_projects(client, source.google_billing_account):
            if project not in billed:
                yield Finding(
                    f"{source.name}: project {project} is paid by {source.google_billing_account} but has no cost row",
                    "check that the export covers it; a project without any use has none",
                )


def refused_segments(look: Look) -> Iterator[Finding]:
    """Live requests that were acknowledged and could not be loaded."""
    kept = journal.refused_segments(journal.journal_folder(look.settings))
    if kept:
        folder = kept[0].parent
        place = (
            folder.relative_to(look.settings.root) if folder.is_relative_to(look.settings.root) else folder
        )
        yield Finding(
            f"{len(kept):,} file(s) of live requests could not be loaded and are kept in {place}, "
            f"{sum(one.stat().st_size for one in kept):,} bytes; "
            f"first: {kept[0].name}",
            "rejects name who sent them; nothing reads the files again, they are yours to keep",
        )


def tokens(look: Look) -> Iterator[Finding]:
    """Tokens that end, that are over, that send for an app that is gone, and what was refused because of them."""
    file = token_file(look.settings)
    known = {one.name: one for one in file.read()}
    try:
        refuse_unguarded(look.settings.intake, file, look.clock)
    except AppfleetError as error:
        yield Finding(str(error), "the intake does not start until then", is_failure=True)
    valid = {name: one for name, one in known.items() if one.state(look.clock) == "valid"}
    for name, token in valid.items():
        ends = max(key.expires_at or _NEVER for key in token.keys if key.state(look.clock) == "valid")
        if ends - look.clock <= intake_policy().ends_soon:
            yield Finding(
                f"token {name} ends at {ends.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
                f"`appfleet tokens rotate {name} --expires-in 90d` gives it a new secret; put it where the sender reads it",
            )
    lifecycles = (
        dict(load_registry(look.settings).apps.select("app_id", "lifecycle").iter_rows()) if valid else {}
    )
    for name, token in valid.items():
        for app in token.apps:
            is_over = bool(retired_lifecycle(lifecycles.get(app, "")))
            if is_over or app not in lifecycles:
                what = f"is {lifecycles[app]}" if is_over else "is not described there any more"
                yield Finding(
                    f"token {name} sends for app {app}, which by the catalogue {what}",
                    f"`appfleet tokens revoke {name}` if nothing of it is to run"
                    + (
                        "; what it sends for it is not let in until its spec.lifecycle is another"
                        if is_over
                        else ""
                    ),
                )
    since = (look.clock - timedelta(days=LIVE_DAYS - 1)).date()
    for row in look.warehouse.frame("queries/doctor/token_uses", first_day=since).iter_rows(named=True):
        yield from _uses(row, known.keys() | {NOBODY})


_NEVER = datetime.max.replace(tzinfo=UTC)


def _uses(row: dict[str, Any], known: Iterable[str]) -> Iterator[Finding]:
    """What went wrong with a token lately."""
    name, lately = row["token"], f"in the last {LIVE_DAYS} days (last at {row['last_at']:%Y-%m-%d %H:%M} UTC)"
    if name not in known:
        return
    if name == NOBODY:
        if row["refused"]:
            yield Finding(
                f"{row['refused']:,} live request(s) showed no token that is known {lately}",
                "a sender has none, or one that was typed wrong: give it one with `appfleet tokens make`",
            )
        return
    if row["refused"]:
        yield Finding(
            f"token {name}: {row['refused']:,} request(s) were refused because their secret is expired or revoked {lately}",
            "a sender still shows the old one: give it the new one, or stop it",
        )
    if row["limited"]:
        yield Finding(
            f"token {name}: {row['limited']:,} request(s) were more than it may send {lately}",
            "have it send larger batches less often, or raise intake.limits in appfleet.yaml",
        )
    if row["rejected_records"]:
        yield Finding(
            f"token {name}: {row['rejected_records']:,} record(s) were not kept {lately}: of apps it does not name, of apps that are gone, or faulty",
            'read why with `appfleet sql "SELECT * FROM raw_rejects"`; name the app rightly, or make a token for it',
        )


def intakes(look: Look) -> Iterator[Finding]:
    """Intakes that do not speak any more without having been stopped: what is on their disk waits there."""
    silent = watermark_policy().intake_silent
    lines = look.warehouse.frame("queries/doctor/intakes").to_dicts()
    for line in lines:
        is_over = line["state"] == "gone" or (line["state"] == "ended" and not line["waiting_bytes"])
        # One that was stopped alone is no loss; what it speaks of is as old as `ages` says.
        is_alone = len(lines) == 1 and not line["waiting_bytes"]
        if is_over or is_alone or look.clock - line["recorded_at"] <= silent:
            continue
        yield Finding(
            f"intake {line['intake']} (journal {line['journal'][:8]}) spoke last at {line['recorded_at']:%Y-%m-%d %H:%M} UTC: it "
            f"had loaded what came until {line['loaded_through']:%Y-%m-%d %H:%M:%S}, and {line['waiting_bytes']:,} bytes that "
            "it acknowledged waited on its disk",
            "start it again with the same journal, which loads them; if its disk is lost, "
            f"`appfleet intakes gone {line['intake']}`",
            is_failure=True,
        )


def people(look: Look) -> Iterator[Finding]:
    """Whether `people.yaml` can be read, and gives only teams that exist."""
    if look.settings.sign_in is None:
        return
    try:
        granted = parse_people(people_text(look.settings), str(look.settings.people))
    except ConfigurationError as error:
        yield Finding(str(error), "nobody who signs in sees anything until then", is_failure=True)
        return
    known = set(look.warehouse.frame("queries/dashboards/known_teams", teams=sorted(granted.teams))["team"])
    advice = "write it as `teams.yaml` or the bill's tag does; pages show nothing of it until then"
    yield from _shown(
        [
            Finding(
                f"{PEOPLE_FILE} gives {', '.join(map(repr, granted.given(team)))} the team {team!r}, which nobody knows",
                advice,
            )
            for team in sorted(granted.teams - known)
        ],
        advice,
    )


def shared_cost_rules(look: Look) -> Iterator[Finding]:
    """Whether the rules of shared cost can be read and applied, name what exists, and take something."""
    try:
        rules = load_rules(look.settings)
    except ConfigurationError as error:
        yield Finding(
            str(error), "costs stay as they were until it is corrected, then `appfleet run`", is_failure=True
        )
        return
    if not rules.lines:
        return
    apps = list(look.warehouse.frame("queries/costs/chargeable_apps").iter_rows(named=True))
    listed = {app["app_id"] for app in apps}
    apps += [
        {**row, **BILLED_ONLY}
        for row in look.warehouse.frame("queries/doctor/billed_apps").iter_rows(named=True)
        if row["app_id"] not in listed
    ]
    try:
        refuse_circles(
            rules.lines, lambda rule, app: any(rule.fits(one) for one in apps if one["app_id"] == app)
        )
    except ConfigurationError as error:
        yield Finding(
            str(error), "costs stay as they were until it is corrected, then `appfleet run`", is_failure=True
        )
    teams = set(load_registry(look.settings).teams["team"])
    given = {tuple(row) for row in look.warehouse.frame("queries/doctor/given_rules").rows()}
    months, behind = billed_months(look.warehouse, look.settings)
    found = unknown_names(rules, apps, teams) + idle_rules(rules, apps, given, bool(months) and not behind)
    advice = "correct it in the file of rules, and look with `appfleet rules diff` before the next pass"
    yield from _shown([Finding(sentence, advice) for sentence in found], advice)


def maintenance(look: Look) -> Iterator[Finding]:
    """Whether every maintenance window can be read, and is about somebody."""
    held = held_windows(look.warehouse, look.settings)
    for sentence in held.refused:
        yield Finding(
            sentence,
            f"correct it and look with `appfleet maintenance validate`; what was published of {MAINTENANCE_FILE} stays until then",
            is_failure=True,
        )
    if not any(one.apps or one.teams for one in held.windows):
        return
    apps = look.warehouse.frame("queries/inventory/apps")
    advice = "correct the name, or leave the window out"
    yield from _shown([Finding(sentence, advice) for sentence in strange_names(held.windows, apps)], advice)


BILLED_ONLY: Mapping[str, Any] = {"system": "", "lifecycle": "", "criticality": "", "tags": ()}
"""What rules can look at of an app that only the bill knows, beside its id and team."""

WATCHED_DAYS = 7
"""How long a use of the break-glass admin, and refused sign-ins, are told."""
WAITING_BYTES = 16 << 20
"""Bytes of the access log that may wait before somebody is told: a pass loads them."""


def access(look: Look) -> Iterator[Finding]:
    """What somebody should look at in the access log, and whether it is whole."""
    since = f"{look.clock - timedelta(days=WATCHED_DAYS):%Y-%m-%d %H:%M:%S}"
    words = {
        "break_glass": (
            "the break-glass admin came in {n} time(s)",
            "the page Access says what was looked at",
        ),
        "refused": ("{n} sign-in(s) were refused", "the page Access says whom, and why"),
        "lost": (
            "{lost} entries of the access log could not be written",
            "look whether there is room on the disk",
        ),
    }
    for row in look.warehouse.frame("queries/doctor/access", since=since).iter_rows(named=True):
        sentence, advice = words[row["event"]]
        told = sentence.format(n=f"{row['entries']:,}", lost=f"{row['lost']:,}")
        last = f"{row['last_at']:%Y-%m-%d %H:%M} UTC"
        yield Finding(f"in {WATCHED_DAYS} days {told}, the last at {last}: {row['example']}", advice)
    for path in access_log.refused_files(look.settings.root):
        yield Finding(
            f"{path.relative_to(look.settings.root)} holds lines of the access log that cannot be read",
            "all its other lines are loaded; the file is yours to keep",
        )
    size = access_log.waiting_bytes(look.settings.root)
    if size > WAITING_BYTES:
        yield Finding(
            f"{size:,} bytes of the access log wait to be loaded", "`appfleet run --only access` loads them"
        )
