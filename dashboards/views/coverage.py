"""Coverage: how much of the bill is tagged, by money, and what each rule of attribution recovered of the rest.

What a rule decides is ``models.identity``, what is covered ``models.tags``; currencies stand beside each other, never added.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import streamlit as st

from dashboards import formats
from dashboards.downloads import offer_file
from dashboards.frame import Page, by_currency, open_page, table_height
from dashboards.links import asked_choice
from models.closing import month_after
from models.coverage import HOW, csv_bytes, key_lines
from models.identity import AMBIGUOUS, UNALLOCATED
from models.money import exact_total
from models.people import DOWNLOAD_STATEMENTS
from models.statement_csv import plain

SHOWN = 200
"""Resources a page lists; the file has all of them."""

EVERY_ROW = 10_000_000
LABELS = {"tag": "Tagged", "virtual": "By rule", "none": "Neither"}


def chosen_month(page: Page) -> date:
    """The billing month to show; stops with advice where there is none."""
    months = page.reads.frame("coverage/months")["billing_period"].to_list()
    if not months:
        st.info("No attribution of your teams is published. `appfleet run` computes it from the bills.")
        st.stop()
    named: dict[str, date] = {f"{month:%Y-%m}": month for month in months}
    month = asked_choice(
        st.container(width=240), "Billing month (UTC)", "month", {key: key for key in named}, "billing month"
    )
    return named[month]


def keys_table(keys: pl.DataFrame) -> None:
    """One row per tag key and currency: billed cost that has it, that a rule gives it, that has neither."""
    st.header("Tags, by money", anchor=False)
    for currency, lines in by_currency(key_lines(keys)):
        st.dataframe(
            pl.DataFrame(
                {
                    "Tag key": lines["tag_key"],
                    **{f"{LABELS[how]} {currency}": lines[how] for how in HOW},
                    "Covered": [
                        formats.share(billed - none, billed) if billed > 0 else formats.NOTHING
                        for none, billed in lines.select("none", "billed").iter_rows()
                    ],
                }
            ),
            column_config={
                f"{LABELS[how]} {currency}": st.column_config.NumberColumn(format="localized") for how in HOW
            }
            | {
                "Covered": st.column_config.TextColumn(
                    alignment="right",
                    help="Of the billed cost, not of the rows; by the tag itself or by a rule.",
                )
            },
            hide_index=True,
            placeholder="",
            height=table_height(lines.height),
            alt=f"Billed cost in {currency} by tag key: tagged, by rule, neither",
        )


def rules_table(rules: pl.DataFrame) -> None:
    """What each rule gave to apps, and what no rule did."""
    st.header("Who decided", anchor=False)
    for currency, own in by_currency(rules):
        billed = exact_total(own["billed_cost"])
        nobody = exact_total(own.filter(pl.col("attribution_rule") == UNALLOCATED)["billed_cost"])
        by_bill = exact_total(own.filter(pl.col("attribution_rule") == "app_tag")["billed_cost"])
        st.metric(
            f"Recovered by rules in {formats.as_text(currency)}",
            formats.money(billed - nobody - by_bill, currency),
            f"left to nobody {formats.money(nobody, currency)} ({formats.share(nobody, billed)})",
            delta_color="off",
            delta_arrow="off",
            border=True,
            width="content",
            help="Billed cost that has no app tag and that a rule gave to an app.",
        )
        st.dataframe(
            pl.DataFrame(
                {
                    "Rule": own["attribution_rule"].replace(formats.RULES),
                    "Decided by": own["basis"],
                    "Resources": own["resources"],
                    "Apps": own["apps"],
                    "First seen (UTC)": own["first_seen"].dt.strftime("%Y-%m-%d %H:%M"),
                    "Last seen (UTC)": own["last_seen"].dt.strftime("%Y-%m-%d %H:%M"),
                    f"Billed {currency}": own["billed_cost"],
                }
            ),
            column_config={f"Billed {currency}": st.column_config.NumberColumn(format="localized")},
            hide_index=True,
            placeholder="",
            height=table_height(own.height),
            alt=f"Billed cost in {currency} by rule of attribution",
        )


def resources_table(resources: pl.DataFrame) -> None:
    """Resources that no tag names: who has them by which evidence, those of several apps among them."""
    st.header("Resources without an app tag", anchor=False)
    if resources.is_empty():
        st.success("None: every charge has an app tag.")
        return
    disputed = resources.filter(pl.col("basis") == AMBIGUOUS)
    if disputed.height:
        st.warning(
            f"{formats.plural(disputed['resource_id'].n_unique(), 'resource')} named by the telemetry of several apps: "
            "they stay with nobody until a tag, the catalogue or a rule says whose they are."
        )
    st.dataframe(
        pl.DataFrame(
            {
                "Resource": resources["resource_id"],
                "Service": resources["service_name"],
                "App": resources["app_id"],
                "Decided by": resources["basis"],
                "Evidence": resources["evidence"],
                "Sure": resources["confidence"],
                "Spans": resources["spans"],
                "First seen (UTC)": resources["first_seen"].dt.strftime("%Y-%m-%d %H:%M"),
                "Last seen (UTC)": resources["last_seen"].dt.strftime("%Y-%m-%d %H:%M"),
                "Currency": resources["billing_currency"],
                "Billed": resources["billed_cost"],
            }
        ),
        column_config={
            "Billed": st.column_config.NumberColumn(format="localized"),
            "Spans": st.column_config.NumberColumn(
                format="localized", help="Spans and metric points that name it."
            ),
        },
        hide_index=True,
        placeholder="",
        alt="Resources without an app tag, with what decided about them",
    )
    if resources.height == SHOWN:
        st.caption(f"The first {SHOWN}; the file has all of them.")


def owners_table(owners: pl.DataFrame) -> None:
    """Charges that are cut at a change of owner, with the share of time each owner has."""
    if owners.is_empty():
        return
    st.header("Changes of owner within a charge", anchor=False)
    shares = [
        formats.share((row["owned_to"] - row["owned_from"]) / timedelta(1), (row["charge_end"] - row["charge_start"]) / timedelta(1))
        for row in owners.iter_rows(named=True)
    ]  # fmt: skip
    st.dataframe(
        pl.DataFrame(
            {
                "App": owners["app_id"],
                "Charge from (UTC)": owners["charge_start"].dt.strftime("%Y-%m-%d %H:%M"),
                "to": owners["charge_end"].dt.strftime("%Y-%m-%d %H:%M"),
                "Team": owners["team"],
                "Cost centre": owners["cost_center"],
                "Owned from (UTC)": owners["owned_from"].dt.strftime("%Y-%m-%d %H:%M:%S"),
                "until": owners["owned_to"].dt.strftime("%Y-%m-%d %H:%M:%S"),
                "Share": shares,
                "Currency": owners["billing_currency"],
                "Billed": [plain(amount) for amount in owners["billed_cost"]],
            }
        ),
        column_config={name: st.column_config.TextColumn(alignment="right") for name in ("Share", "Billed")},
        hide_index=True,
        placeholder="",
        alt="Charges cut at a change of owner, with each owner's share of the time",
    )


page = open_page(
    "Coverage", "How much of the bill is tagged, by money, and which rule gave the rest to an app."
)
month = chosen_month(page)
window = {"first_day": month, "last_day": month_after(month) - timedelta(days=1), "app_id": ""}
page.reads.ahead(
    ("coverage/keys", "coverage/rules", "coverage/resources", "coverage/owners"),
    billing_period=month,
    row_limit=SHOWN,
    **window,
)
keys_table(page.reads.frame("coverage/keys", billing_period=month))
rules_table(page.reads.frame("coverage/rules", billing_period=month))
resources_table(page.reads.frame("coverage/resources", billing_period=month, row_limit=SHOWN))
if page.viewer.has(DOWNLOAD_STATEMENTS):
    offer_file(
        "Download the resources (CSV)",
        "coverage",
        lambda: csv_bytes(
            page.reads.frame("coverage/resources", billing_period=month, row_limit=EVERY_ROW),
            f"{month:%Y-%m}",
        ),
        f"coverage-{month:%Y-%m}.csv",
        page="Coverage",
        parameters={"month": f"{month:%Y-%m}"},
        help="Every resource of your teams that no app tag names; the same bytes as `appfleet coverage --csv` writes.",
    )
owners_table(page.reads.frame("coverage/owners", **window))
