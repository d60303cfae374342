"""The error budgets of one app: by which method they are counted, what is left and until when, what cannot be seen, and what each
day of the window spent. What the figures are is ``models.slo``; words about them are ``models.budget_words``.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import polars as pl
import streamlit as st

from dashboards import charts, formats
from dashboards.queries import TeamReads
from models.budget_words import (
    coverage_words,
    doubts,
    exhausted_words,
    interval_words,
    left_words,
    method_words,
    spent_words,
)
from models.indicator_words import events_word
from models.policy import request_slices, slo_defaults
from models.requests import ladder_ms, rung
from models.samples import objective_of
from models.slo_windows import period_at, window_of

KEYS = ("environment", "objective")
SPENT = pl.Schema({"environment": pl.String(), "objective": pl.String(), "day": pl.Date(), "spent": pl.Float64(), "shown": pl.String()})  # fmt: skip
SHOWN = 4
"""Objectives whose days are drawn: those that spent most."""


def budget_section(reads: TeamReads, app_id: str, objectives: pl.DataFrame) -> None:
    """What is left of each budget and what its days spent; ``objectives`` is ``app/objectives``."""
    budgets = reads.frame("app/budgets", app_id=app_id)
    found = objectives.join(budgets, on=KEYS, how="inner", maintain_order="left")
    rows = list(found.iter_rows(named=True))
    if not rows:
        return
    coverage = [coverage_words(row) for row in rows]
    st.dataframe(
        pl.DataFrame(
            {
                "Environment": found["environment"],
                "Objective": [objective_of(row) for row in rows],
                "Budget counted by": [method_words(row) for row in rows],
                "Left": [left_words(row) for row in rows],
                "Time spent": [spent_words(row) for row in rows],
                "Nothing left (UTC)": [exhausted_words(row) for row in rows],
                "Measured, at 95 %": [interval_words(row) for row in rows],
                **({"Coverage": coverage} if any(row["coverage"] is not None for row in rows) else {}),
            }
        ),
        column_config={
            "Left": st.column_config.TextColumn(
                help="Bad events that the events so far still allow; minutes where slices of time are counted. Below zero is overspent."
            ),
            "Time spent": st.column_config.TextColumn(
                help="By occurrences the minutes in which everything would have failed to do the same."
            ),
            "Nothing left (UTC)": st.column_config.TextColumn(
                help="If the last day goes on, counting what is spent and what ages out of the window."
            ),
            "Coverage": st.column_config.TextColumn(
                help="Share of the slices of the window that are not missing."
            ),
        },
        hide_index=True,
        placeholder="",
        alt="What is left of each error budget, by which method and until when",
    )
    for sentence, names in doubts(rows).items():
        st.caption(formats.as_text(f"{', '.join(names)}: {sentence}."))
    _history(days_spent(reads, app_id, budgets, objectives), app_id)


def days_spent(
    reads: TeamReads, app_id: str, budgets: pl.DataFrame, objectives: pl.DataFrame
) -> pl.DataFrame:
    """What each day (UTC) of an objective's window spent of the whole window's budget (``SPENT``; 1 is all of it)."""
    targets = {(row["environment"], row["objective"]): row["target"] for row in objectives.to_dicts()}
    rows: list[tuple[Any, ...]] = []
    for row in budgets.iter_rows(named=True):
        target = targets.get((row["environment"], row["objective"]))
        if target is None or not row["slices_counted"]:
            continue
        allowed = (1 - target) * row["slices_counted"]
        for day, bad, counted in zip(row["days"], row["days_bad"], row["days_counted"], strict=True):
            shown = f"{bad:,.4g} of {counted:,.0f} slices"
            rows.append((row["environment"], row["objective"], day, bad / allowed, shown))
    words = {
        (row["environment"], row["objective"]): events_word(row["question"]) for row in objectives.to_dicts()
    }
    counted_days = _event_days(reads, app_id, any(objectives["question"]))
    for (environment, objective), part in counted_days.group_by(KEYS, maintain_order=True):
        allowed = (1 - part["target"][0]) * part["total"].sum()
        if not allowed:
            continue
        for day, bad, total in part.select("usage_date", "bad", "total").iter_rows():
            shown = f"{bad:,} of {total:,} {words.get((str(environment), str(objective)), 'events')}"
            rows.append((environment, objective, day, bad / allowed, shown))
    return pl.DataFrame(rows, schema=SPENT, orient="row")


def read_days_ahead(reads: TeamReads, app_id: str) -> None:
    """Begins to read what ``days_spent`` asks for last and waits for longest."""
    reads.ahead(("app/budget_days",), **_promised(reads, app_id))


def _event_days(reads: TeamReads, app_id: str, has_questions: bool) -> pl.DataFrame:
    """Bad and all events of each day of the windows that are counted by occurrences; ``has_questions``: some count no requests."""
    asked = _promised(reads, app_id)
    days = reads.frame("app/budget_days", **asked)
    if not has_questions:
        return days
    own = {name: asked[name] for name in ("app_id", "environments", "objectives", "begins")}
    return pl.concat([days, reads.frame("app/indicator_days", **own)], how="vertical_relaxed")


def _promised(reads: TeamReads, app_id: str) -> dict[str, Hashable]:
    """The objectives whose events are counted, as ``app/budget_days`` takes them."""
    promised = list(reads.frame("app/promised", app_id=app_id).iter_rows(named=True))
    begins = (period_at(window_of(row["time_window"]), row["as_of"]).begin for row in promised)
    ladder = ladder_ms(request_slices(), slo_defaults())
    return {
        "app_id": app_id,
        "environments": tuple(row["environment"] for row in promised),
        "objectives": tuple(row["objective"] for row in promised),
        "begins": tuple(int(begin.timestamp()) for begin in begins),
        "ends": tuple(int(row["as_of"].timestamp()) for row in promised),
        "targets": tuple(row["target"] for row in promised),
        "routes": tuple(row["route"] for row in promised),
        "span_kinds": tuple(row["span_kinds"] for row in promised),
        "colds": tuple(row["without_cold_starts"] for row in promised),
        "rungs": tuple(_rung(ladder, row["threshold_ms"]) for row in promised),
    }


def _rung(ladder: tuple[int, ...], threshold_ms: int | None) -> int:
    """Place of a threshold on the ladder as ClickHouse counts, 0 for none."""
    return 0 if threshold_ms is None else rung(ladder, threshold_ms)


def _history(days: pl.DataFrame, app_id: str) -> None:
    """Bars of what each day spent, of the objectives that spent most."""
    spent = days.group_by(KEYS, maintain_order=True).agg(pl.col("spent").sum())
    spent = spent.filter(pl.col("spent") > 0).sort("spent", *KEYS, descending=[True, False, False])
    if spent.is_empty():
        return
    st.caption(
        "Share of the whole window's budget that each day (UTC) spent"
        + (f", of the {SHOWN} objectives that spent most." if spent.height > SHOWN else ".")
    )
    for environment, objective, _ in spent.head(SHOWN).iter_rows():
        part = days.filter((pl.col("environment") == environment) & (pl.col("objective") == objective))
        title = " in ".join(filter(None, (objective, environment)))
        st.altair_chart(
            charts.day_bars(part, f"Budget spent, {title}"),
            width="stretch",
            alt=f"Budget of {title} of {app_id} spent per day",
        )
