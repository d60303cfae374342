"""From an alert to its evidence: what bad requests have in common, since when, traces to look at, and the SQL of each table.

What is to blame is ranked by ``models.evidence``, what is read stands in ``sql.evidence``. Everything told here came from
outside and is shown as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import altair as alt
import polars as pl
import streamlit as st

from dashboards import charts, formats
from dashboards.links import asked_choice, asked_text
from dashboards.queries import TeamReads
from models.errors import ModelError
from models.evidence import POLICY, EvidenceRange, Measure, asked_range, waterfall
from sql.evidence import Asked, FoundEvidence, causes_shared, gathered, logs_of, sampled, spans_of

USUAL_RANGE = timedelta(hours=1)
ADDRESS_TIME = "%Y-%m-%dT%H:%M"
ANOTHER_TEAM = "another team's app"
EVERYTHING = "everything"
_NS_A_MS = 1e6
_DIMENSION_WORDS = {
    "route": "Route",
    "version": "Version",
    "environment": "Environment",
    "status": "Status",
    "error text": "Error text",
}
_LONGEST_LABEL = 60
_BAR_PIXELS = 20


OF_RECORDS = (
    "This objective counts no requests, so no failed request is evidence of it; what it counts stands above."
)


def evidence_section(
    reads: TeamReads, app_id: str, objectives: Sequence[Mapping[str, Any]], ends: datetime, chosen: str = ""
) -> None:
    """Evidence of one app for a chosen objective and range, both in the address.

    Args:
        reads: what the viewer may read.
        app_id: an app of the viewer's.
        objectives: lines with ``environment, objective, threshold_ms, since, of_route, without_cold_starts, question``, the one to
            begin with first.
        ends: how far telemetry goes.
        chosen: the objective to show, ``<environment>/<objective>``; without it the page has a control.
    """
    beside = {f"{one['environment']}/{one['objective']}" for one in objectives if one["question"]}
    objectives = [one for one in objectives if not one["question"]]
    if chosen in beside:
        st.caption(OF_RECORDS)
        return
    asked = _asked(app_id, objectives, ends, chosen)
    if asked is None:
        return
    evidence = gathered(reads.frame, asked)
    _headline(evidence)
    if evidence.bad:
        _suspects(evidence)
        _side_by_side(evidence)
    _dependencies(evidence)
    if evidence.traces.height:
        _traces(reads, evidence)
    _statements(reads, evidence)


def shared_cause_lines(reads: TeamReads, firing: pl.DataFrame, as_of: datetime | None) -> None:
    """A line for each failing dependency that alerts of several apps share; ``firing`` has the worst first."""
    if as_of is None:
        return
    for one in causes_shared(reads.frame, firing["app_id"].to_list(), as_of):
        since = f", first at {formats.moment(one.first_failed)}" if one.first_failed else ""
        st.warning(
            formats.as_text(
                f"{len(one.apps)} alerting apps call {one.peer}, which fails for them "
                f"({formats.count(one.failed)} of {formats.count(one.calls)} calls in the last hour{since}): "
                f"{', '.join(one.apps)}. Look there first."
            )
        )


def _asked(app_id: str, objectives: Sequence[Mapping[str, Any]], ends: datetime, chosen: str) -> Asked | None:
    """What the address and the controls ask for; None, and one sentence, where that is no range."""
    lines = {f"{one['environment']}/{one['objective']}": one for one in objectives}
    place = st.container(horizontal=True, vertical_alignment="bottom")
    if not chosen:
        options = {"": "choose an objective"} | {
            key: " · ".join(filter(None, (one["environment"], one["objective"])))
            for key, one in lines.items()
        }
        options[EVERYTHING] = "everything against before"
        chosen = asked_choice(place, "Evidence of", "objective", options, "objective")
        if not chosen:  # raw spans are read for who asks
            return None
    line = lines.get(chosen)
    usual = _usual_range(line, ends)
    start = asked_text(place, "From (UTC)", "from", f"{usual.start:{ADDRESS_TIME}}").strip()
    end = asked_text(place, "To (UTC)", "to", f"{usual.end:{ADDRESS_TIME}}").strip()
    route = asked_text(place, "Route", "route", "all routes").strip()
    try:
        within = asked_range(start or f"{usual.start:{ADDRESS_TIME}}", end or f"{usual.end:{ADDRESS_TIME}}")
    except ModelError as error:
        st.error(formats.as_text(f"{error}."))
        return None
    asked = Asked(app_id, within, routes=(route,) if route else ())
    if line is not None and not route and line["of_route"]:  # an objective of a route is not about the others
        asked = replace(asked, routes=(line["of_route"],))
    if line is None:
        return replace(asked, measure="everything")
    measure: Measure = "availability" if line["threshold_ms"] is None else "latency"
    return replace(
        asked,
        measure=measure,
        threshold_ms=line["threshold_ms"] or 0,
        environments=(line["environment"],),
        without_cold_starts=line["without_cold_starts"],
    )


def _usual_range(line: Mapping[str, Any] | None, ends: datetime) -> EvidenceRange:
    """From when it began to burn, or the last hour; never longer than is read."""
    end = ends.replace(second=0, microsecond=0)
    since = line["since"] if line and line["since"] else end - USUAL_RANGE
    longest = timedelta(hours=POLICY.longest_range_hours)
    start = max(min(since, end - timedelta(minutes=5)), end - longest)
    return EvidenceRange(start.replace(second=0, microsecond=0), end)


def _headline(evidence: FoundEvidence) -> None:
    within = evidence.asked.within
    if evidence.asked.routes:
        st.caption(formats.as_text(f"Requests of {', '.join(evidence.asked.routes)} alone."))
    if evidence.asked.without_cold_starts:
        st.caption("Cold starts do not count here.")
    compared = f"compared with {formats.count(evidence.good)} good ones since {formats.moment(within.base)}"
    if not evidence.bad:
        st.info(
            f"No bad request of this in the range; {formats.count(evidence.good)} good ones since {formats.moment(within.base)}."
        )
        return
    first = f", the first at {evidence.first_bad:%H:%M:%S}" if evidence.first_bad else ""
    st.caption(
        f"{formats.plural(evidence.bad, 'bad request')} from {formats.moment(within.start)} to {formats.moment(within.end)}{first}; {compared}."
    )
    if evidence.sample:
        st.caption(formats.as_text(f"{evidence.sample}; what follows counts the spans that came."))


def _suspects(evidence: FoundEvidence) -> None:
    st.subheader("Suspects, the likeliest first", anchor=False)
    if not evidence.suspects:
        st.caption("Nothing stands out among the bad requests against the good ones.")
    else:
        st.dataframe(
            pl.DataFrame(
                {
                    "Suspect": [POLICY.words.get(one.kind, one.kind) for one in evidence.suspects],
                    "Value": [one.value for one in evidence.suspects],
                    "Of the bad": [f"{one.bad} of {one.all_bad}" for one in evidence.suspects],
                    "Of the good": [f"{one.good} of {one.all_good}" for one in evidence.suspects],
                    "Lift": [one.lift for one in evidence.suspects],
                    "Score": [one.score for one in evidence.suspects],
                    "First bad": [one.first_bad for one in evidence.suspects],
                    "Counted": [
                        "sampled traces" if one.is_sampled else "all requests" for one in evidence.suspects
                    ],
                },
                schema_overrides={"Lift": pl.Float64, "First bad": pl.Datetime("ms", "UTC")},
            ),
            column_config={
                "Lift": st.column_config.NumberColumn(
                    format="%.1f x",
                    help="How many times as often bad requests have it; empty where no good one does.",
                ),
                "Score": st.column_config.NumberColumn(
                    format="%.2f",
                    help="Lower bound, at 95 %, of the difference between both shares: the order.",
                ),
                "First bad": _clock("First bad (UTC)"),
            },
            hide_index=True,
            placeholder="",
            alt="Suspects with their counts among bad and good requests",
        )
    near = evidence.nearest
    if near is not None and evidence.first_bad is not None and isinstance(near["at"], datetime):
        what = f"Version {near['version']}" if near["what"] == "version" else f"{near['words']}"
        apart = evidence.first_bad - near["at"]
        minutes = abs(apart) // timedelta(minutes=1)
        side = "before" if apart >= timedelta(0) else "after"
        st.text(
            f"Nearest deployment: {what}, {near['at']:%Y-%m-%d %H:%M}, {formats.plural(minutes, 'minute')} {side} the first bad request."
        )


def _clock(label: str) -> Any:
    return st.column_config.DatetimeColumn(label, format="MM-DD HH:mm:ss", timezone="UTC")


def _side_by_side(evidence: FoundEvidence) -> None:
    st.subheader("Bad and good side by side", anchor=False)
    rows = evidence.attributes.filter(pl.col("dimension") != "").with_columns(
        bad_share=pl.col("bad") / max(evidence.bad, 1) * 100,
        good_share=pl.col("good") / max(evidence.good, 1) * 100,
    )
    named = [name for name in POLICY.named if name]
    place = pl.col("dimension").replace_strict(
        {name: turn for turn, name in enumerate(named)}, default=len(named), return_dtype=pl.Int64
    )
    shown = rows.filter((pl.col("dimension") != "error text") | (pl.col("value") != "")).sort(
        place, "dimension", pl.col("bad"), descending=[False, False, True], maintain_order=True
    )
    st.dataframe(
        shown.select(
            pl.col("dimension").replace(_DIMENSION_WORDS).alias("What"),
            pl.col("value").alias("Value"),
            pl.col("bad").alias("Bad"),
            pl.col("good").alias("Good"),
            pl.col("bad_share").alias("Of the bad"),
            pl.col("good_share").alias("Of the good"),
            pl.when((pl.col("good") > 0) & (pl.col("bad") > 0))
            .then(pl.col("bad_share") / pl.col("good_share"))
            .alias("Lift"),
            pl.col("first_bad").alias("First bad"),
            pl.col("first_seen").alias("First seen"),
        ),
        column_config={
            "Of the bad": st.column_config.NumberColumn(format="%.1f %%"),
            "Of the good": st.column_config.NumberColumn(format="%.1f %%"),
            "Lift": st.column_config.NumberColumn(format="%.1f x"),
            "First bad": _clock("First bad (UTC)"),
            "First seen": _clock("First seen (UTC)"),
        },
        hide_index=True,
        placeholder="",
        alt="Values of bad and good requests: routes, versions, environments, status and error texts, attributes",
    )
    st.caption(
        f"Good requests and what was first seen count from {formats.moment(evidence.asked.within.base)} on; "
        f"at most {POLICY.value_limit} values of each, and attributes only from {POLICY.least_bad} bad requests on."
    )


def _dependencies(evidence: FoundEvidence) -> None:
    frame = evidence.dependencies
    if frame.is_empty():
        return
    st.subheader("What it calls", anchor=False)
    st.dataframe(
        frame.sort("first_failed", "peer", nulls_last=True).select(
            pl.col("peer").alias("Calls"),
            pl.col("first_failed").alias("First failed"),
            pl.col("failed").alias("Failed"),
            pl.col("calls").alias("Of"),
            pl.col("failed_before").alias("Failed before"),
            pl.col("calls_before").alias("Of before"),
            pl.col("mean_ms").alias("Mean ms"),
            pl.col("mean_ms_before").alias("Mean ms before"),
        ),
        column_config={
            "First failed": _clock("First failed (UTC)"),
            "Mean ms": st.column_config.NumberColumn(format="%.1f"),
            "Mean ms before": st.column_config.NumberColumn(format="%.1f"),
        },
        hide_index=True,
        placeholder="",
        alt="What the app calls, which failed first",
    )


def _traces(reads: TeamReads, evidence: FoundEvidence) -> None:
    st.subheader("Traces to look at", anchor=False)
    frame = evidence.traces
    st.dataframe(
        frame.select(
            pl.col("at").alias("At"),
            pl.col("route").alias("Route"),
            pl.col("version").alias("Version"),
            pl.col("environment").alias("Environment"),
            pl.col("status").alias("Status"),
            pl.col("duration_ms").alias("Duration"),
            pl.col("error_text").alias("Error text"),
            pl.col("trace_id").alias("Trace"),
        ),
        column_config={"At": _clock("At (UTC)"), "Duration": st.column_config.NumberColumn(format="%.1f ms")},
        hide_index=True,
        placeholder="",
        alt="Bad requests of each route, version and status",
    )
    options = {
        trace: f"{trace[:8]} {route}" for trace, route in frame.select("trace_id", "route").iter_rows()
    }
    trace_id = asked_choice(st.container(), "Waterfall of", "trace", options, "trace")
    values = spans_of(evidence.asked, [trace_id])
    _waterfall(reads.frame("evidence/spans", **values))
    asked_logs = logs_of(evidence.asked, frame["trace_id"].to_list())
    logs = reads.frame("evidence/logs", **asked_logs)
    st.subheader("Logs of these traces", anchor=False)
    if logs.is_empty():
        st.caption("No log record of these traces is kept.")
    else:
        st.dataframe(
            logs.select(
                pl.col("at").alias("At"), pl.col("app_id").alias("App"), pl.col("severity").alias("Severity"),
                pl.col("body").alias("Text"), pl.col("trace_id").alias("Trace"),
            ),
            column_config={"At": _clock("At (UTC)")},
            hide_index=True,
            placeholder="",
            alt="Log records of the traces above",
        )  # fmt: skip
    with st.expander("SQL of the waterfall and the logs"):
        st.code(reads.text("evidence/spans", **values), language="sql")
        st.code(reads.text("evidence/logs", **asked_logs), language="sql")


def _waterfall(spans: pl.DataFrame) -> None:
    bars = waterfall(sampled(spans))
    if not bars:
        st.caption("No span of this trace is kept any more.")
        return
    if len(bars) > POLICY.shown_spans:
        st.caption(f"The first {POLICY.shown_spans} of {len(bars)} spans.")
    drawn = pl.DataFrame(
        [
            {
                "place": place,
                "label": ("\u2007" * 2 * bar.depth + f"{bar.span.app_id or ANOTHER_TEAM}  {bar.span.name}")[
                    :_LONGEST_LABEL
                ],
                "from": bar.offset_ns / _NS_A_MS,
                "to": (bar.offset_ns + bar.span.duration_ns) / _NS_A_MS,
                "result": "failed" if bar.span.failed else "went well",
                "duration": f"{bar.span.duration_ns / _NS_A_MS:,.1f} ms",
                "kind": bar.span.kind,
            }
            for place, bar in enumerate(bars[: POLICY.shown_spans])
        ]
    )
    st.altair_chart(
        waterfall_chart(drawn), width="stretch", alt=f"Waterfall of {len(bars)} spans across apps"
    )


def waterfall_chart(drawn: pl.DataFrame) -> alt.LayerChart:
    """Bars of spans below each other, each from when to when it ran in milliseconds after the trace's begin."""
    names = {row["place"]: row["label"] for row in drawn.iter_rows(named=True)}
    base = alt.Chart(drawn).encode(
        y=alt.Y("place:O", sort=list(names), axis=None),
        tooltip=[
            alt.Tooltip("label:N", title="Span"),
            alt.Tooltip("duration:N", title="Took"),
            alt.Tooltip("kind:N", title="Kind"),
            alt.Tooltip("result:N", title="Result"),
        ],
    )
    bars = base.mark_bar().encode(
        x=alt.X("from:Q", title="Milliseconds after the trace began"),
        x2="to:Q",
        color=alt.Color(
            "result:N",
            title=None,
            scale=alt.Scale(domain=["went well", "failed"], range=[charts.SKY, charts.VERMILLION]),
        ),
    )
    words = base.mark_text(align="left", baseline="middle", dx=3).encode(x="from:Q", text="label:N")
    return alt.LayerChart(layer=[bars, words], height=alt.Step(_BAR_PIXELS))


def _statements(reads: TeamReads, evidence: FoundEvidence) -> None:
    with st.expander("SQL of these tables, with its values"):
        st.caption("Runs as it is with `appfleet sql` or any ClickHouse client.")
        for name, values in evidence.asked_for.items():
            st.text(name.removeprefix("evidence/"))
            st.code(reads.text(name, **values), language="sql")
