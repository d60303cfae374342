"""Deploys of one app as marks on its time axis: versions by their first request. What else tells of a deploy is in the evidence."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from dashboards.queries import TeamReads

VERSIONS = "evidence/versions"
MOMENT = "%Y-%m-%dT%H:%M:%SZ"


def deploys_of(reads: TeamReads, app_id: str, first: date, last: date) -> pl.DataFrame:
    """``at`` (a moment as text) and ``words`` of every version that began in these days; not those that were there before."""
    found = reads.frame(VERSIONS, **deploy_days(app_id, first, last)).filter(pl.col("was_there_before") == 0)
    words = [
        f"{row['version']}{_in(row['environment'])}, {row['at']:%Y-%m-%d %H:%M} UTC"
        for row in found.iter_rows(named=True)
    ]
    return found.select(at=pl.col("at").dt.strftime(MOMENT), words=pl.Series(words, dtype=pl.String))


def deploy_days(app_id: str, first: date, last: date) -> dict[str, Hashable]:
    """Some days of an app as ``VERSIONS`` takes them."""
    return {
        "app_id": app_id,
        "known_from": _text(first),
        "range_to": _text(last + timedelta(days=1)),
        "environments": (),
    }


def _text(day: date) -> str:
    return f"{datetime.combine(day, time(), UTC):%Y-%m-%d %H:%M:%S}"


def _in(environment: str) -> str:
    return f" in {environment}" if environment else ""
