"""What of an objective's requests is a sample, how many they stand for and the indicator by that; pure, frames in and out.

A span that was kept with probability p stands for 1/p of them, so a sum of those is right in expectation whatever p each span
was kept with, and a ratio of two such sums corrects a sampler that keeps failures rather than the rest. States, budgets and
alerts rest on the spans that came all the same: one of them is the evidence of one request, not of hundreds, and a floor of three
bad events or a test against chance on scaled counts would page for a single one. So the corrected ratio stands beside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl

from models.alert_rules import by_sentence
from models.indicator_words import indicator_sentence

_KEYS = ("app_id", "environment", "objective")
_ADDED = ("sampled", "stands_for", "sli_scaled")
_METHOD = r"^[A-Z]+ "


def samples_of(
    status: pl.DataFrame, promised: pl.DataFrame, sampled: Mapping[str, pl.DataFrame]
) -> pl.DataFrame:
    """Answers with ``sampled``, ``stands_for`` and ``sli_scaled`` of ``mart_slo_status``; the order of rows stays.

    Args:
        status: ``app_id, environment, objective, threshold_ms, route, without_cold_starts`` and whatever else, with the three.
        promised: ``app_id, environment, objective, time_window, span_kinds``, one row for each.
        sampled: time window -> result of ``queries/slo/samples`` over it.
    """
    asked = status.select(*_KEYS, "threshold_ms", "route", "without_cold_starts").join(
        promised.select(*_KEYS, "time_window", "span_kinds"), on=_KEYS, how="inner"
    )
    found = [
        _found(asked.filter(pl.col("time_window") == window), frame) for window, frame in sampled.items()
    ]
    if not found:
        return status
    order = status.columns
    return (
        status.drop("stands_for", "sli_scaled", "sampled")
        .join(pl.concat(found), on=_KEYS, how="left", maintain_order="left")
        .with_columns(pl.col("sampled").fill_null(0))
        .select(order)
    )


def _found(asked: pl.DataFrame, sampled: pl.DataFrame) -> pl.DataFrame:
    route = pl.col("route")
    of_route = pl.col("of_route")
    joined = asked.join(
        sampled.rename({"route": "of_route"}), on=["app_id", "environment"], how="inner"
    ).filter(
        pl.col("kind").is_in(pl.col("span_kinds"))
        & ~(pl.col("without_cold_starts") & pl.col("is_cold_start"))
        & ((route == "") | (route == of_route) | (route == of_route.str.replace(_METHOD, "")))
    )
    known = pl.col("stands_for").is_not_null().all()
    return (
        joined.group_by(_KEYS)
        .agg(
            pl.col("sampled").sum().cast(pl.UInt64),
            pl.when(known).then(pl.col("stands_for").sum()).alias("stands_for"),
            pl.when(known).then(pl.col("errors_stand_for").sum()).alias("errors"),
            is_errors=pl.col("threshold_ms").is_null().first(),
        )
        .filter(pl.col("sampled") > 0)
        .select(
            *_KEYS,
            "sampled",
            "stands_for",
            sli_scaled=pl.when(pl.col("is_errors") & (pl.col("stands_for") > 0)).then(
                1 - pl.col("errors") / pl.col("stands_for")
            ),
        )
    )


def sample_sentence(sampled: int, stands_for: float | None, sli_scaled: float | None) -> str:
    """What is said beside figures of which some requests are a sample; empty where none is."""
    if not sampled:
        return ""
    told = f"{sampled:,} of the requests are a sample"
    if stands_for is None:
        return f"{told}, and the sampler does not say of how many: there were more, and if it keeps failures first, fewer failed"
    right = "" if sli_scaled is None else f", of which {sli_scaled:.3%} went right"
    return f"{told}: with the rest they stand for {stands_for:,.0f} requests{right}; states count those that came"


def of_part(row: Mapping[str, Any]) -> list[str]:
    """What stands beside an objective: what it counts instead of requests, how many cold starts it leaves out, what of its requests
    is a sample, and by which of its own policies it fires.
    """
    sentences = []
    if counts := indicator_sentence(row["question"]):
        sentences.append(counts)
    if row["without_cold_starts"]:
        sentences.append(f"{row['kept_out']:,} cold starts kept out")
    if sample := sample_sentence(row["sampled"], row["stands_for"], row["sli_scaled"]):
        sentences.append(sample)
    if fired := by_sentence(row.get("fired_by", "")):
        sentences.append(f"fires {fired}")
    return sentences


def objective_of(row: Mapping[str, Any]) -> str:
    """Name of an objective with the route it is of."""
    return f"{row['objective']}, {row['of_route']}" if row["of_route"] else str(row["objective"])


def part_sentences(objectives: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A line for whatever stands beside objectives, with their names."""
    for row in objectives:
        where = ", ".join(filter(None, (row["app_id"], row["environment"], objective_of(row))))
        if said := of_part(row):
            yield f"{where}: {'; '.join(said)}."
