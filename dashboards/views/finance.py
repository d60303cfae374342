"""Finance: the statement of a billing month, tied to the published bill to the last digit, and its file."""

from __future__ import annotations

from datetime import date

import polars as pl
import streamlit as st

from dashboards import formats
from dashboards.closing import close_month
from dashboards.credits import credits_section
from dashboards.downloads import offer_file
from dashboards.formats import as_text
from dashboards.frame import (
    Page,
    app_table,
    by_currency,
    open_page,
    table_height,
)
from dashboards.links import asked_choice, asked_text
from dashboards.reporting import bridge, reported_statement
from dashboards.statement import closed_file, statement_file
from models.focus import currencies as minor_units
from models.money import exact_total
from models.people import CLOSE_MONTHS, DOWNLOAD_STATEMENTS, SEE_WHOLE_BILLS
from models.schemas import MONEY
from models.statement_csv import plain

ROUNDING = "rounding"
LINES = "lines"
"""In the address: what lines are searched for."""
OF_MONTH = (
    *(
        "finance/statement",
        "finance/closings",
        "finance/closed_files",
        "finance/adjustments",
        "finance/credit_decisions",
    ),
    *("finance/credits", "finance/reconciliation", "finance/tie_out", "reporting/bridge", "reporting/unused"),
    *(
        "finance/corrections",
        "finance/days",
        "finance/lines",
        "finance/held_deliveries",
        "finance/deliveries",
    ),
)
"""What is asked of a month, in the order it is drawn."""


def chosen_month(page: Page) -> date:
    """The billing month to show; stops with advice where there is none."""
    months = page.reads.frame("finance/months")["billing_period"].to_list()
    if not months:
        st.info(
            "No bill of your teams is published. Name one under `sources.billing`, then run `appfleet run`."
        )
        st.stop()
    named: dict[str, date] = {f"{month:%Y-%m}": month for month in months}
    month = asked_choice(
        st.container(width=240),
        "Billing month (UTC)",
        "month",
        {key: key for key in named},
        "billing month",
    )
    return named[month]


def headline(statement: pl.DataFrame, month: date) -> None:
    """Charged, billed and unallocated per currency."""
    groups = by_currency(statement)
    for column, (currency, part) in zip(st.columns(max(2, len(groups))), groups, strict=False):
        charged, billed, unallocated = (
            exact_total(part[name]) for name in ("amount", "billed_cost", "unallocated")
        )
        column.metric(
            f"Charged in {currency}, {month:%Y-%m}",
            formats.money(charged, currency, minor_units()[currency]),
            f"unallocated {formats.money(unallocated, currency)} ({formats.share(unallocated, billed)})",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help=f"Billed exactly {currency} {formats.exact(billed)}; rounded once, to the minor unit. "
            f"{formats.UNALLOCATED}",
        )


def statement_table(statement: pl.DataFrame) -> None:
    """One row per cost centre, team and currency, with a total per currency."""
    st.header("Statement by cost centre", anchor=False)
    for currency, part in by_currency(statement):
        amounts = (f"Billed {currency}", f"Effective {currency}", f"Charged {currency}")
        rows = [
            {
                "Cost centre": row["cost_center"] or formats.NOTHING,
                "Team": row["team"] or ROUNDING,
                f"Charged {currency}": row["amount"],
                f"Billed {currency}": row["billed_cost"],
                f"Effective {currency}": row["effective_cost"],
                "Apps": row["apps"],
                "Lines": row["lines"],
                "Lead": row["owner"],
            }
            for row in part.iter_rows(named=True)
        ]
        rows.append(
            {
                "Cost centre": "",
                "Team": "Total",
                f"Charged {currency}": exact_total(part["amount"]),
                f"Billed {currency}": exact_total(part["billed_cost"]),
                f"Effective {currency}": exact_total(part["effective_cost"]),
                "Apps": part["apps"].sum(),
                "Lines": part["lines"].sum(),
                "Lead": "",
            }
        )
        st.dataframe(
            pl.DataFrame(rows, schema_overrides=dict.fromkeys(amounts, MONEY)),
            column_config={name: st.column_config.NumberColumn(format="localized") for name in amounts},
            hide_index=True,
            placeholder="",
            height=table_height(len(rows)),
            alt=f"Statement in {currency} by cost centre and team",
        )


def download(page: Page, month: date) -> None:
    """The statement as a file, made when asked for and never kept on the server's side."""
    if not page.viewer.has(DOWNLOAD_STATEMENTS):
        return
    offer_file(
        "Download the statement (CSV)",
        "statement",
        lambda: statement_file(page.reads, month),
        f"chargeback-{month:%Y-%m}.csv",
        page="Finance",
        parameters={"month": f"{month:%Y-%m}"},
        help="Your teams' lines; the same bytes as `appfleet chargeback` writes.",
    )
    files = page.reads.frame("finance/closed_files", billing_period=month, file_name="")
    for row in files.iter_rows(named=True):
        name = row["file_name"]
        offer_file(
            f"{name} ({row['bytes']:,} bytes)",
            f"closed {name}",
            lambda name=name: closed_file(page.reads, month, name),  # type: ignore[misc]
            name,
            page="Finance",
            parameters={"month": f"{month:%Y-%m}", "closed": "yes"},
            kind="tertiary",
            help=f"The bytes the month was closed with, SHA-256 {row['file_sha256']}.",
        )


def state(page: Page, month: date) -> None:
    """Whether the month is closed, by whom and when, and the button that closes it for who has the right."""
    decisions = page.reads.frame("finance/closings", billing_period=month)
    newest = decisions.row(0, named=True) if decisions.height else None
    is_closed = newest is not None and newest["state"] == "closed"
    if newest is not None:
        said = f"by {newest['decided_by']} at {newest['decided_at']:%Y-%m-%d %H:%M} UTC"
        if is_closed:
            st.success(
                as_text(
                    f"Closed {said}: statement {newest['statement_id']}, version {newest['statement_version']}, "
                    f"{formats.plural(newest['lines'], 'line')}, rules {newest['rule_version']}. Nothing of it changes any more."
                )
            )
        else:
            st.warning(as_text(f"Open again, {said}: {newest['reason']}"))
    else:
        st.info("Open: its figures follow the bill until the month is closed.")
    if is_closed or not page.viewer.has(CLOSE_MONTHS):
        return
    if st.button(f"Close {month:%Y-%m}", help="Freezes lines, totals and files, once every check is green."):
        with st.spinner("Closing"):
            done, said = close_month(month)
        if done:
            st.rerun()
        st.error(as_text(said))


def adjustments(page: Page, month: date) -> None:
    """What changed in closed months: lines of this statement, and lines elsewhere that adjust this month."""
    frame = page.reads.frame("finance/adjustments", billing_period=month)
    if frame.is_empty():
        return
    st.header("Adjustments", anchor=False)
    st.caption(
        "What a provider restated, or a person reclassified, after a month was closed, and credits a person accepted: each once, "
        "in a month that was open."
    )
    st.dataframe(
        pl.DataFrame(
            {
                "On the statement of": frame["statement_period"].dt.strftime("%Y-%m"),
                "Of the month": frame["billing_period"].dt.strftime("%Y-%m"),
                "Why": frame["adjustment"],
                "Adjusts line": frame["adjustment_of"],
                "Team": frame["team"],
                "App": frame["app_id"],
                "Service": frame["service_name"],
                "Currency": frame["billing_currency"],
                "Billed": [plain(amount) for amount in frame["billed_cost"]],
                "Charged": frame["amount"],
            }
        ),
        column_config={
            "Billed": st.column_config.TextColumn(alignment="right"),
            "Charged": st.column_config.NumberColumn(format="localized"),
        },
        hide_index=True,
        placeholder="",
        alt="Lines that adjust closed months",
    )


def tie_out(page: Page, month: date) -> None:
    """What was billed in the month against every statement that has lines of it, to the last digit."""
    frame = page.reads.frame("finance/tie_out", billing_period=month)
    if frame.is_empty():
        return
    st.header("Do the statements tie to the bill?", anchor=False)
    apart = frame.filter(pl.col("difference") != 0)
    if apart.is_empty():
        st.success(
            "Yes: this month's lines and every adjustment of them are the bill as it is published now."
        )
    else:
        st.error(
            f"No: {formats.plural(apart.height, 'sum')} of source, currency and metric "
            f"{'differs' if apart.height == 1 else 'differ'}. Run `appfleet run`, then `appfleet doctor`."
        )
    sums = ("own", "adjusted", "pending", "published", "difference")
    labels = ("Own statement", "Closed adjustments", "Open adjustments", "Published", "Difference")
    st.dataframe(
        pl.DataFrame(
            {
                "Source": frame["source_name"],
                "Currency": frame["billing_currency"],
                "Metric": frame["metric"],
                **{
                    label: [plain(value) for value in frame[name]]
                    for label, name in zip(labels, sums, strict=True)
                },
            }
        ),
        column_config={label: st.column_config.TextColumn(alignment="right") for label in labels},
        hide_index=True,
        placeholder="",
        alt="Statements against the published bill per source, currency and metric",
    )


def reconciliation(page: Page, month: date) -> None:
    """Published against attributed cost, to the last digit."""
    st.header("Does it tie to the bill?", anchor=False)
    if not page.viewer.has(SEE_WHOLE_BILLS):
        st.caption("A bill is of all teams: this part is shown to finance and the platform team.")
        return
    frame = page.reads.frame("finance/reconciliation", billing_period=month)
    apart = frame.filter(pl.col("difference") != 0)
    if apart.is_empty():
        st.success(
            f"Yes: attributed equals published in all {frame.height} sums of source, currency and metric, "
            "to the last digit."
        )
    else:
        st.error(
            f"No: {formats.plural(apart.height, 'sum')} of source, currency and metric "
            f"{'differs' if apart.height == 1 else 'differ'}. Run `appfleet doctor`, then `appfleet run`."
        )
    st.dataframe(
        pl.DataFrame(
            {
                "Source": frame["source_name"],
                "Currency": frame["billing_currency"],
                "Metric": frame["metric"],
                **{
                    label: [plain(value) for value in frame[name]]
                    for label, name in (
                        ("Published", "published"),
                        ("Attributed", "attributed"),
                        ("Difference", "difference"),
                    )
                },
            }
        ),
        column_config={
            name: st.column_config.TextColumn(alignment="right")
            for name in ("Published", "Attributed", "Difference")
        },
        hide_index=True,
        placeholder="",
        alt="Published against attributed cost per source, currency and metric",
    )


def corrections(page: Page, month: date) -> None:
    """What later bills hold of this month, and what its own bill holds of earlier ones: by charge period."""
    frame = page.reads.frame("finance/corrections", billing_period=month)
    if frame.is_empty():
        return
    st.header("Corrections", anchor=False)
    later = frame.filter(pl.col("billed_in") > month)
    for currency, part in by_currency(later):
        st.caption(
            as_text(
                f"Billed after {month:%Y-%m} for what was charged in it: {currency} {plain(exact_total(part['billed_cost']))}. It "
                "is on the statements of the months it was billed in, and not in the figures above."
            )
        )
    st.dataframe(
        pl.DataFrame(
            {
                "Billed in": frame["billed_in"].dt.strftime("%Y-%m"),
                "Of the month": frame["of_month"].dt.strftime("%Y-%m"),
                "Source": frame["source_name"],
                "Team": frame["team"],
                "App": frame["app_id"],
                "Service": frame["service_name"],
                "Category": frame["charge_category"],
                "Class": frame["charge_class"],
                "Currency": frame["billing_currency"],
                "Billed": [plain(amount) for amount in frame["billed_cost"]],
                "Effective": [plain(amount) for amount in frame["effective_cost"]],
            }
        ),
        column_config={
            name: st.column_config.TextColumn(alignment="right") for name in ("Billed", "Effective")
        },
        hide_index=True,
        placeholder="",
        alt="Charges billed in one month that are of another one",
    )


STATES = {
    "final": "final",
    "settled": "settled",
    "arrived": "arrived, may change",
    "open": "not whole",
}


def days(page: Page, month: date) -> None:
    """How many days of the month are settled in each source's bill, and what the others wait for."""
    frame = page.reads.frame("finance/days", billing_period=month)
    if frame.is_empty():
        return
    st.header("Are its days settled?", anchor=False)
    st.dataframe(
        pl.DataFrame(
            {
                "Source": frame["source_name"],
                "Days": frame["days"],
                "State": frame["state"].replace(STATES),
                "From": frame["first_day"].dt.strftime("%Y-%m-%d"),
                "To": frame["last_day"].dt.strftime("%Y-%m-%d"),
                "Since (UTC)": frame["since"].dt.strftime("%Y-%m-%d %H:%M"),
                "Why": frame["reason"],
            }
        ),
        hide_index=True,
        placeholder="",
        alt="Days of the month by source and whether they are settled",
    )


def lines_table(page: Page, month: date) -> None:
    """The lines of the statement, as far as the search asks for."""
    st.header("Lines", anchor=False)
    text = asked_text(
        st.container(width=440), "Search lines", LINES, "app, title, team, cost centre or service"
    )
    frame = page.reads.frame("finance/lines", billing_period=month, search=text)
    if frame.is_empty():
        st.caption("No line matches.")
        return
    app_table(
        frame.select(
            "app_id",
            Team="team",
            **{"Cost centre": "cost_center"},
            Service="service_name",
            Category="charge_category",
            Type="cost_type",
            Rule=pl.Series([formats.rule(one) for one in frame["attribution_rule"]], dtype=pl.String),
            Currency="billing_currency",
            Billed="billed_cost",
            Charged="amount",
        ),
        "statement-lines",
        "Lines of the statement",
        {
            "Billed": st.column_config.NumberColumn(format="localized", help="All that is billed."),
            "Charged": st.column_config.NumberColumn(
                format="localized", help="In minor units of the currency."
            ),
        },
    )
    st.caption(f"{formats.plural(frame.height, 'line')}, in the order of the file.")


def held_deliveries(page: Page, month: date) -> None:
    """Deliveries that do not count until a person decides, with the money at stake."""
    frame = page.reads.frame("finance/held_deliveries", billing_period=month)
    if frame.is_empty():
        return
    st.header("Held for a decision", anchor=False)
    st.warning(
        f"{frame['source_name'].n_unique()} source(s) delivered {month:%Y-%m} in a way that needs a person: the figures "
        "above do not contain it. `appfleet deliveries` lists, accepts and rejects."
    )
    st.dataframe(
        pl.DataFrame(
            {
                "Source": frame["source_name"],
                "Why": frame["reason"],
                "Objects": frame["object_names"],
                "Rows": frame["rows"],
                "Currency": frame["billing_currency"],
                "Would count": [plain(amount) for amount in frame["delivered_cost"]],
                "Published": [plain(amount) for amount in frame["published_cost"]],
                "At stake": [plain(amount) for amount in frame["difference"]],
                "Held (UTC)": frame["held_at"].dt.strftime("%Y-%m-%d %H:%M"),
            }
        ),
        column_config={"Rows": st.column_config.NumberColumn(format="localized")},
        hide_index=True,
        placeholder="",
        alt="Deliveries of the billing month that wait for a person",
    )


def deliveries(page: Page, month: date) -> None:
    """What the month was published from, and what waits for a person."""
    if not page.viewer.has(SEE_WHOLE_BILLS):
        return
    held_deliveries(page, month)
    st.header("Published from", anchor=False)
    frame = page.reads.frame("finance/deliveries", billing_period=month)
    if frame.is_empty():
        st.caption("The ledger names no delivery for this month.")
        return
    st.dataframe(
        pl.DataFrame(
            {
                "Source": frame["source_name"],
                "Object": frame["object_name"],
                "Rows": frame["rows"],
                "Delivered (UTC)": frame["modified_at"].dt.strftime("%Y-%m-%d %H:%M"),
                "Published (UTC)": frame["published_at"].dt.strftime("%Y-%m-%d %H:%M"),
                "Release": frame["seq"],
                "Batch": frame["batch_id"],
                "SHA-256": frame["object_sha256"],
            }
        ),
        column_config={"Rows": st.column_config.NumberColumn(format="localized")},
        hide_index=True,
        placeholder="",
        alt="Deliveries the billing month was published from",
    )


page = open_page("Finance", "What each cost centre is charged, and whether it ties to the bill.")
month = chosen_month(page)
page.reads.ahead(OF_MONTH, billing_period=month, file_name="", search=st.query_params.get(LINES, ""))
statement = page.reads.frame("finance/statement", billing_period=month)
if statement.is_empty():
    st.info(f"No statement for {month:%Y-%m} yet. `appfleet run` computes it from the published bills.")
else:
    state(page, month)
    headline(statement, month)
    download(page, month)
    statement_table(statement)
    reported_statement(page, month)
    adjustments(page, month)
credits_section(page.reads)
reconciliation(page, month)
tie_out(page, month)
bridge(page, month)
corrections(page, month)
days(page, month)
if not statement.is_empty():
    lines_table(page, month)
deliveries(page, month)
