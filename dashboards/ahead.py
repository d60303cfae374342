"""Where a month will end and what is left of a budget, drawn the same way on every page.

What is charged is shown exactly, what is predicted in whole units with its band; how either comes about is
``models.forecast`` and ``models.budgets``.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import polars as pl
import streamlit as st

from dashboards import formats
from models.forecast import POLICY
from models.money import exact_total

WHY_NOT = {
    "too_few": f"not predicted: fewer than {POLICY.least_days} days of cost are known",
    "late": f"not predicted: the bill is more than {POLICY.late_days} days behind",
}
"""State of a forecast without a prediction -> why there is none."""

NO_BAND = "no band: too few past windows to be judged by"
BAND = f"{POLICY.band.covers:.0%}"

BUDGET_STATES = {
    "exhausted": "Exhausted",
    "over": "Will run out",
    "alert": "Over a share",
    "unknown": "No forecast",
    "ok": "Within budget",
}


def predicted(amount: float, currency: str) -> str:
    """A predicted amount as people read it: three digits that count, as nobody knows more."""
    size = abs(amount)
    places = 2 if size < 10 else 1 if size < 100 else 0
    return f"{currency} {amount:,.{places}f}"


def forecast_metrics(forecasts: pl.DataFrame) -> None:
    """One figure per currency: what the month is expected to come to, its band, and what of it is known."""
    rows = list(forecasts.iter_rows(named=True))
    for place, row in zip(st.columns(max(3, len(rows))), rows, strict=False):
        currency = row["billing_currency"]
        label = f"{row['month']:%B} expected in {currency}"
        value, small = _told(row)
        place.metric(label, value, small, delta_color="off", delta_arrow="off", border=True, help=_help(row))
    told = [words for row in rows if (words := _unpredicted(row))]
    if told:
        st.caption(" ".join(told))


def forecast_table(forecasts: pl.DataFrame) -> None:
    """The same of many: a row per team and currency, the largest expected first within a currency."""
    rows = list(
        forecasts.sort(
            "billing_currency", "expected_total", "name", descending=[False, True, False], nulls_last=True
        ).iter_rows(named=True)
    )
    expected = f"{rows[0]['month']:%B} expected"
    st.dataframe(
        pl.DataFrame(
            {
                "Team": [row["name"] for row in rows],
                "Currency": [row["billing_currency"] for row in rows],
                "Charged so far": [exact_total([row["usage_to_date"], row["other_charges"]]) for row in rows],
                expected: [_told(row)[0].removeprefix(row["billing_currency"]).strip() for row in rows],
                f"{BAND} band": [_told(row)[1].removeprefix(f"{BAND} band: ") for row in rows],
                "Apps not predicted": [row["apps_unpredicted"] for row in rows],
            }
        ),
        column_config={
            "Charged so far": st.column_config.NumberColumn(format="accounting"),
            expected: st.column_config.TextColumn(alignment="right"),
        },
        hide_index=True,
        placeholder=formats.NOTHING,
        alt="What the month is expected to come to per team and currency, with its band",
    )


def _told(row: Mapping[str, Any]) -> tuple[str, str]:
    """Value and small print of one forecast."""
    currency = row["billing_currency"]
    if row["expected_total"] is None:
        return formats.NOTHING, WHY_NOT[row["state"]]
    value = predicted(row["expected_total"], currency)
    if row["low_total"] is None:
        return value, NO_BAND
    low, high = (predicted(row[side], "").strip() for side in ("low_total", "high_total"))
    return value, f"{BAND} band: {low} to {high}"


def _help(row: Mapping[str, Any]) -> str:
    known = exact_total([row["usage_to_date"], row["other_charges"]])
    again = (
        f"; recurring charges expected again: {formats.exact(row['recurring_expected'])}"
        if row["recurring_expected"]
        else ""
    )
    return (
        f"Charged so far, to {formats.day(row['as_of'])}: exactly {formats.exact(known)}, of which usage "
        f"{formats.exact(row['usage_to_date'])}{again}. The rest is predicted from complete days of usage alone."
    )


def _unpredicted(row: Mapping[str, Any]) -> str:
    """A sentence on apps whose rest of the month is not in the figure."""
    count = row["apps_unpredicted"]
    if not count or row["expected_total"] is None:
        return ""
    return (
        f"{row['billing_currency']}: {formats.plural(count, 'app')} of {formats.count(row['apps'])} cannot be predicted "
        "yet; what they have cost counts, what they will cost does not."
    )


def budget_table(budgets: pl.DataFrame) -> None:
    """Budgets with what is spent and expected, and the day they run out, those that need somebody first."""
    rows = list(budgets.iter_rows(named=True))
    st.dataframe(
        pl.DataFrame(
            {
                "Of": [_of(row) for row in rows],
                "State": [BUDGET_STATES[row["state"]] for row in rows],
                "Currency": [row["billing_currency"] for row in rows],
                "Budget": [row["budget"] for row in rows],
                "Spent": [row["spent"] for row in rows],
                "Share spent": [float(row["spent"] / row["budget"]) * 100 for row in rows],
                "Expected": [_expected(row) for row in rows],
                "Runs out": [_runs_out(row) for row in rows],
                "Alerts": [_alerts(row) for row in rows],
                "Period": [
                    f"{formats.day(row['first_day'])} to {formats.day(row['last_day'])}" for row in rows
                ],
                "Lines": [row["basis"] for row in rows],
            }
        ),
        column_config={
            **{name: st.column_config.NumberColumn(format="accounting") for name in ("Budget", "Spent")},
            "Share spent": st.column_config.NumberColumn(format="%.0f %%"),
        },
        hide_index=True,
        placeholder="",
        alt="Budgets with what is spent, what is expected and the day they run out",
    )


def _of(row: Mapping[str, Any]) -> str:
    return "Whole fleet" if row["scope"] == "fleet" else f"{row['scope'].capitalize()} {row['name']}"


def _expected(row: Mapping[str, Any]) -> str:
    if row["expected_total"] is None:
        return "not predicted"
    middle = predicted(row["expected_total"], "").strip()
    if row["low_total"] is None:
        return middle
    low, high = (predicted(row[side], "").strip() for side in ("low_total", "high_total"))
    return f"{middle} ({low} to {high})"


def _runs_out(row: Mapping[str, Any]) -> str:
    """The day a budget was or will be spent, with the days its band allows."""
    if row["exhausted_on"]:
        return f"spent on {formats.day(row['exhausted_on'])}"
    if row["expected_total"] is None:
        return "not predicted"
    early, late = row["earliest_on"], row["latest_on"]
    if not row["expected_on"]:
        return f"lasts; {formats.day(early)} at the earliest" if early else "lasts"
    between = (
        f"{formats.day(early)} to {formats.day(late)}" if early and late else f"{formats.day(early)} or later"
    )
    return f"{formats.day(row['expected_on'])} ({between})" if early else formats.day(row["expected_on"])


def _alerts(row: Mapping[str, Any]) -> str:
    """The share that is spent, and the one that will be."""
    told = []
    if row["alert_share"] is not None:
        told.append(f"{share(row['alert_share'])} spent")
    if row["next_share"] is not None:
        told.append(f"{share(row['next_share'])} expected")
    return ", ".join(told) or formats.NOTHING


def share(value: Decimal) -> str:
    """A share of a budget as it was written: ``80 %``."""
    return f"{(value * 100).normalize():f} %"
