"""Publishes ``core_alerts``: finds what is wrong in what is published and in the newest minutes, and leaves it to
``models.alerts`` what becomes of it.

Nothing is sent here; whoever asks for figures of a moment of the past alerts nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from models import age
from models.alert_freezing import frozen_in_maintenance
from models.alert_rules import by_sentence, fired_rules, told_by
from models.alerts import FIRING, Alert, AlertingPolicy, Trouble, advance, alert_policy, alerts_frame
from models.budgeting import WORDS, slice_policy
from models.errors import LeaseHeld
from models.indicator_words import events_word
from models.newest import NewestPage
from models.policy import watermark_policy
from models.samples import sample_sentence
from models.settings import Settings
from models.slo import SLICE
from pipelines.compute import newest
from pipelines.compute.alert_causes import with_shared_causes
from pipelines.compute.as_of import AsOf, cost_days_at, newest_complete
from pipelines.compute.maintenance import maintenance_since
from pipelines.compute.publishing import (
    LEASE_WAIT_SECONDS,
    Outcome,
    fingerprint,
    frame_fingerprint,
    is_current,
    publish_frames,
)
from pipelines.compute.silent_alerts import (
    SILENT,
    RulesHeld,
    rules_held,
    silent_troubles,
    unheard_troubles,
)
from pipelines.ingest.billing.held import held_sentence, waiting
from sql.alerts import current_alerts
from sql.leases import lease
from sql.warehouse import Warehouse

SCOPE = "alerts"
TELEMETRY_STALE = "stale/telemetry"
JUDGING = "alerts/judge"
"""The lease from what was published before to what is published now: two who judged the same moment would each tell of it."""


def compute_alerts(warehouse: Warehouse, settings: Settings, as_of: AsOf, clock: datetime) -> Outcome:
    """Publishes the alerts of now and what pages by the newest minutes, where anything of them changed."""
    if as_of.basis == "named":
        return Outcome(unchanged=1)
    with lease(settings.root, JUDGING, LEASE_WAIT_SECONDS):
        before = newest.published(warehouse)
        return _published(warehouse, settings, as_of, clock, newest.look(warehouse, clock, before))


def compute_newest(warehouse: Warehouse, settings: Settings, clock: datetime) -> Outcome | None:
    """One look at the newest minutes between two passes: alerts are published where it changes what pages by them.

    None where nothing pages by them and nothing did, or where somebody judges just now, who looks too.
    """
    try:
        with lease(settings.root, JUDGING):
            before = newest.published(warehouse)
            pages = newest.look(warehouse, clock, before)
            if not pages and not before:
                return None
            if pages == before and _is_known(warehouse, pages):
                return Outcome(unchanged=1)
            return _published(warehouse, settings, newest_complete(warehouse, clock), clock, pages)
    except LeaseHeld:
        return None


def _is_known(warehouse: Warehouse, pages: Sequence[NewestPage]) -> bool:
    """Whether each of them is an alert that fires."""
    firing = {one.alert_key for one in current_alerts(warehouse) if one.state == FIRING and not one.clear_at}
    return all(one.key in firing for one in newest.troubles(pages, ""))


def _published(
    warehouse: Warehouse, settings: Settings, as_of: AsOf, clock: datetime, pages: Sequence[NewestPage]
) -> Outcome:
    policy = alert_policy()
    now = clock.astimezone(UTC).replace(microsecond=0)
    before = current_alerts(warehouse)
    found = conditions(warehouse, settings, as_of, now, policy, pages, before)
    found = with_shared_causes(warehouse, found, before, as_of.slice_end, policy)
    frames = {
        "core_alerts": alerts_frame(advance(before, found, now, policy)),
        newest.TABLE: newest.pages_frame(pages),
    }
    print_ = fingerprint(*map(frame_fingerprint, frames.values()))
    if is_current(warehouse, SCOPE, print_):
        return Outcome(unchanged=1)
    return publish_frames(warehouse, settings, SCOPE, frames, print_, as_of)


def conditions(
    warehouse: Warehouse,
    settings: Settings,
    as_of: AsOf,
    now: datetime,
    policy: AlertingPolicy,
    pages: Sequence[NewestPage] = (),
    before: Sequence[Alert] = (),
) -> list[Trouble]:
    """Everything that is wrong now, or of which nobody can say; ``pages`` are what pages by the newest minutes, ``before`` the alerts
    of the moment before, of which some end otherwise than by being over.
    """
    rules = rules_held(warehouse)
    maintenance = maintenance_since(warehouse, as_of.slice_end - timedelta(weeks=slice_policy().weeks + 1))
    unheard = list(unheard_troubles(warehouse, as_of, before, policy, maintenance))
    stale = _stale(warehouse, settings, as_of, now, policy)
    found = [
        *_objectives(warehouse, policy, pages, rules),
        *newest.troubles(pages, policy.severities[0]),
        *silent_troubles(warehouse, as_of, before, policy, rules),
        *unheard,
        *_costs(warehouse, policy),
        *_budgets(warehouse, policy),
        *_held(warehouse, policy),
        # Telemetry that stopped is one alert: where apps are known to be unheard that one says more.
        *(
            one
            for one in stale
            if one.key != TELEMETRY_STALE or not any(not other.ending for other in unheard)
        ),
    ]
    return frozen_in_maintenance(found, before, maintenance, (as_of.slice_end - SLICE, now))


def _objectives(
    warehouse: Warehouse, policy: AlertingPolicy, pages: Sequence[NewestPage], rules: RulesHeld
) -> Iterator[Trouble]:
    suspects = {one.key: one.suspects for one in pages}
    wanted = [*policy.objectives, *sorted(policy.unknown)]
    for row in warehouse.frame("queries/alerts/objectives", wanted=wanted).iter_rows(named=True):
        place = f" in {row['environment']}" if row["environment"] else ""
        of_route = f" of {row['of_route']}" if row["of_route"] else ""
        key = (row["app_id"], row["environment"], row["objective"])
        by = fired_rules(rules.get(key), row["fired_by"])
        doubts = [
            sample_sentence(row["sampled"], row["stands_for"], row["sli_scaled"]),
            by_sentence(row["fired_by"], by),
        ]
        yield Trouble(
            key=f"slo/{row['app_id']}/{row['environment']}/{row['objective']}",
            kind="slo",
            subject=row["app_id"],
            team=row["team"],
            severity=policy.objectives.get(row["state"], policy.severities[-1]),
            since=row["since"] or row["as_of"],
            sentence=newest.led(
                suspects.get(key, ""),
                f"{row['app_id']}{place}: {row['objective']}{of_route} below {row['target']:.4g}, {_bad(row)}"
                + "".join(f"; {one}" for one in doubts if one),
            ),
            environment=row["environment"],
            is_known=row["state"] in policy.objectives and not row["is_frozen"],
            **told_by(by),
        )
        if row["question"] and row["state"] == SILENT:
            yield _stopped(row, policy, place)


def _stopped(row: Mapping[str, Any], policy: AlertingPolicy, place: str) -> Trouble:
    """What an objective counts beside requests stopped: of requests the silence of the app is told."""
    return Trouble(
        key=f"silent/{row['app_id']}/{row['environment']}/{row['objective']}",
        kind=SILENT,
        subject=row["app_id"],
        team=row["team"],
        severity=policy.silent,
        since=row["since"] or row["as_of"],
        sentence=f"{row['app_id']}{place}: {events_word(row['question'])} of {row['objective']} stopped, or nearly, against their own rhythm",
        environment=row["environment"],
    )


def _bad(row: Mapping[str, Any]) -> str:
    """How much of what an objective counts is bad, by its own method."""
    if row["slices_counted"] is None:
        return f"{row['total'] - row['good']:,} of {row['total']:,} {events_word(row['question'])} bad"
    return f"{row['slices_bad']:,.5g} of {row['slices_counted']:,} {WORDS[row['budgeting_method']]} bad"


def _costs(warehouse: Warehouse, policy: AlertingPolicy) -> Iterator[Trouble]:
    for row in warehouse.frame("queries/alerts/costs").iter_rows(named=True):
        told = (
            row["sentence"]
            or f"cost {row['billing_currency']} {row['impact']:+,.2f} against what was expected"
        )
        yield Trouble(
            key=f"cost/{row['app_id']}/{row['billing_currency']}/{row['start_date']}",
            kind="cost",
            subject=row["app_id"],
            team=row["team"],
            severity=policy.anomalies[row["kind"]],
            since=_midnight(row["start_date"]),
            sentence=told,
        )


def _budgets(warehouse: Warehouse, policy: AlertingPolicy) -> Iterator[Trouble]:
    for row in warehouse.frame("queries/alerts/budgets", wanted=list(policy.budgets)).iter_rows(named=True):
        name = "fleet" if row["scope"] == "fleet" else f"{row['scope']} {row['name']}"
        end = row["exhausted_on"] or row["expected_on"]
        yield Trouble(
            key=f"budget/{row['scope']}/{row['name']}/{row['billing_currency']}/{row['period']}/{row['first_day']}",
            kind="budget",
            subject=row["name"] or "fleet",
            team=row["team"],
            severity=policy.budgets[row["state"]],
            since=_midnight(row["first_day"]),
            sentence=f"budget of {name} to {row['last_day']}: {row['billing_currency']} {row['spent']:,.2f} of {row['budget']:,.2f} spent"
            + (f", {'gone' if row['exhausted_on'] else 'expected to be gone'} on {end}" if end else ""),
        )


def _held(warehouse: Warehouse, policy: AlertingPolicy) -> Iterator[Trouble]:
    for line in waiting(warehouse):
        yield Trouble(
            key=f"held/{line.id}",
            kind="held",
            subject=line.source,
            team="",
            severity=policy.held,
            since=_midnight(line.period),
            sentence=held_sentence(line),
            cause=f"deliveries of {line.source}",
        )


def _stale(
    warehouse: Warehouse, settings: Settings, as_of: AsOf, now: datetime, policy: AlertingPolicy
) -> Iterator[Trouble]:
    """Sources whose newest day is older than the policy allows, and telemetry as a whole."""
    limits = watermark_policy()
    days = cost_days_at(warehouse, now)
    for source in settings.billing:
        day = days.get(source.name)
        if day is not None and age.cost_age(day, now) > limits.bills_old:
            yield _old(
                policy,
                source.name,
                _midnight(day + timedelta(days=1)),
                f"{source.name}: bills end with {day}",
            )
    if as_of.basis != "none" and age.telemetry_age(as_of.slice_end, now) > limits.telemetry_old:
        yield _old(
            policy, "telemetry", as_of.slice_end, f"telemetry ends on {as_of.slice_end:%Y-%m-%d %H:%M} UTC"
        )


def _old(policy: AlertingPolicy, subject: str, since: datetime, sentence: str) -> Trouble:
    return Trouble(
        f"stale/{subject}", "stale", subject, "", policy.stale, since, sentence, cause="sources that stopped"
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
