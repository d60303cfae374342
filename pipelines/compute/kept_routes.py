"""Which routes slices never pool, because an objective names them, and which days were cut by which of them.

What slices are made of is ``pipelines.compute.slices``; which objectives there are ``pipelines.compute.objectives``.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from models.policy import request_slices
from models.settings import Settings
from pipelines.compute.objectives import routes_named
from pipelines.compute.publishing import fingerprint
from sql.warehouse import Warehouse

_CURRENT = uuid.UUID(int=0)


@dataclass(frozen=True)
class KeptRoutes:
    """Apps and routes, with their method or without it, that keep their name however rare they are."""

    named: frozenset[tuple[str, str]] = frozenset()

    def prints(
        self, warehouse: Warehouse, days: Mapping[date, str], batch: uuid.UUID = _CURRENT
    ) -> dict[date, str]:
        """Fingerprints of days, in which the named routes have their part where they change what is pooled.

        That is only so of a day on which the app has as many routes as are kept: a day of fewer is as it would be without
        them, so a new objective has nothing computed again but what it needs.

        Args:
            warehouse: where slices are.
            days: day -> fingerprint of what else feeds it.
            batch: slices that were just written; without it those that are current.
        """
        if not self.named:
            return dict(days)
        crowded = warehouse.frame(
            "queries/telemetry/crowded_apps",
            apps=sorted({app for app, _ in self.named}),
            routes_kept=request_slices().routes_kept,
            batch_id=batch,
        )
        of_day: dict[date, set[str]] = {}
        for day, app in crowded.iter_rows():
            of_day.setdefault(day, set()).add(app)
        return {
            day: fingerprint(print_, sorted(one for one in self.named if one[0] in of_day[day]))
            if day in of_day
            else print_
            for day, print_ in days.items()
        }


def kept_routes(warehouse: Warehouse, settings: Settings) -> KeptRoutes:
    """Routes that the objectives of a workspace name."""
    return KeptRoutes(frozenset(routes_named(warehouse, settings)))
