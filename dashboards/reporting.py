"""What the pages show in the reporting currency, and what lies between billed and effective cost.

Figures come from queries that take the viewer's teams; which month or days are shown is the page's business.
"""

from __future__ import annotations

from datetime import date

import polars as pl
import streamlit as st

from dashboards import formats
from dashboards.frame import Page, table_height
from models.commitments import PARTS
from models.comparison import Comparison
from models.focus import currencies as minor_units
from models.money import exact_total
from models.schemas import MONEY
from models.statement_csv import plain


def reported_statement(page: Page, month: date) -> None:
    """The statement in the reporting currency beside its own, by which rates, or why it is not there."""
    if _nothing_is_reported(page):
        return
    rates = page.reads.frame("reporting/rates", billing_period=month)
    if rates.is_empty():
        return
    currency = rates["reporting_currency"][0]
    st.header(f"In {currency}", anchor=False)
    missing = rates.filter(pl.col("missing") > 0)
    if missing.height:
        row = missing.row(0, named=True)
        st.warning(
            f"{month:%Y-%m} is not reported in {currency}: the table has no rate from {row['billing_currency']} for "
            f"{formats.plural(row['missing'], 'day')} from {row['first_missing']} on. The figures above are not affected."
        )
        return
    frame = page.reads.frame("reporting/statement", billing_period=month)
    amounts = {f"Billed {currency}": "billed_cost", f"Effective {currency}": "effective_cost"}
    amounts[f"Charged {currency}"] = "amount"
    rows = [
        {
            "Cost centre": row["cost_center"] or formats.NOTHING,
            "Team": row["team"] or "rounding",
            **{label: row[name] for label, name in amounts.items()},
        }
        for row in frame.iter_rows(named=True)
    ]
    totals = {label: exact_total(frame[name]) for label, name in amounts.items()}
    rows.append({"Cost centre": "", "Team": "Total", **totals})
    st.dataframe(
        pl.DataFrame(rows, schema_overrides=dict.fromkeys(amounts, MONEY)),
        column_config={label: st.column_config.NumberColumn(format="localized") for label in amounts},
        hide_index=True,
        placeholder="",
        height=table_height(len(rows)),
        alt=f"Statement in {currency} by cost centre and team",
    )
    st.caption(formats.as_text("; ".join(_rate_words(row) for row in rates.iter_rows(named=True))))


def _nothing_is_reported(page: Page) -> bool:
    """There is no reporting currency: most have none, and what is asked of it takes as long as if there were one."""
    return page.reads.of_anybody("reporting/currencies").is_empty()


def _rate_words(row: dict[str, object]) -> str:
    own, currency = row["billing_currency"], row["reporting_currency"]
    if own == currency:
        return f"{own} as it is"
    low, high = (plain(row[name]) for name in ("lowest", "highest"))  # type: ignore[arg-type]
    between = low if low == high else f"{low} to {high}"
    sources = ", ".join(row["sources"])  # type: ignore[arg-type]
    return f"1 {own} is {currency} {between} on {formats.plural(row['days'], 'day')} of usage ({sources})"  # type: ignore[arg-type]


def usage_in_reporting_currency(page: Page, days: Comparison) -> None:
    """All charges of the days in the reporting currency, in one figure; nothing where there is none."""
    if _nothing_is_reported(page):
        return
    frame = page.reads.frame("reporting/usage", first_day=days.first, last_day=days.last)
    for row in frame.iter_rows(named=True):
        currency = row["reporting_currency"]
        if row["missing"]:
            st.caption(
                f"Not shown in {currency}: {formats.plural(row['missing'], 'day')} and currencies have no rate."
            )
            continue
        st.metric(
            f"All charges in {currency}, {days.words}",
            formats.money(row["billed_cost"], currency, minor_units()[currency]),
            "every currency, each day at its rate",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help=f"Exactly {formats.exact(row['billed_cost'])}; the table of rates is finance's.",
        )


def bridge(page: Page, month: date) -> None:
    """Billed and effective cost side by side, and every part of what lies between; commitments that were not used."""
    frame = page.reads.frame("reporting/bridge", billing_period=month)
    told = frame.filter(pl.col("amount") != 0)
    apart = told.filter(pl.col("part").is_in(["billed", "effective"]).not_())
    unused = page.reads.frame("reporting/unused", billing_period=month)
    if apart.is_empty() and unused.is_empty():
        return
    st.header("From billed to effective", anchor=False)
    if apart.height:
        rows = frame.filter(pl.col("source_name").is_in(apart["source_name"].to_list()))
        wide = rows.select(
            pl.col("part").replace(PARTS).alias("Part"),
            bill=pl.col("source_name") + ", " + pl.col("billing_currency"),
            amount=pl.Series([plain(value) for value in rows["amount"]]),
        ).pivot("bill", index="Part", values="amount")
        st.dataframe(
            wide,
            column_config={bill: st.column_config.TextColumn(alignment="right") for bill in wide.columns[1:]},
            hide_index=True,
            placeholder="",
            alt="Parts between billed and effective cost per source and currency",
        )
        st.caption("The parts sum to the difference, to the last digit.")
    if unused.height:
        st.dataframe(
            pl.DataFrame(
                {
                    "Commitment": [
                        row["commitment_name"] or row["commitment_id"] for row in unused.iter_rows(named=True)
                    ],
                    "Source": unused["source_name"],
                    "Owner": unused["app_id"],
                    "Team": unused["team"],
                    "Currency": unused["billing_currency"],
                    "Not used": [plain(value) for value in unused["unused_cost"]],
                    "Used": [plain(value) for value in unused["used_cost"]],
                }
            ),
            column_config={
                name: st.column_config.TextColumn(alignment="right") for name in ("Not used", "Used")
            },
            hide_index=True,
            placeholder="",
            alt="Commitments that were not used whole",
        )
