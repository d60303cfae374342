"""What is wrong because nothing came: apps that fell silent, those that ended so, and no data of any app at all.

Reads what is published; which app is silent is ``models.silence``, whether anybody is heard ``models.unheard``, what becomes of it
``models.alerts``. Objectives, cost and deliveries belong to ``pipelines.compute.alerts``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from models.alert_rules import AlertRules, rules_of
from models.alerts import DEPRECATED, GIVEN_UP, RETIRED, UNHEARD, Alert, AlertingPolicy, Trouble
from models.maintenance import Maintenance
from models.newest import Key
from models.policy import silence_policy
from models.unheard import is_retired
from pipelines.compute.as_of import AsOf
from pipelines.compute.timeslices import heard_lately
from sql.warehouse import Warehouse

SILENT = "silent"
"""Kind of alerts of silent apps."""
UNHEARD_KEY = f"{UNHEARD}/telemetry"

RulesHeld = Mapping[Key, AlertRules]
"""Rules of the objectives that have policies of their own."""


def rules_held(warehouse: Warehouse) -> dict[Key, AlertRules]:
    """The rules of every objective that has policies of its own."""
    found: dict[Key, AlertRules] = {}
    for row in warehouse.frame("queries/alerts/policies").iter_rows(named=True):
        rules = rules_of(row["alerting"])
        if rules is not None:
            found[row["app_id"], row["environment"], row["objective"]] = rules
    return found


def silent_troubles(
    warehouse: Warehouse, as_of: AsOf, before: Sequence[Alert], policy: AlertingPolicy, rules: RulesHeld
) -> Iterator[Trouble]:
    """Apps that are silent, and silences that end without a request: the app is retired, or the catalogue calls it deprecated.

    Args:
        warehouse: where silences and requests are read.
        as_of: the moment figures are given for.
        before: the alerts of the moment before.
        policy: severities.
        rules: whose policies alert where there is no data too.
    """
    told: dict[tuple[str, str], list[str]] = {}
    for (app, environment, _), held in rules.items():
        for one in held.lines:
            if one.when_no_data:
                told.setdefault((app, environment), []).extend(one.targets)
    keys = set()
    for row in warehouse.frame("queries/alerts/silent").iter_rows(named=True):
        place = f" in {row['environment']}" if row["environment"] else ""
        keys.add(silent_key(row["app_id"], row["environment"]))
        yield Trouble(
            key=silent_key(row["app_id"], row["environment"]),
            kind=SILENT,
            subject=row["app_id"],
            team=row["team"],
            severity=policy.silent,
            since=row["silent_since"],
            sentence=f"{row['app_id']}{place}: its requests stopped, or nearly, against its own rhythm; {wait_words(row)}",
            environment=row["environment"],
            cause="many apps fell silent within a day" if row["apps_together"] else "",
            targets=tuple(dict.fromkeys(told.get((row["app_id"], row["environment"]), ()))),
        )
    # What an objective counts beside requests may be silent under a key of its own; that ends with its objective.
    of_apps = [one for one in before if one.alert_key == silent_key(one.subject, one.environment)]
    gone = [one for one in of_apps if one.is_open and one.alert_key not in keys]
    if gone:
        yield from _ended(warehouse, as_of, gone)


def silent_key(app_id: str, environment: str) -> str:
    """Key of the alert of an app that is silent in an environment."""
    return f"{SILENT}/{app_id}/{environment}"


def wait_words(row: Mapping[str, Any]) -> str:
    """How long an app is waited for, by its own traffic.

    Args:
        row: ``requests_per_day, wait_hours``.
    """
    rate = f"at {row['requests_per_day']:,.3g} requests a day"
    if not row["wait_hours"]:
        return f"{rate}, so few for so long is no chance"
    hours = row["wait_hours"]
    length = "1 hour" if hours == 1 else f"{hours:,.3g} hours" if hours < 48 else f"{hours / 24:,.3g} days"
    return f"{rate}, going {length} without one is no chance"


def _ended(warehouse: Warehouse, as_of: AsOf, gone: Sequence[Alert]) -> Iterator[Trouble]:
    """Silences that are no longer published though no request came."""
    apps = sorted({one.subject for one in gone})
    ending = {
        row["app_id"]
        for row in warehouse.frame("queries/inventory/apps").iter_rows(named=True)
        if row["lifecycle"] == "deprecated"
    }
    frame = warehouse.frame("queries/silence/last_requests", apps=apps)
    last = {(row["app_id"], row["environment"]): row["last_slice_end"] for row in frame.iter_rows(named=True)}
    after = silence_policy().retired_after
    for one in gone:
        place = f" in {one.environment}" if one.environment else ""
        end = last.get((one.subject, one.environment))
        if is_retired(end, as_of.slice_end, after):
            sentence = f"{one.subject}{place}: no request for {after.days} days: it counts as retired, nothing was mended"
            yield _end_of(one, RETIRED, sentence)
        elif one.subject in ending and end is not None and end <= one.since:
            sentence = (
                f"{one.subject}{place}: the catalogue calls it deprecated, so that it is waited for no longer"
            )
            yield _end_of(one, DEPRECATED, sentence)


def unheard_troubles(
    warehouse: Warehouse,
    as_of: AsOf,
    before: Sequence[Alert],
    policy: AlertingPolicy,
    maintenance: Maintenance,
) -> Iterator[Trouble]:
    """One alert of no team while no app at all is heard, after as long as the fleet's own traffic says that this is no chance.

    Given up, not resolved, where no request is left among those that make the rhythm.
    """
    if as_of.basis == "none":
        return
    unheard = heard_lately(warehouse, as_of.slice_end, maintenance).unheard
    # As with one app: a collector that is started anew takes less.
    is_long = unheard.since is not None and as_of.slice_end - unheard.since >= silence_policy().least_silence
    if unheard.since is not None and is_long:
        yield Trouble(
            key=UNHEARD_KEY,
            kind=UNHEARD,
            subject="telemetry",
            team="",
            severity=policy.unheard,
            since=unheard.since,
            sentence=f"no app was heard since {unheard.since:%Y-%m-%d %H:%M} UTC, by requests: telemetry does not arrive; other alerts stay as they are",
        )
        return
    for one in before:
        if one.kind == UNHEARD and one.is_open and not _is_heard_again(warehouse, as_of, one):
            yield _end_of(one, GIVEN_UP, f"{one.sentence}; nothing came for as long as a rhythm is known")


def _is_heard_again(warehouse: Warehouse, as_of: AsOf, alert: Alert) -> bool:
    frame = warehouse.frame(
        "queries/slo/heard", as_of=as_of.slice_end, since=alert.since, slices_from=alert.since
    )
    return bool(frame["requests"].sum())


def _end_of(alert: Alert, ending: str, sentence: str) -> Trouble:
    return Trouble(
        key=alert.alert_key,
        kind=alert.kind,
        subject=alert.subject,
        team=alert.team,
        severity=alert.severity,
        since=alert.since,
        sentence=sentence,
        environment=alert.environment,
        ending=ending,
    )
