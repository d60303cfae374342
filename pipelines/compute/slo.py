"""Publishes objectives, budgets and burn as of a slice's end; the rules are ``models.slo``."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from models import requests, slo
from models.policy import burn_windows, request_slices, slo_defaults
from models.settings import Settings
from pipelines.compute.as_of import AsOf
from pipelines.compute.publishing import Outcome, fingerprint, is_current, publish_frames, release_sha256
from sql.publish import (
    heads,
)
from sql.warehouse import Warehouse


def compute_slo(warehouse: Warehouse, settings: Settings, as_of: AsOf) -> Outcome:
    """Publishes ``mart_slo_status``: every app's objectives, budgets and burn as of a slice's end."""
    prints = [(one.period, one.sha256) for one in heads(warehouse, "slices")]
    print_ = fingerprint(
        as_of.slice_end,
        prints,
        release_sha256(warehouse, "registry"),
        release_sha256(warehouse, "identities"),
    )
    if is_current(warehouse, "slo", print_):
        return Outcome(unchanged=1, notes=_notes(as_of))
    objectives = slo_defaults()
    ladder = requests.ladder_ms(request_slices(), objectives)
    windows = warehouse.frame(
        "queries/slo/windows", **slo.window_parameters(objectives, as_of.slice_end, ladder)
    )
    apps = warehouse.frame("queries/inventory/apps")
    status = slo.status(windows, objectives, burn_windows(), as_of.slice_end, apps["app_id"])
    status = status.join(apps.select("app_id", "team"), on="app_id", how="left").with_columns(
        pl.col("team").fill_null("unassigned")
    )
    outcome = publish_frames(warehouse, settings, "slo", {"mart_slo_status": status}, print_, as_of)
    return replace(outcome, notes=_notes(as_of))


def _notes(as_of: AsOf) -> tuple[str, ...]:
    return (f"as of {as_of.slice_end:%Y-%m-%d %H:%M}: {as_of.note}",) if as_of.note else ()
