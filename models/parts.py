"""A part of an app's requests that an objective is of: one route of it, or what is left without cold starts.

A part is judged as if it were an app of its own (``models.slo``), under one text that names app, route and whether cold starts
count; what it is held to is ``models.objectives``, how it is counted ``sql/queries/slo/part_buckets``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import polars as pl

from models.policy import Objective

PART_VARIANT = "part"
"""Begin of the name of what parts are held to, so that no objective of whole apps is taken for one."""

_BETWEEN = "\x1f"
"""Between the fields of the text; ASCII's own separator of units, which no name holds."""

_KEY = "app_id"

PART_KEYS = ("route", "without_cold_starts")
"""Columns that tell parts of one app apart."""


class JudgedApart(Protocol):
    """Something of an app that is judged as if it were an app of its own."""

    @property
    def app_id(self) -> str:
        """The app."""

    @property
    def text(self) -> str:
        """What it is named while it is judged."""


class AppPart(NamedTuple):
    """Requests of an app on one route (empty: all), without those that started an instance where so asked."""

    app_id: str
    route: str
    without_cold_starts: bool

    @property
    def text(self) -> str:
        """What it is named while it is judged."""
        return _BETWEEN.join((self.app_id, self.route, str(int(self.without_cold_starts))))


@dataclass(frozen=True)
class PartGroup:
    """Objectives over one window under names of their own, and the parts one or more of them are of."""

    variants: tuple[Objective, ...]
    parts: tuple[AppPart, ...]


def part_of(app_id: str, objective: Objective) -> AppPart | None:
    """The part an objective is of; None where it is of the whole app."""
    if not objective.route and not objective.without_cold_starts:
        return None
    return AppPart(app_id, objective.route, objective.without_cold_starts)


def part_parameters(parts: Sequence[AppPart], apps: Iterable[str] = ()) -> dict[str, Any]:
    """Parameters that say which parts are counted.

    Args:
        parts: all there are.
        apps: texts of the parts wanted; none: all.
    """
    wanted = set(apps)
    named = [one for one in parts if not wanted or one.text in wanted]
    return {
        "parts": [one.text for one in named],
        "part_apps": sorted({one.app_id for one in named}),
        "between": _BETWEEN,
    }


def spread(frame: pl.DataFrame, parts: Sequence[JudgedApart]) -> pl.DataFrame:
    """Rows about whole apps as rows about each of what is judged apart of them, ``app_id`` being its text."""
    texts = pl.DataFrame(
        {_KEY: [one.app_id for one in parts], "part": [one.text for one in parts]},
        schema={_KEY: pl.String, "part": pl.String},
    )
    order = frame.columns
    return frame.join(texts, on=_KEY, how="inner").with_columns(pl.col("part").alias(_KEY)).select(order)


def gathered_parts(frame: pl.DataFrame, parts: Sequence[AppPart]) -> pl.DataFrame:
    """Rows about parts with the app in ``app_id``, and ``route`` and ``without_cold_starts`` beside it."""
    known = pl.DataFrame(
        [(one.text, *one) for one in parts],
        schema={_KEY: pl.String, "of_app": pl.String, "route": pl.String, "without_cold_starts": pl.Boolean},
        orient="row",
    )
    return frame.join(known, on=_KEY, how="inner").with_columns(pl.col("of_app").alias(_KEY)).drop("of_app")


def unheard(status: pl.DataFrame, sources: Mapping[tuple[str, str], str]) -> list[str]:
    """A sentence for each route of an objective on which no request came within its window, in any environment.

    Args:
        status: ``app_id, route, total`` of objectives.
        sources: app and route -> where an objective names it.
    """
    heard = (
        status.filter(pl.col("route") != "").group_by("app_id", "route").agg(pl.col("total").sum()).sort(_KEY)
    )
    return [
        f"{sources.get((app, route), 'an objective')}: no request came to route {route} of app {app} in its window; write it "
        "as the App page names its routes"
        for app, route, total in heard.iter_rows()
        if not total
    ]
