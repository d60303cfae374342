"""Publishes objectives, budgets, burn and states as of a slice's end; the rules are ``models.slo``."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from typing import NamedTuple

import polars as pl

from models import objectives, paging, requests, silence, slo
from models.alert_policies import windows_for
from models.maintenance import Maintenance, with_maintenance
from models.openslo import TimeWindow
from models.parts import spread, unheard
from models.policy import (
    BurnWindows,
    Environments,
    Objectives,
    environments,
    request_slices,
    silence_policy,
    slo_defaults,
    state_policy,
)
from models.schemas import SCHEMAS
from models.settings import Settings
from models.unheard import Unheard
from pipelines.compute.as_of import AsOf
from pipelines.compute.maintenance import maintenance_before
from pipelines.compute.objectives import Promises, promises, targets_named
from pipelines.compute.publishing import (
    Outcome,
    fingerprint,
    frame_fingerprint,
    is_current,
    publish_frames,
    table_sha256,
)
from pipelines.compute.slo_counted import chosen_counted, judged_counted, seen_counted
from pipelines.compute.slo_parts import chosen_parts, judged_parts, with_samples
from pipelines.compute.timeslices import heard_lately, judged_by_slices
from pipelines.ingest.objectives import objectives_sha256
from sql.publish import heads_by_scope
from sql.warehouse import Warehouse


def compute_slo(warehouse: Warehouse, settings: Settings, as_of: AsOf, moment: datetime) -> Outcome:
    """Publishes every objective's state and burn as of a slice's end, the silent apps, and that moment itself.

    Args:
        warehouse: where slices are read and answers are published.
        settings: which environments are production.
        as_of: end of the newest slice counted.
        moment: the moment asked about, which only tells how old the data is.
    """
    age = moment - as_of.slice_end
    where = production_of(settings)
    files_sha256 = objectives_sha256(settings)
    released = heads_by_scope(warehouse)
    prints = [(one.period, one.sha256) for one in released.get("slices", ())]
    maintenance, hours_left_out = maintenance_before(warehouse, settings, released, as_of.slice_end)
    # The newest team a bill names owns what the registry does not: no release says that it changed.
    apps = warehouse.frame("queries/inventory/apps")
    print_ = fingerprint(
        as_of.slice_end,
        as_of.cost_day,  # part of the moment that is published, though no objective rests on it
        prints,
        table_sha256(released, "registry"),
        frame_fingerprint(apps.select("app_id", "team", "criticality")),
        table_sha256(released, "identities"),
        sorted(where.production),
        age > state_policy().stale_after,
        files_sha256,
        settings.burn_windows,
        *[(one.period, one.sha256) for one in released.get("indicators", ())],
        *([frame_fingerprint(maintenance.rows), hours_left_out] if maintenance else []),
        # Who a policy may tell is known by the routes; without files no objective has a policy.
        *(sorted(targets_named(settings.root) or ()) if files_sha256 else ()),
    )
    is_known = is_current(warehouse, "slo", print_)
    if is_known and not files_sha256:
        return Outcome(unchanged=1, notes=_notes(as_of))
    held = promises(warehouse, settings, apps)
    if is_known:
        notes = (*_notes(as_of), *held.notes(held.before), *_unheard(warehouse, held))
        return Outcome(unchanged=1, notes=notes, refused=held.refused)
    # What is counted between boundaries is the engine's work, rhythms are ours: side by side on two cores.
    with ThreadPoolExecutor(1, "count-buckets") as beside:
        policy = windows_for(settings.burn_windows, slo_defaults())
        counting = beside.submit(
            copy_context().run, _counts, warehouse, slo_defaults(), policy, as_of, maintenance
        )
        heard = heard_lately(warehouse, as_of.slice_end, maintenance)
        silences = _silences(warehouse, apps, as_of, heard.unheard, maintenance)
        counts = counting.result()
    judge = partial(
        slo.status,
        as_of=as_of.slice_end,
        environments=where,
        state_policy=state_policy(),
        # While nobody is heard all that is known is as old as the last that was.
        age=max(age, moment - (heard.unheard.since or moment)),
        coverage=heard.coverage,
    )
    defaults = judge(
        counts.buckets,
        slo_defaults(),
        policy,
        apps=apps["app_id"],
        silences=silences,
        clustering=counts.clustering,
    )
    counted = seen_counted(warehouse, held.asked, as_of.slice_end)
    places = objectives.wanted(defaults.status, slo_defaults(), held.asked, counted)
    judged = [_chosen(defaults, places, None)]
    for window, lines in held.asked.groups_by_rules:
        own = held.asked.apps_of(window, lines)
        group = objectives.promised_in(window, lines, as_of.slice_end)
        policy = windows_for(settings.burn_windows, group)
        seen = defaults.status.filter(pl.col("app_id").is_in(own))
        counts = _counts(warehouse, group, policy, as_of, maintenance, own)
        found = judge(
            counts.buckets,
            group,
            policy,
            apps=seen["app_id"],
            silences=silences.filter(pl.col("app_id").is_in(own)),
            seen=seen,
            clustering=counts.clustering,
            by_slices=judged_by_slices(
                warehouse, group, window, policy, as_of.slice_end, own, silences, maintenance
            ),
        )
        judged.append(_chosen(found, places, window))
    for window, lines in held.asked.parts_by_rules:
        parts = held.asked.parts[window].parts
        of_parts = judged_parts(
            warehouse,
            objectives.promised_in(window, lines, as_of.slice_end),
            settings.burn_windows,
            parts,
            as_of.slice_end,
            defaults.status,
            partial(judge, silences=spread(silences, parts)),
            maintenance,
        )
        judged.append(chosen_parts(of_parts, places, window))
    for window, lines in held.asked.counted_by_rules:
        of_counts = judged_counted(
            warehouse,
            objectives.promised_in(window, lines, as_of.slice_end),
            window,
            settings.burn_windows,
            held.asked.counted[window].asked,
            as_of.slice_end,
            places,
            judge,
            maintenance,
        )
        judged.append(chosen_counted(of_counts, places, window))
    promised = objectives.definitions(places, slo_defaults(), held.asked)
    status = with_samples(
        warehouse, pl.concat([one.status for one in judged]), promised, as_of.slice_end, maintenance
    )
    status = with_maintenance(status, promised, maintenance, as_of.slice_end)
    tables = {
        "mart_slo_status": _with_team(status, apps),
        "mart_slo_burn": _with_team(pl.concat([one.burn for one in judged]), apps),
        "mart_slo_budgets": _with_team(pl.concat([one.budgets for one in judged]), apps),
        "mart_slo_objectives": _with_team(
            objectives.generations(held.before, promised, as_of.slice_end), apps
        ),
        "mart_app_silences": _with_team(silences, apps),
        "mart_as_of": pl.DataFrame([asdict(as_of)]).select(SCHEMAS["mart_as_of"].names()),
    }
    outcome = publish_frames(warehouse, settings, "slo", tables, print_, as_of)
    notes = (*_notes(as_of), *held.notes(places), *unheard(status, held.asked.routes))
    return replace(outcome, notes=notes, refused=held.refused)


def _unheard(warehouse: Warehouse, held: Promises) -> list[str]:
    """Routes of objectives that nobody calls, by what is published."""
    if not held.asked.routes:
        return []
    return unheard(warehouse.frame("queries/slo/routes"), held.asked.routes)


def _chosen(judged: slo.Judged, places: pl.DataFrame, window: TimeWindow | None) -> slo.Judged:
    """What of a judgement is wanted."""
    return slo.Judged(*(objectives.chosen(frame, places, window) for frame in judged))


class _Counts(NamedTuple):
    """What the engine counted: events between boundaries, and how bad ones cluster in those that may fire."""

    buckets: pl.DataFrame
    clustering: pl.DataFrame | None


def _counts(
    warehouse: Warehouse,
    promised: Objectives,
    policy: BurnWindows,
    as_of: AsOf,
    maintenance: Maintenance,
    apps: Sequence[str] = (),
) -> _Counts:
    """Counts between the boundaries of all windows; those of the hold and the past only of apps that may fire."""
    ladder = requests.ladder_ms(request_slices(), slo_defaults())
    asked = partial(slo.bucket_parameters, promised, policy, as_of.slice_end, ladder)

    def counted(hold: bool, only: Sequence[str]) -> pl.DataFrame:
        parameters = asked(hold=hold, apps=only)
        left_out = maintenance.parameters(parameters["window_from"], as_of.slice_end)
        return warehouse.frame("queries/slo/buckets", **parameters, **left_out)

    buckets = counted(hold=False, only=apps)
    firing = slo.may_fire(buckets, policy)
    if not firing:
        return _Counts(buckets, None)
    held = counted(hold=True, only=firing)
    past = slo.clustering_parameters(promised, policy, as_of.slice_end, ladder, apps=firing)
    clustering = paging.clusterings(warehouse.frame("queries/slo/clustering", **past), policy.clustering)
    return _Counts(pl.concat([buckets.filter(~pl.col("app_id").is_in(firing)), held]), clustering)


def _silences(
    warehouse: Warehouse, apps: pl.DataFrame, as_of: AsOf, unheard: Unheard, maintenance: Maintenance
) -> pl.DataFrame:
    """The silent apps; of one the catalogue calls deprecated nobody expects that it goes on."""
    policy = silence_policy()
    hours = warehouse.frame(
        "queries/silence/hours",
        as_of=as_of.slice_end,
        since=as_of.slice_end - silence.hours_needed(policy),
    )
    ending = apps.filter(pl.col("lifecycle") == "deprecated")
    return silence.silences(
        hours.join(ending, on="app_id", how="anti"), as_of.slice_end, policy, unheard.hours, maintenance
    )


def _with_team(frame: pl.DataFrame, apps: pl.DataFrame) -> pl.DataFrame:
    return frame.join(apps.select("app_id", "team"), on="app_id", how="left").with_columns(
        pl.col("team").fill_null("unassigned")
    )


def production_of(settings: Settings) -> Environments:
    """Which environments are production: the workspace's own list, else the policy's."""
    policy = environments()
    own = settings.environments.production
    if own is None:
        return policy
    return Environments(frozenset(name.strip().lower() for name in own), policy.worst_elsewhere)


def _notes(as_of: AsOf) -> tuple[str, ...]:
    return (f"as of {as_of.slice_end:%Y-%m-%d %H:%M}: {as_of.note}",) if as_of.note else ()
