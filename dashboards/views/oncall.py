"""On-call: which apps burn their error budget now, worst first, since when, at which route and version, and what is left.

The order of worst is ``models.slo.worst_first``; the page asks again every minute and keeps what was chosen.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import polars as pl
import streamlit as st

from dashboards import door, formats
from dashboards.access import looking
from dashboards.alerts import alerts_of_teams, alerts_table, offer_acts
from dashboards.evidence import evidence_section, shared_cause_lines
from dashboards.frame import Page, app_table, chosen_team, holding, open_page
from dashboards.links import asked_choice, asked_text
from dashboards.playbooks import actions_section
from dashboards.queries import TeamReads, reads_of
from dashboards.silent import silent_of, silent_table
from models.budget_words import FROZEN, method_words
from models.errors import AppfleetError
from models.maintenance import maintained_sentences
from models.newest import METHOD, newest_policy
from models.policy import burn_windows, health_checks, request_errors, request_slices, slo_defaults
from models.requests import classification, ladder_ms
from models.samples import part_sentences
from models.slo import worst_first

WINDOWS = ("5m", "1h", "6h", "1d", "3d")
SHOWN = {state: word for state, word in formats.STATES.items() if state != "no_data"}
ACT_NOW = burn_windows().severities
EVERY_SECONDS = 60
LOOK_SECONDS = newest_policy().look.total_seconds()
SUSPECTS = 3
"""Versions and routes named for an objective that fires."""
TRACED = 120
"""Of the worst so many versions and routes a trace is looked up: a page must open when the whole fleet burns."""
OBJECTIVE = ("app_id", "environment", "objective")
CULPRIT = ("app_id", "environment", "version", "route")
OF_TEAMS = (
    *("oncall/suspects", "oncall/burning", "oncall/budgets", "dashboards/silent", "oncall/without_indicator"),
    *("oncall/alerts", "oncall/alert_acts", "oncall/newest", "oncall/remediations"),
)
"""What is asked whatever burns; the slowest begins while others are read."""
FAULTS = pl.Schema(
    {
        **dict.fromkeys((*OBJECTIVE, "version", "route"), pl.String()),
        "bad": pl.UInt64(),
        "total": pl.UInt64(),
        "trace": pl.String(),
    }
)


def headline(objectives: pl.DataFrame) -> None:
    """How many of the objectives below are in which state."""
    counts = dict(objectives["state"].value_counts().rows())
    place = st.container(horizontal=True)
    for state, word in SHOWN.items():
        place.metric(
            word,
            formats.count(counts.get(state, 0)),
            border=True,
            width="content",
            help=formats.STATE_MEANINGS[state],
        )


def faults(reads: TeamReads, firing: pl.DataFrame) -> pl.DataFrame:
    """Versions and routes at fault in what fires, in its order, the most bad events first within an objective.

    The trace of each is of the newest five minutes in which it went wrong: the newest that failed, or the slowest where
    the objective is one of latency; empty where the rare routes are pooled, where no span of that route is kept, and
    beyond the first ``TRACED``.
    """
    suspects = reads.frame(
        "oncall/suspects", bounds_ms=ladder_ms(request_slices(), slo_defaults()), row_limit=SUSPECTS
    )
    objectives = firing.select(*OBJECTIVE, is_latency=pl.col("threshold_ms").is_not_null())
    found = objectives.join(suspects, on=OBJECTIVE, maintain_order="left_right")
    named = found.filter(pl.col("route") != "").head(TRACED)
    if named.is_empty():
        return found.with_columns(trace=pl.lit("")).select(FAULTS.names())
    slices = named.select("app_id", "last_bad").unique().sort("app_id", "last_bad")
    traces = reads.frame(
        "oncall/traces",
        apps=tuple(slices["app_id"]),
        slices=tuple(slices["last_bad"].dt.strftime("%Y-%m-%d %H:%M:%S")),
        **_what_went_wrong(),
    )
    return (
        found.join(
            traces,
            left_on=(*CULPRIT, "last_bad"),
            right_on=(*CULPRIT, "slice_start"),
            how="left",
            maintain_order="left",
        )
        .with_columns(
            trace=pl.when("is_latency").then("slowest_trace").otherwise("failed_trace").fill_null("")
        )
        .select(FAULTS.names())
    )


def _what_went_wrong() -> dict[str, Any]:
    """The policy of what is a request and when it went wrong, as the statement takes it and a cache can hold it."""
    policy = classification(request_errors(), health_checks())
    codes = policy.pop("grpc_errors")
    return {**policy, "grpc_errors_keys": tuple(codes), "grpc_errors_values": tuple(codes.values())}


def burning_table(frame: pl.DataFrame, key: str, label: str, worst: pl.DataFrame | None = None) -> None:
    """Objectives with state, since when and budget in sight first; ``worst`` has the culprit of each that fires."""
    burns = {f"burn_rate_{window}": f"Burn {formats.WINDOWS[window]}" for window in WINDOWS}
    budgets: dict[str, pl.Expr | pl.Series] = {
        "Counted by": _methods(frame),
        "Nothing left": pl.col("runs_out"),
    }
    culprit: dict[str, pl.Expr] = {}
    if worst is not None:
        frame = frame.join(worst, on=OBJECTIVE, how="left", maintain_order="left", suffix="_of_worst")
        culprit = {"Route": _route(), "Version": pl.col("version"), "Trace": pl.col("trace")}
    app_table(
        frame.select(
            "app_id",
            State=pl.col("state").replace(formats.STATES),
            Since="since",
            **{"Budget left": pl.col("budget_remaining") * 100},
            Objective=_objective(),
            **culprit,
            Environment="environment",
            Team="team",
            **budgets,
            **{new: pl.col(old) for old, new in burns.items()},
            **{
                "Target": pl.col("target") * 100,
                "Measured": pl.col("sli") * 100,
                "Bad": pl.col("total") - pl.col("good"),
                "Events": pl.col("total"),
            },
        ),
        key,
        label,
        {
            "State": st.column_config.TextColumn(width=92),
            "Since": st.column_config.DatetimeColumn(
                "Since (UTC)",
                format="MM-DD HH:mm",
                timezone="UTC",
                width=88,
                help="First bad slice of the windows that fired, or begin of the silence.",
            ),
            "Budget left": st.column_config.NumberColumn(
                "Budget",
                format="%.1f %%",
                width=66,
                help="What is left of it: 1 - (bad / total) / (1 - target), of events, or of slices of time where the objective says so; below zero is overspent.",
            ),
            "Counted by": st.column_config.TextColumn(help="What the budget is counted by."),
            "Nothing left": st.column_config.DatetimeColumn(
                "Nothing left (UTC)",
                format="MM-DD HH:mm",
                timezone="UTC",
                help="When the budget will be spent if the last day goes on; empty: spent already, or not within a window.",
            ),
            "Route": st.column_config.TextColumn(help="The route with the most bad events since then."),
            "Version": st.column_config.TextColumn(help="The version that answered them."),
            "Trace": st.column_config.TextColumn(
                help="The newest failed request there, or the slowest where the objective is one of latency."
            ),
            **{
                name: st.column_config.NumberColumn(
                    format="%.1f x", help="1 x spends the budget exactly in its window."
                )
                for name in burns.values()
            },
            "Target": st.column_config.NumberColumn(format="%g %%"),
            "Measured": st.column_config.NumberColumn(format="%.2f %%"),
            "Bad": st.column_config.NumberColumn(format="localized"),
            "Events": st.column_config.NumberColumn(format="localized"),
        },
    )


def _methods(frame: pl.DataFrame) -> pl.Series:
    return pl.Series("method", [method_words(row) for row in frame.iter_rows(named=True)], dtype=pl.String)


def with_budgets(reads: TeamReads, objectives: pl.DataFrame) -> pl.DataFrame:
    """Objectives with the columns of ``oncall/budgets`` and ``runs_out``, a moment to come; the order stays."""
    budgets = reads.frame("oncall/budgets").with_columns(
        runs_out=pl.when(pl.col("exhausts_at") > pl.col("budget_as_of")).then("exhausts_at")
    )
    return objectives.join(budgets, on=OBJECTIVE, how="left", maintain_order="left")


def frozen_line(objectives: pl.DataFrame) -> None:
    """Says of how many objectives nobody can say whether they burn."""
    frozen = objectives.filter(pl.col("is_frozen"))
    if frozen.is_empty():
        return
    apps = frozen["app_id"].unique(maintain_order=True).to_list()
    more = f" and {len(apps) - SUSPECTS} more" if len(apps) > SUSPECTS else ""
    named = f"{', '.join(apps[:SUSPECTS])}{more}"
    st.warning(formats.as_text(f"{formats.plural(frozen.height, 'objective')} frozen, {FROZEN}: {named}."))


def _objective() -> pl.Expr:
    """Name of an objective, with the route it is of."""
    name = pl.col("objective").str.to_titlecase()
    return pl.when(pl.col("of_route") == "").then(name).otherwise(name + ", " + pl.col("of_route"))


def newest_table(frame: pl.DataFrame) -> None:
    """What pages by the newest minutes, with what is at fault in sight first."""
    st.subheader(f"By the {METHOD}", anchor=False)
    app_table(
        frame.select(
            "app_id",
            State=pl.lit(formats.STATES["page"]),
            Since="since",
            Route=pl.when(pl.col("route") == "").then(pl.lit("none stands out")).otherwise("route"),
            Version=pl.when(pl.col("version") == "").then(pl.lit("none stands out")).otherwise("version"),
            Bad="bad",
            Events="total",
            Minutes=pl.col("window_seconds") / 60,
            Objective=pl.col("objective").str.to_titlecase(),
            Environment="environment",
            Team="team",
            Target=pl.col("target") * 100,
            Seen="seen_at",
        ),
        "newest",
        f"Objectives that page by the {METHOD}",
        {
            "State": st.column_config.TextColumn(width=60),
            "Since": st.column_config.DatetimeColumn(
                "Since (UTC)",
                format="MM-DD HH:mm:ss",
                timezone="UTC",
                width=110,
                help="Begin of the first seconds that burnt.",
            ),
            "Route": st.column_config.TextColumn(help="The route that stands out among the bad events."),
            "Version": st.column_config.TextColumn(help="The version that stands out among them."),
            "Bad": st.column_config.NumberColumn(format="localized"),
            "Events": st.column_config.NumberColumn(format="localized"),
            "Minutes": st.column_config.NumberColumn(format="%g", help="Length of the window counted."),
            "Target": st.column_config.NumberColumn(format="%g %%"),
            "Seen": st.column_config.DatetimeColumn(
                "Last seen (UTC)", format="MM-DD HH:mm:ss", timezone="UTC"
            ),
        },
    )
    st.caption(
        "Counts up to now, before a slice of five minutes is whole: late spans correct them, and states, budgets and burn below "
        "follow with the next slices."
    )


def _route() -> pl.Expr:
    return pl.when(pl.col("route") == "").then(pl.lit("other routes")).otherwise("route")


def faults_table(frame: pl.DataFrame) -> None:
    """Versions and routes at fault, by their bad events since the burn began."""
    app_table(
        frame.select(
            "app_id",
            Route=_route(),
            Version="version",
            Share=pl.col("bad") / pl.col("total") * 100,
            Bad="bad",
            Events="total",
            Objective=pl.col("objective").str.to_titlecase(),
            Environment="environment",
            Trace="trace",
        ),
        "faults",
        "Versions and routes with the most bad events since each burn began",
        {
            "Share": st.column_config.NumberColumn("Bad share", format="%.1f %%"),
            "Bad": st.column_config.NumberColumn(format="localized"),
            "Events": st.column_config.NumberColumn(format="localized"),
        },
    )


@st.fragment(run_every=LOOK_SECONDS)
def newest_again(teams: tuple[str, ...], text: str, paged: pl.DataFrame) -> None:
    """What pages by the newest minutes and by no state yet, drawn again as often as it is looked at; where it cannot be read
    the page says so, which is drawn again too."""
    found = looking()
    with suppress(AppfleetError):
        newest = reads_of(found.workspace, found.viewer, found.check).narrowed(teams).frame("oncall/newest")
        newest = newest.join(paged, on=OBJECTIVE, how="anti", maintain_order="left")
        newest = holding(newest, text, ("app_id", "objective", "team", "route"))
        if newest.height:
            newest_table(newest)


def act_now(page: Page, firing: pl.DataFrame, worst: pl.DataFrame, reads: TeamReads, text: str) -> None:
    """What pages or needs a ticket, and what is at fault there; what pages by the newest minutes alone stands first."""
    st.header(
        f"As of {formats.moment(page.telemetry_end)}"
        if page.is_history and page.telemetry_end
        else "Act now",
        anchor=False,
    )
    newest_again(reads.teams, text, firing.filter(pl.col("state") == ACT_NOW[0]).select(OBJECTIVE))
    if firing.is_empty():
        if reads.frame("oncall/newest").is_empty():
            st.success("Nothing burns fast enough for a page or a ticket.")
        return
    first = worst.unique(OBJECTIVE, keep="first", maintain_order=True)
    burning_table(firing, "firing", "Objectives that page or need a ticket, the worst first", first)
    for sentence in part_sentences(firing.iter_rows(named=True)):
        st.caption(formats.as_text(sentence))
    own = worst.join(firing, on=OBJECTIVE, how="semi", maintain_order="left")
    if own.height > firing.height:
        st.caption(
            "Versions and routes with the most bad events since each of them began to burn; "
            f"a trace stands beside the worst {TRACED} of them, where one is kept."
        )
        faults_table(own)


def evidence_of(page: Page, reads: TeamReads, burning: pl.DataFrame) -> None:
    """Evidence of an objective that fires, once one is chosen: raw spans are read for no other."""
    rows = {"/".join(row[name] for name in OBJECTIVE): row for row in burning.iter_rows(named=True)}
    options = {"": "choose an objective", **{key: key.replace("/", " · ") for key in rows}}
    key = asked_choice(st.container(), "Evidence of", "evidence", options, "objective that fires")
    if key and page.telemetry_end:
        row = rows[key]
        chosen = f"{row['environment']}/{row['objective']}"
        evidence_section(reads, row["app_id"], [row], page.telemetry_end, chosen)


def without_indicator(frame: pl.DataFrame) -> None:
    """Apps of which nobody can say whether they work."""
    st.header("No indicator", anchor=False)
    st.caption(
        "These apps have no SERVER or CONSUMER span in the window, so nobody can say whether they work: "
        "jobs, idle apps and apps without telemetry."
    )
    app_table(
        frame.select("app_id", Title="app_name", Team="team", Seen="last_seen"),
        "without",
        "Apps without an indicator",
        {
            "Seen": st.column_config.DatetimeColumn(
                "Last signal (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC"
            )
        },
    )
    st.caption(formats.plural(frame.height, "app") + ", the last seen first")


def draw() -> None:
    """The page as it is at this moment."""
    page = open_page("On-call", "Which apps burn their error budget now, worst first.")
    team, search = st.columns([1, 2], vertical_alignment="bottom")
    reads = chosen_team(page, team)
    text = asked_text(search, "Search", "search", "app, objective, route or team").strip()
    st.caption(f"Refreshed {datetime.now(UTC):%H:%M:%S} UTC, and again every minute.")
    reads.ahead(OF_TEAMS, bounds_ms=ladder_ms(request_slices(), slo_defaults()), row_limit=SUSPECTS)
    objectives = with_budgets(reads, worst_first(reads.frame("oncall/burning")))
    if objectives.is_empty():
        st.info(
            "No objective has data yet. Apps get one as soon as their SERVER or CONSUMER spans arrive: "
            "point a collector at `appfleet up`, or name files under `sources.telemetry` and run `appfleet run`."
        )
    firing = objectives.filter(pl.col("state").is_in(ACT_NOW))
    worst = faults(reads, firing) if firing.height else FAULTS.to_frame()
    routes = worst.group_by(OBJECTIVE).agg(routes=pl.col("route").str.join("\n"))
    found = holding(
        objectives.join(routes, on=OBJECTIVE, how="left", maintain_order="left"),
        text,
        ("app_id", "objective", "of_route", "team", "routes"),
    )
    silent = holding(silent_of(reads), text, ("app_id", "team"))
    without = holding(reads.frame("oncall/without_indicator"), text, ("app_id", "app_name", "team"))
    alerts = alerts_of_teams(reads, datetime.now(UTC))
    if reads.teams != page.reads.teams:  # of one team: what is of no team is not of it
        alerts = alerts.filter(pl.col("team") != "")
    shown = holding(alerts, text, ("alert_key", "sentence", "team"))
    newest = holding(reads.frame("oncall/newest"), text, ("app_id", "objective", "team", "route"))
    if (
        text
        and newest.is_empty()
        and found.is_empty()
        and silent.is_empty()
        and without.is_empty()
        and shown.is_empty()
    ):
        st.info("Nothing holds this text. Clear the search to see all of yours.")
        return
    burning = found.filter(pl.col("state").is_in(ACT_NOW))
    frozen_line(found)
    for sentence in maintained_sentences(found.iter_rows(named=True)):
        st.info(formats.as_text(sentence))
    act_now(page, burning, worst, reads, text)
    shared = st.container()
    if burning.height:
        evidence_of(page, reads, burning)
    headline(found)
    if shown.height:
        st.header("Alerts", anchor=False)
        alerts_table(shown)
        offer_acts(shown, reads)
        actions_section(reads, shown)
    if silent.height:
        st.header("Silent", anchor=False)
        st.caption(
            "Requests were due by the app's own rhythm, none or far too few came, and chance does not explain it."
        )
        silent_table(silent)
    quiet = found.filter(~pl.col("state").is_in(ACT_NOW))
    if quiet.height:
        st.header("No alert, the worst state first", anchor=False)
        burning_table(
            quiet, "quiet", "Objectives without an alert, the worst state first, then the least budget"
        )
        st.caption(formats.plural(quiet.height, "objective"))
    if without.height:
        without_indicator(without)
    with shared:  # read last: nothing else waits for raw spans
        shared_cause_lines(reads, burning, page.telemetry_end)


@st.fragment(run_every=EVERY_SECONDS)
def draw_again() -> None:
    """The page, drawn again by itself; what fails then is said where it is, as the frame around pages no longer runs."""
    found = looking()
    try:
        draw()
    except AppfleetError as error:
        door.tell(found, error)
    finally:
        door.record_page(found, "On-call")


draw_again()
