"""Which failing dependency the alerts of several apps share, read from their calls of the last hour and written into their cause.

One statement over the calls of the alerting apps; what counts as shared is ``models.evidence``, how alerts of one cause are
told together ``models.alerts``. Nothing is found out here where fewer apps alert than could share anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl

from models.alerts import Alert, AlertingPolicy, Trouble, dependency_cause, is_dependency_cause
from models.evidence import POLICY, SharedCause
from sql.evidence import causes_shared
from sql.warehouse import Warehouse

KIND = "slo"
"""Kind of alert whose apps are asked what they call."""


def with_shared_causes(
    warehouse: Warehouse,
    found: Sequence[Trouble],
    before: Iterable[Alert],
    as_of: datetime,
    policy: AlertingPolicy,
) -> list[Trouble]:
    """The same troubles, those of objectives with the failing dependency that they share as their cause.

    The dependency's own trouble is of the group, where it is an app that alerts itself. A cause that an open alert has stays
    while the alert does, as calls an hour ago are no longer read.

    Args:
        warehouse: whose spans are read.
        found: everything that is wrong now, or not known.
        before: alerts of the moment before.
        as_of: end of the newest slice counted.
        policy: whose severities order the apps.
    """
    firing = sorted(
        (one for one in found if one.kind == KIND and one.is_known),
        key=lambda one: (policy.rank(one.severity), one.since, one.key),
    )
    causes = _causes(shared_now(warehouse, firing, as_of))
    kept = {one.alert_key: one.cause for one in before if one.is_open and is_dependency_cause(one.cause)}
    return [
        replace(one, cause=causes.get(one.subject) or kept.get(one.key, one.cause))
        if one.kind == KIND
        else one
        for one in found
    ]


def shared_now(warehouse: Warehouse, firing: Sequence[Trouble], as_of: datetime) -> list[SharedCause]:
    """Failing dependencies that several of the apps call, the worst apps first."""
    teams = sorted({one.team for one in firing})

    def read(name: str, **values: Any) -> pl.DataFrame:
        return warehouse.frame(f"queries/{name}", **values, teams=teams)

    return causes_shared(read, [one.subject for one in firing], as_of, POLICY.shared.alerting_apps)


def _causes(shared: Iterable[SharedCause]) -> dict[str, str]:
    """App -> the cause of its alert; of a dependency that is an app itself its own."""
    found: dict[str, str] = {}
    for one in shared:
        for app in (*one.apps, one.peer):
            found.setdefault(app, dependency_cause(one.peer))
    return found
