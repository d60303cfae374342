"""What is read for the questions of apps, and what was read made into slices; objectives of a question judged as apps of their own.

Takes questions and frames; reading and publishing is ``pipelines.compute.indicators``, what a question is ``models.indicators``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

from models.indicators import FRESHNESS, RECORDS, Question, Tally, fresh_slices, ratio_slices
from models.policy import Objective
from models.schemas import SCHEMAS

COUNTED_VARIANT = "counted"
"""Begin of the name of what questions are held to, so that no objective of requests is taken for one."""

BETWEEN = "\x1f"
"""Between app and indicator in the text an objective of a question is judged under."""

_APP = "app_id"


class AppQuestion(NamedTuple):
    """An app, and the indicator (text of a question) it is held to."""

    app_id: str
    indicator: str

    @property
    def text(self) -> str:
        """What it is named while it is judged."""
        return BETWEEN.join(self)


@dataclass(frozen=True)
class QuestionGroup:
    """Objectives over one window under names of their own, and the apps and indicators one or more of them are of."""

    variants: tuple[Objective, ...]
    asked: tuple[AppQuestion, ...]


class CountReading(NamedTuple):
    """One query: its source, whether it is for ages, the days, the parameter ``asked``, and the number of each count."""

    source: str
    is_for_ages: bool
    days: tuple[date, ...]
    asked: str
    places: Mapping[Tally, int]


def readings(wanted: Iterable[tuple[str, Question]], days: Collection[date]) -> list[CountReading]:
    """The queries that count what apps are held to on some days, one per source; of ages the days before are read too."""
    found: dict[tuple[str, bool], dict[Tally, set[str]]] = {}
    before: dict[tuple[str, bool], int] = {}
    for app_id, question in wanted:
        is_for_ages = question.kind == FRESHNESS
        for one in question.counts:
            key = one.source, is_for_ages
            found.setdefault(key, {}).setdefault(one, set()).add(app_id)
            before[key] = max(before.get(key, 0), question.days_before if is_for_ages else 0)
    read = []
    for (source, is_for_ages), tallies in sorted(found.items()):
        places = {one: number for number, one in enumerate(sorted(tallies, key=repr), 1)}
        asked = [
            {
                "place": places[one],
                "app": app_id,
                "metric": one.metric,
                "summed": one.summed,
                "by_end": is_for_ages,
                "needs": [asdict(need) for need in one.needs],
            }
            for one in places
            for app_id in sorted(tallies[one])
        ]
        reach = range(before[source, is_for_ages] + 1)
        all_days = sorted({day - timedelta(days=back) for day in days for back in reach})
        read.append(CountReading(source, is_for_ages, tuple(all_days), json.dumps(asked), places))
    return read


def counted_slices(
    wanted: Iterable[tuple[str, Question]],
    read: Sequence[tuple[CountReading, pl.DataFrame]],
    days: Collection[date],
    known: pl.DataFrame,
    left_out: Collection[tuple[Question, date]] = (),
) -> pl.DataFrame:
    """``core_indicator_slices`` of some days, without ``batch_id``, sorted.

    Args:
        wanted: apps and what they are held to.
        read: ``readings`` and what each found (``RECORDS``).
        days: to give slices of.
        known: ``app_id, environment, indicator, first`` of what was published: its first slice.
        left_out: days on which a question is not answered, as some of what it needs was removed.
    """
    apps: dict[Question, set[str]] = {}
    for app_id, question in wanted:
        apps.setdefault(question, set()).add(app_id)
    schema = SCHEMAS["core_indicator_slices"]
    frames = [pl.DataFrame(schema=schema)]
    for question in sorted(apps, key=lambda one: one.text):
        mine = sorted(day for day in days if (question, day) not in left_out)
        found = [
            _records(one, question, read).filter(pl.col(_APP).is_in(apps[question]))
            for one in question.counts
        ]
        if question.kind == FRESHNESS:
            seen = known.filter((pl.col("indicator") == question.text) & pl.col(_APP).is_in(apps[question]))
            slices = [_fresh(question, found[0], seen, day) for day in mine]
        else:
            of_days = pl.col("slice_start").dt.date().is_in(mine)
            slices = [ratio_slices(question, found[0].filter(of_days), found[1].filter(of_days))]
        frames.extend(
            one.with_columns(indicator=pl.lit(question.text)).select(
                pl.col(name).cast(kind) for name, kind in schema.items()
            )
            for one in slices
        )
    return pl.concat(frames).sort("slice_start", _APP, "environment", "indicator")


def _records(
    counted: Tally, question: Question, read: Sequence[tuple[CountReading, pl.DataFrame]]
) -> pl.DataFrame:
    for reading, frame in read:
        if reading.is_for_ages == (question.kind == FRESHNESS) and counted in reading.places:
            return frame.filter(pl.col("place") == reading.places[counted]).select(
                pl.col(name).cast(kind) for name, kind in RECORDS.items()
            )
    return pl.DataFrame(schema=RECORDS)


def _fresh(question: Question, records: pl.DataFrame, known: pl.DataFrame, day: date) -> pl.DataFrame:
    """Slices of one day; what was seen before it, by its records or by what is published, is known all day."""
    counted = records.filter(pl.col("counted") > 0)
    at = pl.col("slice_start").dt.date()
    before = pl.concat(
        [
            known.filter(pl.col("first").dt.date() < day).select(_APP, "environment"),
            counted.filter(at < day).select(_APP, "environment"),
        ]
    ).unique()
    return fresh_slices(question, counted.filter(at <= day), before, [day])


def gathered_questions(frame: pl.DataFrame, asked: Sequence[AppQuestion]) -> pl.DataFrame:
    """Rows about questions with the app in ``app_id`` and ``indicator`` beside it."""
    known = pl.DataFrame(
        [(one.text, *one) for one in asked],
        schema={_APP: pl.String, "of_app": pl.String, "indicator": pl.String},
        orient="row",
    )
    return frame.join(known, on=_APP, how="inner").with_columns(pl.col("of_app").alias(_APP)).drop("of_app")
