"""How far telemetry can be believed: the moment figures are given for, as a watermark over what arrived and when.

The clock is an argument, and so is everything that was seen; which rows feed it is the business of ``sql/queries/freshness``.
Nothing here reads the events themselves: a sender may claim any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Literal

import polars as pl

from models.policy import WatermarkPolicy

Basis = Literal["live", "fresh", "past", "none"]
"""What the moment rests on: the intake, files that arrive as things happen, files of the past, or nothing."""

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Watermark:
    """The end of the newest whole slice, what it rests on, and what cannot be known about it (a sentence, or empty)."""

    moment: datetime | None
    basis: Basis
    note: str = ""


@dataclass(frozen=True)
class _Claim:
    """The newest telemetry by what its senders say; ``is_agreed`` where two of three at least reach so far."""

    moment: datetime
    note: str
    is_agreed: bool


def watermark(
    *,
    clock: datetime,
    heartbeats: pl.DataFrame,
    receipts: pl.DataFrame,
    senders: pl.DataFrame,
    policy: WatermarkPolicy,
) -> Watermark:
    """The moment up to which every slice is whole.

    Live: the last whole slice before the earlier of the clock and what the slowest intake in use has loaded, less the
    time to settle, whatever the events claim. Fresh files (the median event no older than the policy's hours when it
    arrived): the newest such receipt, less the same. Files of the past: the second newest sender's tip, so that no single
    sender moves it; telemetry of too few senders that begins long after all the rest ended is left out. The newest
    counts where fewer than three senders leave no choice, and the note says so. Claims never pass what arrived, and
    never the intake unless they are newer by more than the policy's hours: then live telemetry ended and files went on.

    Args:
        clock: now, an aware datetime: nothing later is ever the answer.
        heartbeats: ``loaded_through, recorded_at``: how far each intake has loaded, and when it said so.
        receipts: ``received_at, median_at``: objects with traces, when they arrived and their median event.
        senders: ``app_id, usage_date, last_seen``: the newest span of every app and day.
        policy: ``models.policy.watermark_policy()``.
    """
    received = receipts["received_at"].max()
    limit = _settled(min(clock, received) if isinstance(received, datetime) else clock, policy)
    claim = _claimed(senders, limit, policy)
    live = _live(clock, heartbeats, policy)
    fresh = _fresh(clock, receipts, policy)
    if live is not None and (fresh is None or live >= fresh):
        if claim is None or claim.moment <= live + policy.fresh_within:
            return Watermark(live, "live")
    elif fresh is not None and (claim is None or claim.moment <= fresh or not claim.is_agreed):
        return Watermark(fresh, "fresh")
    return Watermark(None, "none") if claim is None else Watermark(claim.moment, "past", claim.note)


def whole_slice(moment: datetime, policy: WatermarkPolicy) -> datetime:
    """The end of the last slice that is over at a moment."""
    moment = moment.astimezone(UTC)
    midnight = datetime.combine(moment.date(), datetime.min.time(), UTC)
    return midnight + (moment - midnight) // policy.slice * policy.slice


def _settled(moment: datetime, policy: WatermarkPolicy) -> datetime:
    return whole_slice(moment - policy.settle, policy)


def _live(clock: datetime, heartbeats: pl.DataFrame, policy: WatermarkPolicy) -> datetime | None:
    slowest = slowest_intake(heartbeats, policy)
    return None if slowest is None else _settled(min(clock, slowest), policy)


def slowest_intake(heartbeats: pl.DataFrame, policy: WatermarkPolicy) -> datetime | None:
    """How far live telemetry is loaded: the slowest intake in use decides; None where there is none.

    Args:
        heartbeats: ``loaded_through, recorded_at``: how far each intake has loaded, and when it said so.
        policy: when an intake is out of use.
    """
    in_use = heartbeats.filter(pl.col("recorded_at").max() - pl.col("recorded_at") <= policy.intake_silent)
    slowest = in_use["loaded_through"].min()
    return slowest if isinstance(slowest, datetime) else None


def _fresh(clock: datetime, receipts: pl.DataFrame, policy: WatermarkPolicy) -> datetime | None:
    apart = (pl.col("received_at") - pl.col("median_at")).abs()
    fresh = receipts.filter(apart <= policy.fresh_within)
    newest = fresh["received_at"].max()
    return _settled(min(clock, newest), policy) if isinstance(newest, datetime) else None


def _claimed(senders: pl.DataFrame, limit: datetime, policy: WatermarkPolicy) -> _Claim | None:
    """How far the senders' own times reach, at most to ``limit``."""
    known = senders.filter(pl.col("usage_date") <= limit.date()).with_columns(
        pl.min_horizontal(pl.col("last_seen"), pl.lit(limit)).alias("last_seen")
    )
    if known.is_empty():
        return None
    believed, island = _without_islands(known, policy)
    by_tip = (
        believed.group_by("app_id")
        .agg(tip=pl.col("last_seen").max())
        .sort("tip", "app_id", descending=[True, False])
    )
    tips, apps = by_tip["tip"].to_list(), by_tip["app_id"].to_list()
    notes = []
    if not island.is_empty():
        notes.append(
            f"telemetry from {island['usage_date'].min()!s} on, of {_named(island['app_id'])} alone, begins more than "
            f"{policy.island.days} days after all the rest ended and is not believed"
        )
    tip, is_agreed = tips[0], False
    if len(tips) < policy.believed_senders:
        notes.append(
            f"only {_named(by_tip['app_id'])} sent telemetry: with fewer than {policy.believed_senders} senders nothing "
            "tells a wrong clock from the right time, so the newest claim counts"
        )
    elif _leaves_no_choice(tips, policy):
        notes.append(
            f"{apps[0]} has sent alone for more than {policy.alone / _HOUR:g} hours, and hardly anybody beside it before: "
            "nothing tells a wrong clock from the right time, so its newest claim counts"
        )
    else:
        tip, is_agreed = tips[1], True
        if tips[0] - tip > _HOUR:
            notes.append(
                f"{apps[0]} alone claims telemetry until {tips[0]:%Y-%m-%d %H:%M}: figures are given until "
                f"{tip:%Y-%m-%d %H:%M}, the tip of the next sender"
            )
    return _Claim(whole_slice(tip, policy), "; ".join(notes), is_agreed)


def _leaves_no_choice(tips: Sequence[datetime], policy: WatermarkPolicy) -> bool:
    """Whether the newest sender was alone longer than any zone explains, with too few others about before to ask."""
    return tips[0] - tips[1] > policy.alone and tips[1] - tips[policy.believed_senders - 1] > policy.alone


def _without_islands(senders: pl.DataFrame, policy: WatermarkPolicy) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What is believed, and what too few senders sent long after all the rest ended."""
    days: list[date] = senders["usage_date"].unique().sort().to_list()
    starts = [days[0], *(after for before, after in pairwise(days) if after - before > policy.island)]
    ends = senders["usage_date"].max()
    believed = senders
    for begins in reversed(starts[1:]):
        if believed.filter(pl.col("usage_date") >= begins)["app_id"].n_unique() >= policy.believed_senders:
            break
        believed = believed.filter(pl.col("usage_date") < begins)
    reach = believed["usage_date"].max()
    return believed, senders.filter(
        pl.col("usage_date") > pl.lit(reach)
    ) if reach != ends else senders.clear()


def _named(apps: pl.Series) -> str:
    return " and ".join(apps.unique().sort().head(3))
