"""App: one app's cost, use, errors, latency and unit cost on one time axis, with its objectives and where its cost is from."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import streamlit as st

from dashboards import charts, formats
from dashboards.ahead import budget_table, forecast_metrics
from dashboards.bill import USAGE
from dashboards.budgets import budget_section, read_days_ahead
from dashboards.charts import Panel
from dashboards.counted_from import counted_from
from dashboards.deploys import VERSIONS, deploy_days, deploys_of
from dashboards.evidence import evidence_section
from dashboards.frame import Page, by_currency, days_back, open_page
from dashboards.links import asked_choice
from dashboards.playbooks import marks_of_app
from dashboards.worth import app_section
from models.maintenance import maintenance_words
from models.money import exact_total
from models.samples import of_part

WINDOWS = {"30": "30 days", "90": "90 days", "395": "13 months"}
USUAL_DAYS = "90"
OF_APP = (
    *("app/promised", "app/objectives", "app/budgets", "app/costs_daily", "app/activity_daily", "app/marks"),
    *("app/anomalies", "app/counted_from", "worth_shown/apps", "worth_shown/days", "worth_shown/credits"),
    *("app/services", "app/attribution", "app/evidence", "app/shared", "coverage/owners"),
    *("team/forecasts", "team/budgets"),
)
"""What is asked of an app whatever it is, in the order it is drawn."""


def window_of(page: Page, days: str) -> tuple[date, date]:
    """First and last day of one of ``WINDOWS``; of the usual one for what is none."""
    last = max(page.day, page.telemetry_day or page.day)
    return days_back(last, int(days if days in WINDOWS else USUAL_DAYS)), last


def read_ahead(page: Page, app_id: str, first: date, last: date) -> None:
    """Begins to read what the page says of an app."""
    page.reads.ahead(
        (*OF_APP, VERSIONS), **deploy_days(app_id, first, last), first_day=first, last_day=last, row_limit=0
    )


def chosen_app(page: Page) -> tuple[str, str]:
    """The app and the days to show; stops with advice where there is none."""
    choices = page.reads.frame("app/choices")["app_id"]
    if choices.is_empty():
        st.info(
            "No app of yours is known yet. Run `appfleet run` after naming bills, telemetry or a catalogue."
        )
        st.stop()
    which, window = st.columns([3, 2], vertical_alignment="bottom")
    app_id = asked_choice(which, "App", "app", {one: one for one in choices}, "app")
    days = asked_choice(
        window, "Days", "days", WINDOWS, "window of days", default=USUAL_DAYS, as_segments=True
    )
    return app_id, days


def registry_facts(facts: dict[str, Any]) -> None:
    """Who owns the app, and what is known about it."""
    st.header(formats.as_text(facts["app_name"]), anchor=False)
    badges = st.container(horizontal=True)
    state = facts["worst_state"]
    badges.badge(f"Health: {formats.STATES[state]}", color=formats.STATE_COLOURS[state])
    if not facts["is_registered"]:
        badges.badge(
            "Unregistered", color="orange", help="Seen in a bill or in telemetry; no catalogue names it."
        )
    if facts["is_idle"]:
        badges.badge("Idle", color="orange", help="Costs, but served no request in the last 30 days.")
    if not facts["is_billed"]:
        badges.badge("No cost", color="gray", help="No bill has a row of this app.")
    if not facts["is_observed"]:
        badges.badge("No telemetry", color="gray", help="No span, metric or log names this app.")
    lines = {
        "Team": facts["team"],
        "Lead": facts["lead"],
        "Cost centre": facts["cost_center"],
        "System": facts["system"],
        "Lifecycle": facts["lifecycle"],
        "First cost": formats.day(facts["first_cost_date"]),
        "Last cost": formats.day(facts["last_cost_date"]),
        "Last signal": formats.moment(facts["last_seen"]),
        "Registered in": facts["source"],
    }
    for column, chunk in zip(st.columns(3), _thirds(list(lines.items())), strict=True):
        column.markdown(
            "  \n".join(
                f":gray[{label}] {formats.as_text(str(value)) if value else formats.NOTHING}"
                for label, value in chunk
            )
        )


def _thirds(items: list[tuple[str, object]]) -> list[list[tuple[str, object]]]:
    size = -(-len(items) // 3)
    return [items[start : start + size] for start in (0, size, 2 * size)]


def panels_of(costs: pl.DataFrame, activity: pl.DataFrame) -> list[Panel]:
    """Cost, requests, errors, latency and unit cost, as far as there is data; a currency has its own panels."""
    once = activity.unique("usage_date", keep="first", maintain_order=True)
    usage = costs.filter(pl.col("bill_line") == USAGE)
    panels = money_panels("Usage cost", usage, "billed_cost", height=120)
    if once["requests"].sum():
        for title, column, colour in (
            ("Requests", "requests", charts.SKY),
            ("Errors", "errors", charts.VERMILLION),
        ):
            words = [formats.count(value) for value in once[column]]
            panels.append(
                Panel(title, charts.panel_frame(once, column, words), colour, whole=True, has_deploys=True)
            )
    timed = once.filter(pl.col("duration_p95_ms").is_not_null())
    if timed.height:
        words = [f"{value:,.0f} ms" for value in timed["duration_p95_ms"]]
        panels.append(
            Panel(
                "Latency, 95th percentile, ms",
                charts.panel_frame(timed, "duration_p95_ms", words),
                charts.PURPLE,
                has_deploys=True,
            )
        )
    priced = activity.filter(pl.col("cost_per_1000_requests").is_not_null())
    return panels + money_panels("Effective cost per 1,000 requests", priced, "cost_per_1000_requests")


def money_panels(title: str, frame: pl.DataFrame, column: str, height: int = 92) -> list[Panel]:
    """One panel per currency."""
    return [
        Panel(
            f"{title}, {currency}",
            charts.panel_frame(part, column, charts.exact_words(part[column], part["billing_currency"])),
            charts.currency_colour(place),
            height,
        )
        for place, (currency, part) in enumerate(by_currency(frame))
    ]


def over_time(page: Page, app_id: str, first: date, last: date, anomalies: pl.DataFrame) -> None:
    """Everything that has a day, on one time axis, with cost anomalies shaded."""
    window = {"app_id": app_id, "first_day": first, "last_day": last}
    costs = page.reads.frame("app/costs_daily", **window)
    activity = page.reads.frame("app/activity_daily", **window)
    panels = panels_of(costs, activity)
    if not panels:
        st.info(
            "Nothing happened in these days: no cost and no request. Choose a longer window, or see when it was last seen above."
        )
        return
    words = [_billed(currency, part) for currency, part in by_currency(costs)]
    daily = activity.unique("usage_date")  # a day in two currencies is two rows with the same requests
    requests, errors = (sum(daily[column].to_list()) for column in ("requests", "errors"))
    words.append(formats.plural(requests, "request"))
    if requests:
        words.append(formats.plural(errors, "error"))
    st.markdown(f"{formats.day(first)} to {formats.day(last)}: **{' · '.join(words)}**")
    episodes = anomalies.filter(pl.col("end_date") >= first).select(
        pl.col("start_date").clip(lower_bound=first),
        after=pl.col("end_date") + timedelta(days=1),
        words=pl.Series(
            [
                f"{row['kind']}, {formats.money(row['impact'], row['billing_currency'])} beyond what was expected"
                for row in anomalies.filter(pl.col("end_date") >= first).iter_rows(named=True)
            ],
            dtype=pl.String,
        ),
    )
    with st.container(gap=None):
        begin = max(first, charts.first_day(panels))
        deploys = deploys_of(page.reads, app_id, first, last)
        drawn = charts.stacked_panels(panels, begin, last, episodes, deploys)
        for panel, chart in zip(panels, drawn, strict=True):
            st.altair_chart(chart, width="stretch", alt=f"{panel.title} of {app_id} per day")


def _billed(currency: str, costs: pl.DataFrame) -> str:
    """All charges of the days, and those beside usage by their line: the panel is of usage alone."""
    told = [
        f"{formats.LINES.get(line, line).lower()} {formats.amount(exact_total(part['billed_cost']))}"
        for (line,), part in costs.group_by("bill_line", maintain_order=True)
        if line != USAGE
    ]
    words = f"billed {formats.money(exact_total(costs['billed_cost']), currency)}"
    return f"{words} (with {', '.join(sorted(told))})" if told else words


def where_it_ends(page: Page, app_id: str) -> None:
    """Where the app's month will end, and its budgets."""
    forecasts = page.reads.frame("team/forecasts", app_id=app_id)
    budgets = page.reads.frame("team/budgets", app_id=app_id)
    if forecasts.height:
        st.subheader("Where the month ends", anchor=False)
        forecast_metrics(forecasts)
    if budgets.height:
        budget_table(budgets)


def anomaly_table(anomalies: pl.DataFrame) -> None:
    """Cost anomalies as episodes."""
    st.subheader("Cost anomalies", anchor=False)
    if anomalies.is_empty():
        st.caption("None: every day's cost was within what its past lets expect.")
        return
    st.dataframe(
        pl.DataFrame(
            {
                "Days (UTC)": [
                    f"{formats.day(row['start_date'])} to {formats.day(row['end_date'])}"
                    for row in anomalies.iter_rows(named=True)
                ],
                "Kind": anomalies["kind"],
                "Currency": anomalies["billing_currency"],
                "Expected": anomalies["expected_cost"],
                "Actual": anomalies["actual_cost"],
                "Impact": anomalies["impact"],
                "State": anomalies["state"],
                "Why": anomalies["sentence"],
            }
        ),
        column_config={
            name: st.column_config.NumberColumn(format="accounting")
            for name in ("Expected", "Actual", "Impact")
        },
        hide_index=True,
        placeholder="",
        alt="Cost anomalies of the app",
    )


def objectives_table(page: Page, app_id: str, has_indicator: bool) -> None:
    """Objectives with budget and burn."""
    st.subheader("Objectives", anchor=False)
    objectives = page.reads.frame("app/objectives", app_id=app_id)
    if objectives.is_empty() or not objectives["total"].sum():
        st.caption(
            "No indicator: no SERVER or CONSUMER span of this app is in the window, so nothing can be promised."
            if not has_indicator
            else "No objective has events in its window yet."
        )
        return
    rows = list(objectives.iter_rows(named=True))
    st.dataframe(
        pl.DataFrame(
            {
                "Environment": [row["environment"] for row in rows],
                "Objective": [_objective(row) for row in rows],
                "State": [formats.STATES[row["state"]] for row in rows],
                "Target": [formats.target(row["target"]) for row in rows],
                "Measured": [formats.percent(row["sli"], 3) for row in rows],
                "Budget left": [
                    None if row["budget_remaining"] is None else row["budget_remaining"] * 100 for row in rows
                ],
                "Bad events": [row["total"] - row["good"] for row in rows],
                "Events": [row["total"] for row in rows],
                **{f"Burn {formats.WINDOWS[w]}": objectives[f"burn_rate_{w}"] for w in ("1h", "6h", "3d")},
                "Since": [formats.moment(row["since"]) for row in rows],
            }
        ),
        column_config={
            "Budget left": st.column_config.NumberColumn(
                format="%.1f %%",
                help="1 - (bad / total) / (1 - target), of events, or of slices of time where the objective says so; below zero is overspent.",
            ),
            "Bad events": st.column_config.NumberColumn(format="localized"),
            "Events": st.column_config.NumberColumn(format="localized"),
            **{
                f"Burn {formats.WINDOWS[w]}": st.column_config.NumberColumn(
                    format="%.2f x", help="1 x spends the budget exactly in its window."
                )
                for w in ("1h", "6h", "3d")
            },
        },
        hide_index=True,
        placeholder="",
        alt="Objectives of the app with error budget and burn rates",
    )
    checks = {row["environment"]: (row["health_checks"], row["health_errors"]) for row in rows}
    answered, wrong = (sum(counts) for counts in zip(*checks.values(), strict=True))
    st.caption(
        f"Each over the days of its window ({', '.join(map(str, sorted({row['window_days'] for row in rows})))}). Health checks count apart: "
        f"{formats.count(answered)}, of which {formats.count(wrong)} went wrong."
    )
    for row in rows:
        for sentence in (*of_part(row), *maintenance_words(row)):
            st.caption(formats.as_text(f"{_objective(row)}{_in(row['environment'])}: {sentence}."))
    budget_section(page.reads, app_id, objectives)


def _in(environment: str) -> str:
    return f" in {environment}" if environment else ""


def evidence_of(page: Page, app_id: str) -> None:
    """What bad requests of an objective have in common, on demand: it reads raw spans."""
    objectives = list(page.reads.frame("app/objectives", app_id=app_id).iter_rows(named=True))
    if not objectives or page.telemetry_end is None:
        return
    st.subheader("Evidence", anchor=False)
    first = sorted(objectives, key=lambda one: one["state"] not in ("page", "ticket"))
    evidence_section(page.reads, app_id, first, page.telemetry_end)


def _objective(row: dict[str, Any]) -> str:
    """Name of an objective, with its threshold and route."""
    name = str(row["objective"]).capitalize()
    if row["threshold_ms"] is not None:
        name = f"{name} within {row['threshold_ms']} ms"
    return f"{name}, {row['of_route']}" if row["of_route"] else name


def cost_origin(page: Page, app_id: str, first: date, last: date) -> None:
    """Cost by service, and by which rule it became this app's."""
    window = {"app_id": app_id, "first_day": first, "last_day": last}
    services = page.reads.frame("app/services", **window)
    rules = page.reads.frame("app/attribution", **window)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Cost by service", anchor=False)
        if services.is_empty():
            st.caption("No cost in these days.")
        for place, (currency, part) in enumerate(by_currency(services)):
            bars = pl.DataFrame(
                {
                    "name": part["service_name"],
                    "value": part["billed_cost"].cast(pl.Float64),
                    "shown": [formats.money(cost, currency) for cost in part["billed_cost"]],
                }
            )
            st.altair_chart(
                charts.ranked_bars(bars, currency, charts.currency_colour(place)),
                width="stretch",
                alt=f"Billed cost of {app_id} by service in {currency}",
            )
    with right:
        st.subheader("Why this cost is this app's", anchor=False)
        if rules.is_empty():
            st.caption("No cost in these days.")
            return
        st.dataframe(
            pl.DataFrame(
                {
                    "Rule": [formats.rule(one) for one in rules["attribution_rule"]],
                    "Confidence": rules["confidence"] * 100,
                    "Currency": rules["billing_currency"],
                    "Billed": rules["billed_cost"],
                    "Days": rules["days"],
                }
            ),
            column_config={
                "Confidence": st.column_config.NumberColumn(format="%.0f %%"),
                "Billed": st.column_config.NumberColumn(format="accounting"),
            },
            hide_index=True,
            placeholder="",
            alt="Attribution rules that gave the app its cost",
        )
        evidence = page.reads.frame("app/evidence", app_id=app_id)
        if evidence.height:
            told = [formats.as_text(text) for text in evidence["evidence"].head(5) if text]
            st.caption("Evidence: " + "; ".join(told))
        for row in page.reads.frame("coverage/owners", **window).iter_rows(named=True):
            st.caption(_owner_change(row))


def _owner_change(row: dict[str, Any]) -> str:
    """What a team has of charges that are cut where the app changed its owner, in one sentence."""
    part, whole = row["owned_to"] - row["owned_from"], row["charge_end"] - row["charge_start"]
    return formats.as_text(
        f"Owner changed within charges of {row['charge_start']:%Y-%m-%d %H:%M} to {row['charge_end']:%Y-%m-%d %H:%M} UTC: "
        f"{row['team']} had the app from {row['owned_from']:%Y-%m-%d %H:%M:%S} to {row['owned_to']:%Y-%m-%d %H:%M:%S}, "
        f"{part} of {whole} ({part / whole:.1%}), and pays {row['billing_currency']} {formats.exact(row['billed_cost'])}."
    )


def shared_origin(page: Page, app_id: str, first: date, last: date) -> None:
    """What shared cost rules gave the app: from whom, by what quantity, ratio and how many rows of the bill."""
    shared = page.reads.frame("app/shared", app_id=app_id, first_day=first, last_day=last)
    if shared.is_empty():
        return
    st.subheader("Shared cost", anchor=False)
    rows = list(shared.iter_rows(named=True))
    st.dataframe(
        pl.DataFrame(
            {
                "Rule": shared["allocation_rule"],
                "From": shared["from_app_id"],
                "By": [
                    f"{row['basis']}, as there was no {row['instead_of']}"
                    if row["instead_of"]
                    else row["basis"]
                    for row in rows
                ],
                "Quantity": [f"{row['quantity'].normalize():f}" for row in rows],
                "Of": [f"{row['total_quantity'].normalize():f}" for row in rows],
                "Share": [
                    float(row["quantity"] / row["total_quantity"]) * 100 if row["total_quantity"] else None
                    for row in rows
                ],
                "Sure": shared["confidence"] * 100,
                "Rows of the bill": shared["charges"],
                "Currency": shared["billing_currency"],
                "Billed": shared["billed_cost"],
            }
        ),
        column_config={
            "Share": st.column_config.NumberColumn(
                format="%.2f %%",
                help="Of the quantities; tiers and a minimum may make the cost another share.",
            ),
            "Sure": st.column_config.NumberColumn(format="%.0f %%"),
            "Billed": st.column_config.NumberColumn(format="accounting"),
        },
        hide_index=True,
        placeholder="",
        alt="What shared cost rules gave the app",
    )


page = open_page("App", "What one app costs and does, on one time axis, and why its cost is its own.")
if st.query_params.get(
    "app"
):  # most come from a table: what they will see need not wait for the list of all apps
    read_ahead(page, st.query_params["app"], *window_of(page, st.query_params.get("days", USUAL_DAYS)))
app_id, days = chosen_app(page)
first, last = window_of(page, days)
read_ahead(page, app_id, first, last)
read_days_ahead(page.reads, app_id)
facts = next(page.reads.frame("app/facts", app_id=app_id).iter_rows(named=True), None)
anomalies = page.reads.frame("app/anomalies", app_id=app_id)
if facts:
    registry_facts(facts)
    marks_of_app(page.reads, app_id)
else:
    st.header(formats.as_text(app_id), anchor=False)
    st.caption(f"{formats.UNALLOCATED} An app tag or a registry pattern makes it an app's.")
over_time(page, app_id, first, last, anomalies)
if facts:
    objectives_table(page, app_id, facts["has_indicator"])
    counted_from(page, app_id, first, last)
    evidence_of(page, app_id)
    app_section(page.reads, app_id, first, last)
cost_origin(page, app_id, first, last)
shared_origin(page, app_id, first, last)
anomaly_table(anomalies)
where_it_ends(page, app_id)
