"""Frames in, Altair charts out. No reading, no Streamlit.

A chart turns amounts into floats because a position on a screen is one; the tooltip keeps the exact amount as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import altair as alt
import polars as pl

from dashboards import formats

BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
)
_CURRENCY_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY)

_AXIS_WIDTH = 62
"""Pixels left of every panel, so that panels below each other share one time axis."""

_TICKS = ",~f"
"""Axis labels: plain numbers, no exponent, no needless zeros."""


@dataclass(frozen=True)
class Panel:
    """One row of a stack of panels over the same days.

    ``frame`` has ``usage_date``, ``value`` (float) and ``shown`` (text of the tooltip).
    """

    title: str
    frame: pl.DataFrame
    colour: str = BLUE
    height: int = 92
    whole: bool = False
    """Values are counts: no tick between two of them."""
    has_deploys: bool = False
    """Deploys are marked in it."""


def panel_frame(frame: pl.DataFrame, value: str, shown: Sequence[str]) -> pl.DataFrame:
    """A panel's frame from a frame with ``usage_date``: the column to draw and its words."""
    return frame.select(
        "usage_date",
        pl.col(value).cast(pl.Float64).alias("value"),
        pl.Series("shown", list(shown), dtype=pl.String),
    )


def first_day(panels: Sequence[Panel]) -> date:
    """The first day any of the panels shows."""
    days: list[date] = pl.concat(panel.frame["usage_date"] for panel in panels).to_list()
    return min(days)


def stacked_panels(
    panels: Sequence[Panel],
    first: date,
    last: date,
    episodes: pl.DataFrame,
    deploys: pl.DataFrame | None = None,
) -> list[alt.LayerChart]:
    """One chart per panel, all with the same days on the same pixels; anomalies are shaded, the last has the dates.

    ``episodes`` has ``start_date, end_date, words`` (text of the tooltip), ``deploys`` has ``at`` and ``words``.
    """
    days = [_midnight(first), _midnight(last + timedelta(days=1))]
    return [
        _panel(
            panel, days, episodes, deploys if panel.has_deploys else None, has_dates=panel is panels[-1]
        ).properties(height=panel.height + (28 if panel is panels[-1] else 0))
        for panel in panels
    ]


def _panel(
    panel: Panel, days: list[str], episodes: pl.DataFrame, deploys: pl.DataFrame | None, has_dates: bool
) -> alt.LayerChart:
    x = alt.X(
        "usage_date:T",
        scale=alt.Scale(domain=days, type="utc"),
        axis=alt.Axis(
            title=None,
            format="%-d %b",
            labels=has_dates,
            ticks=has_dates,
            grid=False,
            tickCount=10,
            labelBound=True,  # a label beyond the edge would make this panel narrower than the others
            labelOverlap=True,
        ),
    )
    y = alt.Y(
        "value:Q",
        title=panel.title,
        scale=alt.Scale(zero=True, nice=True),
        axis=alt.Axis(
            minExtent=_AXIS_WIDTH,
            maxExtent=_AXIS_WIDTH,
            tickCount=3,
            tickMinStep=1 if panel.whole else alt.Undefined,
            format=_TICKS,
            titleAlign="left",
            titleAngle=0,
            titleAnchor="end",
            titleX=-_AXIS_WIDTH,
            titleY=-10,
            titleBaseline="bottom",
        ),
    )
    words = [
        alt.Tooltip("usage_date:T", title="day (UTC)", format="%Y-%m-%d"),
        alt.Tooltip("shown:N", title=panel.title),
    ]
    line = (
        alt.Chart(panel.frame)
        .mark_line(color=panel.colour, strokeWidth=1.8, point=alt.OverlayMarkDef(size=14, color=panel.colour))
        .encode(x=x, y=y, tooltip=words)
    )
    layers: list[alt.Chart] = []
    if episodes.height:
        layers.append(
            alt.Chart(episodes)
            .mark_rect(color=VERMILLION, opacity=0.16)
            .encode(
                x=alt.X("start_date:T", scale=alt.Scale(domain=days, type="utc")),
                x2="after:T",
                tooltip=[alt.Tooltip("words:N", title="Cost anomaly")],
            )
        )
    if deploys is not None and deploys.height:
        layers.append(
            alt.Chart(deploys)
            .mark_rule(color=ORANGE, strokeDash=[4, 3])
            .encode(
                x=alt.X("at:T", scale=alt.Scale(domain=days, type="utc")),
                tooltip=[alt.Tooltip("words:N", title="Deploy")],
            )
        )
    return alt.LayerChart(layer=[*layers, line])


def _midnight(day: date) -> str:
    return f"{day:%Y-%m-%d}T00:00:00Z"


def weekly_bars(frame: pl.DataFrame, currency: str, colour: str = BLUE) -> alt.Chart:
    """Weekly usage of one currency; a week that is not complete is lighter.

    ``frame`` has ``iso_week``, ``value``, ``shown``, ``other`` and ``is_complete``.
    """
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_bar(color=colour, cornerRadiusEnd=2)
        .encode(
            x=alt.X("iso_week:O", title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            y=alt.Y("value:Q", title=currency, axis=alt.Axis(format=_TICKS, tickCount=4)),
            opacity=alt.condition("datum.is_complete", alt.value(1.0), alt.value(0.45)),
            tooltip=[
                alt.Tooltip("iso_week:O", title="week"),
                alt.Tooltip("shown:N", title="usage"),
                alt.Tooltip("other:N", title="tax, purchases, credits, corrections"),
                alt.Tooltip("days:Q", title="days with cost"),
            ],
        )
        .properties(height=200)
    )
    return chart


def day_bars(frame: pl.DataFrame, title: str, colour: str = VERMILLION) -> alt.Chart:
    """A bar per day of a share. ``frame`` has ``day``, ``spent`` (a share) and ``shown`` (text of the tooltip)."""
    chart: alt.Chart = (
        alt.Chart(frame.select("spent", "shown", day=pl.col("day").dt.strftime("%Y-%m-%d")))
        .mark_bar(color=colour, cornerRadiusEnd=2)
        .encode(
            x=alt.X("day:O", title=None, axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            y=alt.Y(
                "spent:Q",
                title=title,
                axis=alt.Axis(
                    format="~%",
                    tickCount=3,
                    titleAlign="left",
                    titleAngle=0,
                    titleAnchor="end",
                    titleX=-_AXIS_WIDTH,
                    titleY=-10,
                    titleBaseline="bottom",
                    minExtent=_AXIS_WIDTH,
                    maxExtent=_AXIS_WIDTH,
                ),
            ),
            tooltip=[
                alt.Tooltip("day:O", title="day (UTC)"),
                alt.Tooltip("spent:Q", title="of the budget", format=".2%"),
                alt.Tooltip("shown:N", title="bad"),
            ],
        )
        .properties(height=110)
    )
    return chart


def ranked_bars(frame: pl.DataFrame, currency: str, colour: str = BLUE) -> alt.Chart:
    """Horizontal bars, names and amounts beside them, largest first. ``frame`` has ``name, value, shown``."""
    chart: alt.Chart = (
        alt.Chart(frame.with_columns(label=pl.format("{}   {}", "name", "shown")))
        .mark_bar(color=colour, cornerRadiusEnd=2, height={"band": 0.7})
        .encode(
            x=alt.X("value:Q", title=None, axis=None),
            y=alt.Y(
                "label:N", sort=None, title=None, axis=alt.Axis(labelLimit=340, ticks=False, domain=False)
            ),
            tooltip=[alt.Tooltip("name:N", title=currency), alt.Tooltip("shown:N", title="billed")],
        )
        .properties(height=max(60, 28 * frame.height))
    )
    return chart


def currency_colour(place: int) -> str:
    """Colour of the currency at a place of a sorted list."""
    return _CURRENCY_COLOURS[place % len(_CURRENCY_COLOURS)]


def exact_words(amounts: pl.Series, currencies: pl.Series) -> list[str]:
    """Amounts as exact text with their currency, for tooltips."""
    return [
        formats.NOTHING if amount is None else f"{currency} {formats.exact(amount)}"
        for amount, currency in zip(amounts, currencies, strict=True)
    ]
