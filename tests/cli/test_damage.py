"""Parts of tables that were lost or cannot be read: every command says so in a sentence, and `rebuild` heals what it can."""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from dashboards import access
from pipelines.commands.rebuild import damages
from pipelines.ingest import LIVE_SOURCE
from pipelines.ingest.telemetry import load_object
from sql.damage import BILL, COMPUTED, TELEMETRY, lost_rows
from sql.opening import open_warehouse
from sql.workspace import WORKSPACE_VARIABLE
from tests.billing.conftest import OCTOBER
from tests.cli.conftest import Answer, appfleet, make_workspace, owned, rows
from tests.cli.damage import parts
from tests.cli.test_bad_input import focus
from tests.conftest import Migrated
from tests.telemetry import otlp_messages as otlp

FILES, LIVE, MORE = 40, 7, 5
DAY = 86_400 * otlp.SECOND

FIGURES = {
    "bill": "SELECT x_SourceName, x_BillingPeriod, count(), sum(BilledCost), sum(EffectiveCost) FROM raw_focus_costs_current",
    "costs": "SELECT source_name, billing_period, app_id, sum(billed_cost) FROM core_app_costs_daily_current",
    "lines": "SELECT billing_period, line, amount FROM mart_chargeback_lines_current",
    "spans": "SELECT toDate(Timestamp), count(), sum(Duration) FROM otel.otel_traces_current",
    "slices": "SELECT toDate(slice_start), app_id, sum(requests) FROM core_request_slices_current",
    "objectives": "SELECT app_id, environment, objective, total FROM mart_slo_status_current",
}


def figures(workspace: Path) -> dict[str, list[dict[str, Any]]]:
    return {name: rows(workspace, f"{text} GROUP BY ALL ORDER BY ALL") for name, text in FIGURES.items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Path:
    """A workspace after a pass: two bills of two months, a file of spans, another and live ones of the day after; closed."""
    root = migrated(tmp_path_factory.mktemp("whole"))
    costs = [
        {"BilledCost": str(cost), "ResourceId": f"r-{cost}", "ServiceName": f"s{cost}"}
        for cost in range(1, 40)
    ]
    for source in ("aws", "azure"):
        (root / "bills" / source).mkdir(parents=True)
        for month, at in (("september", {}), ("october", OCTOBER)):
            lines = [
                {**line, **at, "SubAccountId": source, "BillingAccountId": f"{source}-{month}"}
                for line in costs
            ]
            (root / "bills" / source / f"{month}.csv").write_bytes(focus(*lines))
    (root / "otlp").mkdir()
    (root / "otlp/spans.jsonl").write_bytes(otlp.as_json(otlp.traces(FILES)))
    make_workspace(
        root,
        viewer={"name": "you", "teams": ["unassigned"], "rights": ["see_whole_bills"]},
        sources={
            "billing": [
                {"name": name, "format": "focus", "location": f"bills/{name}"} for name in ("aws", "azure")
            ],
            "telemetry": [{"name": "files", "format": "otlp", "location": "otlp"}],
        },
    )
    more, live = (
        otlp.traces(count, first=first, start=otlp.NOON + DAY) for count, first in ((MORE, 500), (LIVE, 1000))
    )
    (root / "otlp/more.jsonl").write_bytes(otlp.as_json(more))
    segment = root / "segment.jsonl"
    segment.write_bytes(otlp.as_json(live))
    with open_warehouse(root) as warehouse:
        load_object(
            warehouse,
            source_name=LIVE_SOURCE,
            object_name=segment.name,
            path=segment,
            sha256=hashlib.sha256(segment.read_bytes()).hexdigest(),
            modified_at=datetime.now(UTC),
        )
        segment.unlink()  # as the intake does once it is loaded
        appfleet(root, "run")
    return root


@pytest.fixture(scope="module")
def right(whole: Path) -> dict[str, list[dict[str, Any]]]:
    """The figures before anything was damaged."""
    with owned(whole):
        found = figures(whole)
    assert all(found.values())
    assert [int(one["count()"]) for one in found["spans"]] == [FILES, MORE + LIVE]
    return found


@pytest.fixture
def workspace(whole: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return shutil.copytree(whole, tmp_path / "w", symlinks=True)


def page(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The red sentences of the first page."""
    config.set_option("server.address", "127.0.0.1")
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace))
    app = AppTest.from_file(str(Path(access.__file__).with_name("app.py")), default_timeout=60)
    app.run()
    st.cache_resource.clear()
    assert not app.exception
    return [one.value for one in app.error]


def places(workspace: Path) -> list[str]:
    """What is lost, as `doctor` says it under that check and `rebuild` mends it."""
    with open_warehouse(workspace, role="reader") as warehouse:
        return [str(one) for one in damages(warehouse)]


def found(answer: Answer, check: str) -> str:
    """What `doctor` says of a check, its lines joined."""
    lines = [line.split("│") for line in answer.out.splitlines() if line.startswith("│")]
    said, of_check = [], False
    for _, name, finding, advice, *_ in lines:
        of_check = name.strip() == check if name.strip() else of_check
        if of_check:
            said.append(f"{finding.strip()} {advice.strip()}")
    return " ".join(said)


def test_lost_parts_stand_beside_every_figure_until_they_are_loaded_again(
    workspace: Path, right: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with owned(workspace):
        (lost_bill,) = [
            one
            for one in parts(workspace, "default.raw_focus_costs", "20241001")
            if rows(
                workspace,
                f"SELECT DISTINCT x_SourceName AS s FROM raw_focus_costs WHERE _part = '{one.name}'",
            )
            == [{"s": "aws"}]
        ]
        lost = (
            lost_bill,
            parts(workspace, "otel.otel_traces", "20260101")[0],
            parts(workspace, "default.core_app_costs_daily", "20240901")[0],
            parts(workspace, "default.mart_slo_status")[0],
        )
    for one in lost:
        one.lose()
    with owned(workspace):
        source = "aws"
        mark = f"Not whole: {source} 2024-10: 39 of 39 row(s) published are lost; `appfleet rebuild --source {source} --month 2024-10`"
        assert mark in appfleet(workspace, "status").out
        assert mark in appfleet(workspace, "slo").out
        asked = appfleet(workspace, "sql", "SELECT 1 AS one", "--format", "json")
        assert '"one":1' in asked.out
        assert mark in asked.err and "Not whole: costs 2024-09" in asked.err
        assert [one for one in page(workspace, monkeypatch) if one.startswith(mark)]
        doctor = appfleet(workspace, "doctor", code=1)
        lost = found(doctor, "lost parts")
        for place in (
            f"{source} 2024-10: 39 of 39",
            "files 2026-01-01: 40 of 40 record(s) of traces",
            "costs 2024-09",
            "slo:",
        ):
            assert place in lost, lost
        assert (
            f"`appfleet rebuild --source {source} --month 2024-10` loads it again and loses nothing" in lost
        )
        assert LIVE_SOURCE not in lost

        run = appfleet(workspace, "run", code=1).out
        assert "billing     failed" in run and f"{source} 2024-10: 39 of 39" in run
        left = [one for one in places(workspace) if one.startswith("costs 2024-09: ")]
        assert left, "nothing is computed from less"
        assert "slo:" in run and "it is computed again" in run  # what does not rest on the bill goes on
        assert figures(workspace)["objectives"] == right["objectives"]
        assert figures(workspace)["slices"] == right["slices"]

        again = appfleet(workspace, "rebuild").out
        assert (
            f"loaded again: {source} 2024-10, 39 rows" in again
            and "loaded again: files, 2 object(s)" in again
        )
        assert figures(workspace) == right
        assert "Not whole" not in appfleet(workspace, "status").out
        healed = appfleet(workspace, "doctor")
        for check in ("lost parts", "control totals", "last pass"):
            assert found(healed, check) == "nothing found ", healed.out
        assert page(workspace, monkeypatch) == []
        assert (
            appfleet(workspace, "rebuild").out
            == "Nothing published is lost: there is nothing to load again.\n"
        )
        assert "nothing new" in appfleet(workspace, "run").out


@pytest.mark.slow
def test_parts_that_cannot_be_read_are_said_by_source_and_month_and_healed(
    workspace: Path, right: dict[str, Any]
) -> None:
    with owned(workspace):
        damaged = [
            parts(workspace, table, beginning)[0]
            for table, beginning in (
                ("default.raw_focus_costs", "20241001"),
                ("otel.otel_traces", "20260101"),
                ("default.core_app_costs_daily", "20241001"),
            )
        ]
    damaged[0].turn()  # nobody can tell any more whose rows it held
    for part in damaged[1:]:
        part.turn(0.4, 0.6)
    with owned(workspace):
        for text, place in (
            ("SELECT * FROM raw_focus_costs", " 2024-10"),
            ("SELECT * FROM otel.otel_traces", "files 2026-01-01"),
            ("SELECT * FROM core_app_costs_daily", "costs 2024-10"),
        ):
            said = appfleet(workspace, "sql", text, code=1).err
            assert said.startswith("appfleet: ") and place in said and "cannot be read any more" in said, said
            assert "`appfleet rebuild" in said and "Checksum" not in said and said.count("\n") == 1
        doctor = found(appfleet(workspace, "doctor", code=1), "lost parts")
        assert " 2024-10: part 20241001" in doctor and "files 2026-01-01: part 20260101" in doctor
        assert "costs 2024-10: part 20241001" in doctor
        appfleet(workspace, "rebuild")
        assert figures(workspace) == right
        assert places(workspace) == []
        assert len(list((workspace / ".appfleet/warehouse/store").rglob("detached/2*"))) == 3, (
            "their files are kept"
        )


@pytest.mark.slow
def test_what_nobody_holds_any_more_is_named_and_what_is_published_stays(
    workspace: Path, right: dict[str, Any]
) -> None:
    spans, more = workspace / "otlp/spans.jsonl", workspace / "otlp/more.jsonl"
    delivered = {path: path.read_bytes() for path in (*(workspace / "bills/azure").iterdir(), spans, more)}
    for path in delivered:
        path.unlink()
    more.write_bytes(b"{}\n" + delivered[more])
    with owned(workspace):
        lost = [
            part
            for table in ("default.raw_focus_costs", "otel.otel_traces")
            for part in parts(workspace, table)
        ]
    for part in lost:
        part.lose()
    with owned(workspace):
        heads = rows(workspace, "SELECT scope, period, seq FROM period_head ORDER BY ALL")
        said = appfleet(workspace, "rebuild", code=3).out
        assert "loaded again: aws 2024-10" in said and "loaded again: aws 2024-09" in said
        for place in ("azure 2024-09", "azure 2024-10"):
            (line,) = [line for line in said.splitlines() if line.startswith(f"not loaded: {place}")]
            assert ".csv" in line and "bills/azure" in line and "restore a backup" in line
        assert "not loaded: files: spans.jsonl: it is gone: put it back under its name" in said
        assert "not loaded: files: more.jsonl: it holds something else by now" in said
        assert "not loaded: live: segment.jsonl: it was sent live and is nowhere else" in said
        assert "nothing is computed from less" in said
        after = rows(workspace, "SELECT scope, period, seq FROM period_head ORDER BY ALL")
        azure = [one for one in after if one["scope"] == "billing/azure"]
        assert azure == [one for one in heads if one["scope"] == "billing/azure"], (
            "nothing was published over it"
        )
        for path, content in delivered.items():
            path.write_bytes(content)
        said = appfleet(workspace, "rebuild", code=3).out
        assert "loaded again: files, 2 object(s)" in said
        now = figures(workspace)
        assert now["bill"] == right["bill"] and now["costs"] == right["costs"]
        assert [int(one["count()"]) for one in now["spans"]] == [FILES, MORE], (
            "what was sent live is lost, and said"
        )
        assert [one for one in places(workspace) if one.startswith("live 2026-01-02: 7 of 7")]
        assert now["slices"] == right["slices"], "and its day stays as it was counted"


@pytest.mark.slow
def test_a_month_is_loaded_again_though_nothing_is_lost_and_nothing_doubles(
    workspace: Path, right: dict[str, Any]
) -> None:
    with owned(workspace):
        text = "SELECT batches['raw_focus_costs'] AS batch FROM period_head WHERE scope = 'billing/aws' AND period = '2024-09-01' ORDER BY seq"
        assert (
            "loaded again: aws 2024-09, 39 rows"
            in appfleet(workspace, "rebuild", "--source", "aws", "--month", "2024-09").out
        )
        first, second = rows(workspace, text)
        assert first != second
        assert figures(workspace) == right
        for wrong, sentence in (
            (("--month", "2024-09"), "--month: name the source too"),
            (("--source", "gcp"), "gcp: no such source"),
        ):
            assert sentence in appfleet(workspace, "rebuild", *wrong, code=2).err


def test_a_ledger_that_cannot_be_read_is_one_sentence_and_doctor_goes_on(workspace: Path) -> None:
    parts(workspace, "default.period_head")[0].turn()
    with owned(workspace):
        for command in (("status",), ("slo",), ("rebuild",), ("sql", "SELECT * FROM period_head")):
            said = appfleet(workspace, *command, code=1).err
            assert "period_head, the ledger" in said and "keep a copy of .appfleet whole" in said
            assert said.count("\n") == 1 and "Checksum" not in said
        doctor = appfleet(workspace, "doctor", code=1)
        assert "could not be looked at: part" in found(doctor, "lost parts")
        assert found(doctor, "sources") == "nothing found "
        assert found(doctor, "last pass") == "nothing found "
        assert "period_head, the ledger" in appfleet(workspace, "run", code=1).said


@pytest.mark.slow
def test_releases_that_are_lost_from_the_ledger_are_said_and_made_again(
    workspace: Path, right: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are all there, and nobody is shown them any more: of months a bill of which was loaded that is known.

    Said once the load is too old for its writer to be still at work.
    """
    with open_warehouse(workspace) as warehouse:
        warehouse.execute_text(
            "DELETE FROM period_head WHERE scope = 'billing/aws' AND period = '2024-10-01'",
            {"lightweight_deletes_sync": 2},
        )
        assert not lost_rows(warehouse.frame)
        warehouse.execute_text(  # an hour later
            "ALTER TABLE period_head UPDATE published_at = published_at - INTERVAL 2 HOUR WHERE 1",
            {"mutations_sync": 2},
        )
        warehouse.execute_text(
            "INSERT INTO raw_deliveries SELECT * REPLACE (recorded_at - INTERVAL 1 HOUR AS recorded_at) FROM raw_deliveries"
        )
        warehouse.execute_text(
            "DELETE FROM raw_deliveries WHERE recorded_at > now64(9) - INTERVAL 30 MINUTE",
            {"lightweight_deletes_sync": 2},
        )
    (workspace / "bills/azure/october.csv").rename(workspace / "october.csv")
    with open_warehouse(workspace) as warehouse:
        warehouse.execute_text(
            "DELETE FROM period_head WHERE scope IN ('billing/aws', 'billing/azure', 'costs', 'slo') AND"
            " (period = '2024-10-01' OR scope = 'slo')",
            {"lightweight_deletes_sync": 2},
        )
        marks = [
            f"Not whole: {source} 2024-10: 39 row(s) of its newest load are named by no release of period_head, the ledger; "
            f"`appfleet rebuild --source {source} --month 2024-10`"
            for source in ("aws", "azure")
        ]
        for answer in (appfleet(workspace, "status").out, appfleet(workspace, "sql", "SELECT 1").err):
            assert all(mark in answer for mark in marks), answer
        assert [one[: len(marks[0])] for one in page(workspace, monkeypatch)][:1] == marks[:1]
        lost = found(appfleet(workspace, "doctor", code=1), "lost parts")
        assert "aws 2024-10: 39 row(s) of its newest load" in lost and "2024-09" not in lost
        run = appfleet(workspace, "run", code=1).out
        assert "azure 2024-10: 39 row(s) of its newest load" in run and "aws 2024-10" not in run
        assert not rows(
            workspace,
            "SELECT 1 FROM core_app_costs_daily_current WHERE billing_period = '2024-10-01' LIMIT 1",
        ), "nothing is computed from less"
        (workspace / "october.csv").rename(workspace / "bills/azure/october.csv")
        appfleet(workspace, "rebuild")
        assert figures(workspace) == right
        assert places(workspace) == [] and page(workspace, monkeypatch) == []


def test_every_table_with_batches_is_looked_at(whole: Path) -> None:
    named = {
        (one["database"], one["table"])
        for one in rows(
            whole,
            "SELECT database, table FROM system.columns WHERE name IN ('batch_id', 'x_BatchId') AND (database, table) IN"
            " (SELECT database, name FROM system.tables WHERE engine LIKE '%MergeTree')",
        )
    }
    ours = {("default", one) for one in (BILL, *COMPUTED)} | {("otel", one) for one in TELEMETRY}
    beside = {
        "raw_deliveries",
        "raw_held_deliveries",
        "core_access_log",
        "mart_statement_lines",  # closings name these two, and a pass holds them against the bill
        "statement_files",
    }  # no release makes their rows current
    assert named - ours == {("default", table) for table in beside}
    assert ours <= named
