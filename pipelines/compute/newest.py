"""What pages by the newest minutes: counts what is loaded up to now, leaves it to ``models.newest`` what pages, and names suspects.

Reads only. Who publishes it is ``pipelines.compute.alerts``, so that alerts and what they rest on are one release.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import polars as pl

from models import newest, paging, requests, slo
from models.alerts import Trouble
from models.errors import ModelError
from models.evidence import EvidenceRange, likeliest
from models.newest import METHOD, Key, NewestPage, NewestPolicy, Promise, newest_policy
from models.policy import (
    Objective,
    Objectives,
    burn_windows,
    health_checks,
    request_errors,
    request_slices,
    slo_defaults,
    watermark_policy,
)
from models.schemas import SCHEMAS
from pipelines.compute.maintenance import maintenance_since
from pipelines.ingest import LIVE_SOURCE
from sql.evidence import Asked, attributes_of
from sql.warehouse import Warehouse

TABLE = "mart_slo_newest"
_KEYS = ("app_id", "environment", "objective")
_SOURCES_KNOWN = timedelta(days=1)
"""How far back slices say from what an app's requests are counted."""


def published(warehouse: Warehouse) -> list[NewestPage]:
    """What pages by the newest minutes, as it is published, by key."""
    names = [one.name for one in fields(NewestPage)]
    frame = warehouse.frame("queries/newest/current").select(names)
    return [NewestPage(**row) for row in frame.iter_rows(named=True)]


def pages_frame(pages: Sequence[NewestPage]) -> pl.DataFrame:
    """Pages as columns of ``mart_slo_newest``."""
    schema = SCHEMAS[TABLE]
    return pl.DataFrame(
        {name: [getattr(one, name) for one in pages] for name in schema.names()}, schema=schema
    )


def look(warehouse: Warehouse, clock: datetime, before: Sequence[NewestPage]) -> list[NewestPage]:
    """What pages by the newest minutes now, or did within the hold; by key.

    Args:
        warehouse: where spans and what is promised are read.
        clock: now.
        before: what is published of it.
    """
    policy = newest_policy()
    heartbeats = warehouse.frame("queries/freshness/heartbeats", live_source=LIVE_SOURCE)
    until = newest.counted_until(clock, heartbeats, watermark_policy(), policy)
    known = {one.key: one for one in before}
    if until is None:
        return newest.held(known, {}, None, policy)
    found = _paging(warehouse, until, policy)
    now = {one.key: one for one in _with_suspects(warehouse, found, known, until, policy)}
    return newest.held(known, now, until, policy)


def troubles(pages: Iterable[NewestPage], severity: str) -> Iterator[Trouble]:
    """What is wrong by the newest minutes, under the key the objective's state has: it is one alert, whoever saw it first."""
    for one in pages:
        place = f" in {one.environment}" if one.environment else ""
        yield Trouble(
            key=f"slo/{one.app_id}/{one.environment}/{one.objective}",
            kind="slo",
            subject=one.app_id,
            team=one.team,
            severity=severity,
            since=one.since,
            sentence=led(
                one.suspects,
                f"{one.app_id}{place}: {one.objective} below {one.target:.4g}, {one.bad:,} of {one.total:,} events bad in "
                f"{one.window_seconds / 60:g} min ({METHOD})",
            ),
            environment=one.environment,
        )


def led(suspects: str, sentence: str) -> str:
    """A sentence with what is at fault named first."""
    return f"{suspects}: {sentence}" if suspects else sentence


def _paging(warehouse: Warehouse, until: datetime, policy: NewestPolicy) -> list[NewestPage]:
    maintenance = maintenance_since(warehouse, until - policy.reach)
    counts = warehouse.frame(
        "queries/newest/counts",
        **maintenance.parameters(until - policy.reach, until),
        since=_text(until - policy.reach),
        until=_text(until),
        moment_seconds=int(policy.moment.total_seconds()),
        least_bad=policy.least_bad_events,
        **requests.classification(request_errors(), health_checks()),
        bounds_ns=requests.slicing(request_slices(), slo_defaults())["bounds_ns"],
        **requests.sampling(request_slices()),
    )
    if counts.is_empty():
        return []
    apps = counts["app_id"].unique().sort().to_list()
    otherwise = warehouse.frame("queries/newest/counted_otherwise", apps=apps, since=until - _SOURCES_KNOWN)
    counts = counts.join(otherwise, on=["app_id", "environment"], how="anti")
    promised = {
        (row["app_id"], row["environment"], row["objective"]): Promise(
            row["team"], row["target"], row["threshold_ms"], row["window_days"]
        )
        for row in counts.unique(_KEYS, maintain_order=True).iter_rows(named=True)
    }
    unknown = float(burn_windows().clustering.unknown)
    judge = partial(newest.paging_now, counts, promised, unknown=unknown, until=until, policy=policy)
    # How errors cluster is read of those alone that would page if they came each by itself.
    likely = {one.key: promised[one.key] for one in judge(dict.fromkeys(promised, 1.0))}
    if not likely:
        return []
    return judge(_clustering(warehouse, likely, until))


def _clustering(warehouse: Warehouse, promised: Mapping[Key, Promise], until: datetime) -> dict[Key, float]:
    """How the bad events of some objectives cluster, by their own past; without those whose past says nothing."""
    alike: dict[tuple[str, float, int | None, int], list[str]] = {}
    for (app_id, _, objective), one in promised.items():
        alike.setdefault((objective, one.target, one.threshold_ms, one.window_days), []).append(app_id)
    ladder = requests.ladder_ms(request_slices(), slo_defaults())
    known: dict[Key, float] = {}
    for (name, target, threshold, days), apps in sorted(alike.items(), key=str):
        kinds = ("server",) if threshold is not None else ("server", "consumer")
        line = Objective(name, Decimal(str(target)), threshold, kinds)
        try:
            asked = slo.clustering_parameters(
                Objectives(days, (line,)), burn_windows(), until, ladder, apps=sorted(set(apps))
            )
        except ModelError:  # a threshold that is on no slice: the past says nothing
            continue
        sums = warehouse.frame("queries/slo/clustering", **asked)
        rows = paging.clusterings(sums, burn_windows().clustering).iter_rows(named=True)
        known |= {(row["app_id"], row["environment"], row["objective"]): row["clustering"] for row in rows}
    return known


def _with_suspects(
    warehouse: Warehouse,
    found: Sequence[NewestPage],
    known: Mapping[Key, NewestPage],
    until: datetime,
    policy: NewestPolicy,
) -> Iterator[NewestPage]:
    """The same with route and version of those of which none are known yet, or that are to be renewed."""
    looked = 0
    for one in found:
        old = known.get(one.key)
        is_wanted = old is None or not old.suspects or until - old.seen_at >= policy.renew
        if not is_wanted or looked == policy.suspects:
            yield one
            continue
        looked += 1
        yield _suspected(warehouse, one, until)


def _suspected(warehouse: Warehouse, page: NewestPage, until: datetime) -> NewestPage:
    asked = Asked(
        page.app_id,
        EvidenceRange(page.since, until),
        "availability" if page.threshold_ms is None else "latency",
        page.threshold_ms or 0,
        (page.environment,),
    )
    attributes = attributes_of(partial(_frame, warehouse, page.team), asked)
    return replace(page, route=likeliest(attributes, "route"), version=likeliest(attributes, "version"))


def _frame(warehouse: Warehouse, team: str, name: str, **values: Any) -> pl.DataFrame:
    return warehouse.frame(f"queries/{name}", teams=[team], **values)


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
