"""Alerts of what lies in maintenance stay as they are: they neither fire nor end until it is over.

Takes what was found wrong and the alerts of the moment before; who is in maintenance is ``models.maintenance``, what becomes of a
frozen alert ``models.alerts``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from models.alerts import Alert, Trouble
from models.maintenance import Maintenance, maintained_now

KINDS = ("slo", "silent")
"""Kinds of alerts about requests of an app in an environment: what a bill or a source does goes on in maintenance."""


def frozen_in_maintenance(
    found: Sequence[Trouble], before: Iterable[Alert], maintenance: Maintenance, moments: Iterable[datetime]
) -> list[Trouble]:
    """The same troubles, those of apps that are in maintenance at one of some moments as not known now; so are their alerts of which
    nothing is found.

    Args:
        found: everything that is wrong, or not known.
        before: the alerts of the moment before.
        maintenance: who is when.
        moments: the newest slice that is judged, and the clock, which newest minutes are looked at by.
    """
    kept = [one for one in before if one.kind in KINDS and one.resolved_at is None]
    asked = {(one.subject, one.environment) for one in found if one.kind in KINDS}
    asked |= {(one.subject, one.environment) for one in kept}
    if not maintenance or not asked:
        return list(found)
    apps = pl.DataFrame(sorted(asked), schema=["app_id", "environment"], orient="row")
    held = {
        (app, environment)
        for moment in moments
        for app, environment, *_ in maintained_now(maintenance.rows, apps, moment).iter_rows()
    }
    known = {one.key for one in found}
    return [
        *(
            replace(one, is_known=False, ending="")
            if one.kind in KINDS and (one.subject, one.environment) in held
            else one
            for one in found
        ),
        *(
            _unknown(one)
            for one in kept
            if (one.subject, one.environment) in held and one.alert_key not in known
        ),
    ]


def _unknown(alert: Alert) -> Trouble:
    """The trouble an alert is of, of which nobody can say now."""
    return Trouble(
        key=alert.alert_key,
        kind=alert.kind,
        subject=alert.subject,
        team=alert.team,
        severity=alert.severity,
        since=alert.since,
        sentence=alert.sentence,
        environment=alert.environment,
        cause=alert.cause,
        is_known=False,
    )
