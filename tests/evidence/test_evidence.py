"""Planted faults found again through the warehouse: counts against loops over the drawn spans, and the first suspect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from models.alert_routes import AlertTarget, Route, Routing, due_messages
from models.alerts import Trouble, advance, alert_policy
from models.evidence import POLICY, EvidenceRange
from pipelines.compute.alert_causes import with_shared_causes
from pipelines.simulate.faults import FAULTS, Fault, FaultSpan, drawn_fault
from sql.evidence import Asked, causes_shared, copyable, gathered, logs_of, spans_of
from sql.opening import open_warehouse
from sql.reading import read_only
from sql.warehouse import Warehouse
from tests.conftest import Migrated
from tests.evidence.planting import insert_spans, publish_apps, reads_of, utc

BEGINS = utc(2026, 3, 1, 10)
SEED = 1
HOSTILE = "'); DROP TABLE x; -- \\' {teams:Array(String)} {{otel}} ![p](https://evil.example/p.png)"
COPIED = ("evidence/attributes", "evidence/spans", "evidence/dependencies")
JUDGED_SEEDS = range(2601, 2621)
"""Not used while the ranking or the faults were written."""
LEAST_RIGHT = 0.85


@pytest.fixture(scope="module")
def faults() -> list[Fault]:
    found = [drawn_fault(SEED, kind, f"{kind}{SEED}", BEGINS, requests=120) for kind in FAULTS]
    first = found[0].spans
    place = next(
        n for n, one in enumerate(first) if one.failed and one.app_id == found[0].app_id and not one.parent_id
    )
    first[place] = replace(first[place], message=HOSTILE)
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Path:
    return migrated(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def planted(root: Path, faults: list[Fault]) -> Iterator[Warehouse]:
    """Apps that alert are of team own, what they call of another one, but for the dependency's fault."""
    with open_warehouse(root) as warehouse:
        apps = sorted({span.app_id for fault in faults for span in fault.spans})
        alerting = {fault.app_id for fault in faults}
        publish_apps(
            warehouse, {app: "own" if app in alerting or app.startswith("dep") else "other" for app in apps}
        )
        insert_spans(warehouse, [span for fault in faults for span in fault.spans])
        logs = pl.DataFrame(
            [
                {"Timestamp": span.start, "TraceId": span.trace_id, "SpanId": span.span_id, "ServiceName": span.app_id, "SeverityText": "ERROR", "Body": f"{span.name} {HOSTILE}"}
                for fault in faults for span in fault.spans if span.failed
            ]
        )  # fmt: skip
        warehouse.insert(
            "otel.otel_logs", logs.with_columns(pl.from_epoch("Timestamp", "ns").dt.replace_time_zone("UTC"))
        )
        yield warehouse


def asked_of(fault: Fault) -> Asked:
    return Asked(fault.app_id, EvidenceRange(fault.begins, fault.ends), fault.measure, fault.threshold_ms)


def side(fault: Fault, span: FaultSpan) -> str:
    """By the definition: bad in the range, good in it or as long before."""
    begin, end = (int(one.timestamp()) * 10**9 for one in (fault.begins, fault.ends))
    wrong = span.end - span.start > fault.threshold_ms * 10**6 if fault.measure == "latency" else span.failed
    if span.kind != "server" or span.app_id != fault.app_id or not 2 * begin - end <= span.start < end:
        return ""
    return "good" if not wrong else "bad" if span.start >= begin else ""


def test_counts_are_those_of_the_drawn_spans_and_the_first_suspect_is_the_planted_one(
    planted: Warehouse, faults: list[Fault]
) -> None:
    for fault in faults:
        evidence = gathered(reads_of(planted, ["own"]), asked_of(fault))
        expected: dict[tuple[str, str], Counter[str]] = {}
        first: dict[tuple[str, str], int] = {}
        for span in fault.spans:
            which = side(fault, span)
            for key in (("", ""), ("route", span.name), ("version", span.version)) if which else ():
                expected.setdefault(key, Counter())[which] += 1
                if which == "bad":
                    first[key] = min(first.get(key, span.start), span.start)
        found = {
            (row["dimension"], row["value"]): row
            for row in evidence.attributes.iter_rows(named=True)
            if row["dimension"] in ("", "route", "version")
        }
        assert {key: (row["bad"], row["good"]) for key, row in found.items()} == {
            key: (one["bad"], one["good"]) for key, one in expected.items()
        }
        for key, at in first.items():
            assert int(found[key]["first_bad"].timestamp() * 1000) == at // 10**6
        assert (evidence.suspects[0].kind, evidence.suspects[0].value) == (fault.culprit_kind, fault.culprit)
        assert {row["trace_id"] for row in evidence.traces.iter_rows(named=True)} <= {
            span.trace_id for span in fault.spans if side(fault, span) == "bad"
        }
        assert 0 < evidence.traces.height <= POLICY.exemplars


def test_of_another_teams_app_a_trace_tells_only_that_it_was_there(
    planted: Warehouse, faults: list[Fault]
) -> None:
    fault = faults[0]
    asked = asked_of(fault)
    trace = next(span.trace_id for span in fault.spans if side(fault, span) == "bad")
    spans = reads_of(planted, ["own"])("evidence/spans", **spans_of(asked, [trace]))
    of_trace = [span for span in fault.spans if span.trace_id == trace]
    assert spans.height == len(of_trace)
    hidden = {span.span_id for span in of_trace if span.app_id != fault.app_id}
    assert hidden == set(spans.filter(~pl.col("is_own").cast(bool))["span_id"])
    texts = ("app_id", "name", "peer", "status", "error_text", "version")
    for row in spans.filter(pl.col("span_id").is_in(list(hidden))).iter_rows(named=True):
        assert not any(row[name] for name in texts)
    logs = reads_of(planted, ["own"])("evidence/logs", **logs_of(asked, [trace]))
    assert set(logs["app_id"]) <= {fault.app_id}
    # whoever owns what is called, and not the app asked for, gets nothing of it
    for name, values in gathered(reads_of(planted, ["own"]), asked).asked_for.items():
        assert reads_of(planted, ["other"])(name, **values).is_empty()


def test_logs_of_the_traces_are_found(planted: Warehouse, faults: list[Fault]) -> None:
    fault = faults[0]
    bad = [span for span in fault.spans if side(fault, span) == "bad"][:3]
    logs = reads_of(planted, ["own"])(
        "evidence/logs", **logs_of(asked_of(fault), [span.trace_id for span in bad])
    )
    assert Counter(logs["span_id"]) == Counter(span.span_id for span in bad)
    assert logs["body"][0].endswith(HOSTILE)


def test_a_copied_statement_gives_what_the_bound_one_gives(
    root: Path, planted: Warehouse, faults: list[Fault]
) -> None:
    """Run as a reader types it, whatever the values hold."""
    fault = faults[0]
    asked = replace(
        asked_of(fault), routes=(fault.spans[0].name, HOSTILE), environments=("production", HOSTILE)
    )
    evidence = gathered(reads_of(planted, ["own"]), asked)
    for name in COPIED:
        values = evidence.asked_for[name]
        bound = reads_of(planted, ["own", HOSTILE])(name, **values)
        text = copyable(planted.form, name, {**values, "teams": ["own", HOSTILE]})
        lines = read_only(root, text, "csv").splitlines()
        assert lines[0].replace('"', "").split(",") == bound.columns
        assert len(lines) - 1 == bound.height, name
    assert evidence.bad


def test_apps_that_call_what_fails_are_one_group(planted: Warehouse, faults: list[Fault]) -> None:
    """Two apps that call one failing store, drawn twice under other names."""
    when = utc(2026, 3, 2, 10)
    nanoseconds = int(when.timestamp()) * 10**9
    spans = [
        FaultSpan(
            f"{app}{turn:032x}"[-32:], f"{turn:016x}", "", app, "SELECT", "client",
            nanoseconds - (turn + 1) * 60 * 10**9, nanoseconds - (turn + 1) * 60 * 10**9 + 5, turn % 2 == 0 and app != "route1", "1", "h",
            (("server.address", "pg"),),
        )
        for app in ("error1", "delay1", "route1")
        for turn in range(20)
    ]  # fmt: skip
    insert_spans(planted, spans)
    (found,) = causes_shared(reads_of(planted, ["own"]), ["error1", "delay1", "route1"], when)
    assert (found.peer, found.apps, found.failed, found.calls) == ("pg", ("delay1", "error1"), 20, 40)
    assert found.first_failed == when - timedelta(minutes=19)


def test_alerts_of_apps_that_a_simulated_dependency_fails_are_told_as_one(planted: Warehouse) -> None:
    """Three apps of two teams call one dependency whose fault the simulator draws, and one app calls none of it.

    What fails is counted in loops over the drawn spans: the dependency that most client spans of the apps failed at.
    """
    fault = drawn_fault(9, "dependency", "shop", utc(2026, 3, 3, 10), requests=120)
    assert fault.measure == "availability"
    names = ("shop1", "shop2", "shop3")
    for name in names:
        insert_spans(
            planted, [replace(one, app_id=name) if one.app_id == "shop" else one for one in fault.spans]
        )
    failed = Counter(
        dict(one.attributes)["server.address"]
        for one in fault.spans
        if one.app_id == "shop" and one.kind == "client" and one.failed
    )
    [(peer, _)] = failed.most_common(1)
    teams = {"shop1": "own", "shop2": "other", "shop3": "own", "error1": "own", peer: "other"}
    publish_apps(planted, teams)
    policy, now = alert_policy(), fault.ends
    found = [
        Trouble(f"slo/{app}//availability", "slo", app, team, "page", fault.begins + timedelta(minutes=place), f"{app} fails")
        for place, (app, team) in enumerate(teams.items())
    ]  # fmt: skip
    told = with_shared_causes(planted, found, [], now, policy)
    alerts = advance([], told, now, policy)
    assert {one.subject for one in alerts if one.cause == f"failing dependency {peer}"} == {*names, peer}
    routing = Routing({"hook": AlertTarget("hook", "HOOK", "", 1, False, "")}, (Route(("hook",)),))
    together, alone = due_messages(alerts, routing, [], [], now, policy)
    assert together.title == f"[Page] 4 alerts of 2 teams: failing dependency {peer}"
    assert all(f"{app} fails" in together.body for app in (*names, peer)) and "error1" not in together.body
    assert "error1 fails" in alone.body
    hour = timedelta(hours=3)
    later = with_shared_causes(planted, found, alerts, now + hour, policy)
    assert [one.cause for one in later] == [one.cause for one in told], (
        "calls are forgotten, the cause is not"
    )
    assert {one.cause for one in with_shared_causes(planted, found, [], now + hour, policy)} == {""}


@pytest.mark.slow
def test_the_first_suspect_is_right_on_seeds_nobody_looked_at(tmp_path: Path, migrated: Migrated) -> None:
    faults = [drawn_fault(seed, kind, f"{kind}{seed}", BEGINS) for seed in JUDGED_SEEDS for kind in FAULTS]
    right: Counter[str] = Counter()
    with open_warehouse(migrated(tmp_path / "judged")) as warehouse:
        publish_apps(warehouse, {span.app_id: "own" for fault in faults for span in fault.spans})
        for fault in faults:
            insert_spans(warehouse, fault.spans)
        for fault in faults:
            suspects = gathered(reads_of(warehouse, ["own"]), asked_of(fault)).suspects
            named = [(one.kind, one.value) for one in suspects[:1]]
            right[fault.kind] += named == [(fault.culprit_kind, fault.culprit)]
            if named != [(fault.culprit_kind, fault.culprit)]:
                print(fault.app_id, fault.measure, fault.culprit, [one.sentence for one in suspects])
    print(f"first suspect right of {len(JUDGED_SEEDS)}: {dict(right)}")
    for kind in FAULTS:
        assert right[kind] >= LEAST_RIGHT * len(JUDGED_SEEDS), right
