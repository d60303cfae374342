"""The command line's table: what each command prints and ends with, on a small fleet and on mistakes."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from pipelines.commands import cli, summary
from sql.workspace import load_settings
from tests.cli.conftest import appfleet, owned, rows
from tests.conftest import Migrated, SmallFleet

END = SmallFleet.END
MONTH = f"{END:%Y-%m}"


@pytest.fixture(scope="module")
def fleet(small_fleet: SmallFleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A simulated fleet after one pass."""
    workspace = SmallFleet.copy(small_fleet.passed, tmp_path_factory.mktemp("fleet") / "w")
    with owned(workspace):
        yield workspace


def releases(workspace: Path) -> list[dict[str, object]]:
    return rows(workspace, "SELECT scope, period, seq, sha256 FROM period_head ORDER BY ALL")


def test_init_writes_a_workspace_that_runs_as_it_is(tmp_path: Path, migrated: Migrated) -> None:
    workspace = tmp_path / "new"
    assert "appfleet run -w" in appfleet(None, "init", str(workspace), anew=True).out
    assert sorted(path.name for path in workspace.iterdir()) == ["appfleet.yaml", "catalog", "teams.yaml"]
    again = appfleet(None, "init", str(workspace), code=2)
    assert "exists already" in again.err
    migrated(workspace)
    # The workspace is named by the environment too; and an app that only the catalogue knows is registered.
    said = appfleet(None, "run", "--only", "registry,slo,marts", APPFLEET_WORKSPACE=str(workspace)).out
    assert "1 apps: 1 registered, 0 billed, 0 observed" in said
    assert "telemetry to -." in said


def test_as_of_given_twice_publishes_once_and_never_reads_the_clock(fleet: Path) -> None:
    (newest,) = rows(fleet, "SELECT toString(max(as_of)) AS moment FROM mart_slo_status_current")
    assert newest["moment"].startswith(f"{END.year}-1")
    before = releases(fleet)
    figures = ("run", "--only", "slo,anomalies,marts")
    appfleet(fleet, *figures, TZ="Asia/Kolkata")
    assert releases(fleet) == before
    earlier = (*figures, "--as-of", "2026-10-20T12:03:00+02:00")
    assert "nothing new" not in appfleet(fleet, *earlier).out
    (moved,) = rows(fleet, "SELECT DISTINCT toString(as_of) AS moment FROM mart_slo_status_current")
    assert moved["moment"] == "2026-10-20 10:00:00"
    assert appfleet(fleet, *earlier, TZ="America/New_York").out.count("nothing new") == 3
    appfleet(fleet, *figures)
    (again,) = rows(fleet, "SELECT toString(max(as_of)) AS moment FROM mart_slo_status_current")
    assert again == newest


def test_sql_prints_decimals_whole_in_three_formats(fleet: Path) -> None:
    text = "SELECT toDecimal128('123456789012345.000000000000000001', 18) AS a, 'x,\"y' AS b, NULL AS c"
    assert "│ 123456789012345.000000000000000001 │" in appfleet(fleet, "sql", text).out
    assert (
        appfleet(fleet, "sql", text, "--format", "csv").out
        == '"a","b","c"\n123456789012345.000000000000000001,"x,""y",\\N\n'
    )
    answer = appfleet(fleet, "sql", f"{text};", "--format", "json").out
    assert json.loads(answer) == [{"a": "123456789012345.000000000000000001", "b": 'x,"y', "c": None}]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("DROP TABLE core_apps", "only one SELECT"),
        ("SELECT 1; SELECT 2", "only one statement"),
        ("SELECT 1 INTO OUTFILE '/tmp/out'", "INTO OUTFILE"),
        ("SELECT * FROM url('http://127.0.0.1:1/')", "the function url is not available"),
        ("SELECT 1 FORMAT CSV", "use --format"),
    ],
)
def test_sql_refuses_what_is_no_plain_read(fleet: Path, text: str, sentence: str) -> None:
    refused = appfleet(fleet, "sql", text, code=2)
    assert sentence in refused.err
    assert refused.err.count("\n") == 1
    assert refused.out == ""


def test_chargeback_files(fleet: Path, tmp_path: Path) -> None:
    appfleet(fleet, "chargeback", "--month", MONTH, "--out", str(tmp_path))
    name = f"chargeback-{MONTH}"
    lines = list(csv.DictReader((tmp_path / f"{name}.csv").read_text().splitlines()))
    sidecar = json.loads((tmp_path / f"{name}.json").read_text())
    billed = rows(
        fleet,
        "SELECT toString(BillingCurrency) AS currency, sum(BilledCost) AS cost FROM raw_focus_costs_current"
        f" WHERE x_BillingPeriod = '{MONTH}-01' GROUP BY currency",
    )
    for row in billed:
        of_currency = [line for line in lines if line["billing_currency"] == row["currency"]]
        assert sum(Decimal(line["billed_cost"]) for line in of_currency) == Decimal(row["cost"])
    team = next(line["team"] for line in lines if line["team"] != "unassigned")
    appfleet(fleet, "chargeback", "--month", MONTH, "--team", team, "--out", str(tmp_path / "one"))
    (own,) = (tmp_path / "one").glob("*.csv")
    of_team = list(csv.DictReader(own.read_text().splitlines()))
    assert {line["team"] for line in of_team} == {team}
    assert len(of_team) == sum(line["team"] == team for line in lines)
    assert sidecar["rows"] == len(lines)
    for wrong, sentence in (
        (("--month", "2019-01"), f"months with one: 2026-09, {MONTH}"),
        (("--month", "2026-13"), "is not a month"),
        (("--month", MONTH, "--team", "nobody"), "teams in it: "),
    ):
        assert sentence in appfleet(fleet, "chargeback", *wrong, "--out", str(tmp_path / "no"), code=2).err
    assert not list((tmp_path / "no").glob("*"))


def test_of_a_large_fleet_the_worst_objectives_are_listed_and_the_others_counted(
    fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "OBJECTIVES_SHOWN", 3)
    order = "SELECT toString(state) AS state FROM mart_slo_status_current"
    states = [row["state"] for row in rows(fleet, order)]
    left: Counter[str] = Counter()
    for every, shown in ((False, 3), (True, len(states))):
        console = Console(file=io.StringIO(), width=300)
        summary.print_slo(console, load_settings(fleet), None, datetime.now(UTC), every)
        said = console.file.getvalue()  # type: ignore[attr-defined]
        found = [line.split("│")[12].strip() for line in said.splitlines() if line.startswith("│")]
        assert len(found) == shown
        left = left or Counter(states) - Counter(found)
        told = re.search(r"(\d+) more objectives \((.*)\)", said)
        assert every is not bool(told)
        if told:
            assert int(told[1]) == len(states) - 3
            assert dict(one.split()[::-1] for one in told[2].split(", ")) == {
                state: str(count) for state, count in left.items()
            }


def test_slo_status_and_doctor_speak_of_the_fleet(fleet: Path) -> None:
    apps = rows(fleet, "SELECT DISTINCT app_id FROM mart_slo_status_current WHERE state != 'no_data'")
    said = appfleet(fleet, "slo", "--all").out
    assert all(f"│ {row['app_id']} " in said for row in apps)
    assert "more objectives" not in said
    one = appfleet(fleet, "slo", "--app", apps[0]["app_id"]).out
    status, details = one.split("measured, at 95 %")
    for table in (status, details):
        assert (table.count("│ availability"), table.count("│ latency")) == (1, 1)
    assert "No objective is published for app nobody" in appfleet(fleet, "slo", "--app", "nobody").out
    listed = appfleet(fleet, "status").out
    assert all(scope in listed for scope in ("billing/", "costs", "slices", "marts", f"{MONTH}-01"))
    checks = appfleet(fleet, "doctor").out
    assert all(check in checks for check in ("control totals", "rejects", "spans without resource", "stale"))


GOOD = "warehouse: embedded\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (f"{GOOD}wharehouse: x\n", "appfleet.yaml, line 2: wharehouse is not a known key"),
        (f"{GOOD}teams: catalog\n", "appfleet.yaml, line 2: teams names catalog, which is not a file"),
        (f"{GOOD}catalog: nowhere\n", "appfleet.yaml, line 2: catalog names nowhere, which does not exist"),
        (f"{GOOD}catalog: 'a\\0'\n".replace("'", '"'), "appfleet.yaml, line 2: catalog must be text"),
        (f"{GOOD}ports: {{dagster: 2026-13-45}}\n", "appfleet.yaml, line 2: ports.dagster cannot be read"),
        ("teams: !!python/object:os.system x\n", "appfleet.yaml, line 1: teams cannot be read"),
        ("? [a]\n: 1\n", "appfleet.yaml, line 1: a key of the file must be a single value"),
        (
            f"{GOOD}sources: {{billing: [{{name: a, format: focus}}]}}",
            "sources.billing[0].location is missing",
        ),
        ("a: [\n", "appfleet.yaml, line 2: this is not YAML"),
        (b"a: \xff\n", "appfleet.yaml, byte 3: this is not UTF-8 text"),
        (GOOD + "catalog: " + "[" * 5000, "appfleet.yaml is nested too deeply"),
        (None, "appfleet.yaml cannot be read: Is a directory"),
    ],
)
def test_a_mistake_in_the_settings_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str | bytes | None,
    sentence: str,
) -> None:
    (tmp_path / "catalog").mkdir()
    path = tmp_path / "appfleet.yaml"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setattr("sys.argv", ["appfleet", "status", "-w", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert sentence in said
    assert said.count("\n") == 1


@pytest.fixture
def mistaken(tmp_path: Path, migrated: Migrated) -> Path:
    """A workspace whose settings are right and whose teams are no YAML."""
    (tmp_path / "appfleet.yaml").write_text(GOOD)
    (tmp_path / "teams.yaml").write_text("teams: [\n")
    return migrated(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "--as-of", "yesterday"), "--as-of: 'yesterday' is not an ISO 8601 moment"),
        (("run", "--only", "bogus"), "--only: bogus is not a step; the steps are billing, telemetry"),
        (("run", "--only", ","), "--only: names no step"),
        (("run", "--only", "registry"), "teams.yaml, line 2: this is not YAML"),
        (("sql", "SELECT 1", "--format", "xml"), "'xml' is not one of"),
    ],
)
def test_a_wrong_argument_or_file_ends_with_2(
    mistaken: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    assert sentence in appfleet(mistaken, *arguments, code=2).said


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for arguments in (("init",), ("simulate", "--apps", "2", "--days", "3")):
        said = appfleet(None, *arguments, str(tmp_path / "file" / "below"), code=2, anew=True)
        assert "cannot be made (Not a directory)" in said.err
    assert "there is no appfleet.yaml in" in appfleet(tmp_path / "none", "run", code=2).err


def test_objectives_that_hold_are_written_as_openslo(fleet: Path, tmp_path: Path) -> None:
    """What is exported is sound, and measured as it is: nothing of it is refused."""
    held = rows(
        fleet,
        "SELECT app_id, countIf(valid_to IS NULL) AS held FROM mart_slo_objectives_current GROUP BY app_id ORDER BY app_id LIMIT 1",
    )
    app, number = str(held[0]["app_id"]), int(str(held[0]["held"]))
    text = appfleet(fleet, "slo", "export", "--app", app).out
    assert text.count("\nkind: SLO\n") == number
    file = tmp_path / "objectives.yaml"
    assert f"wrote {file}" in appfleet(fleet, "slo", "export", str(file), "--app", app).out
    assert file.read_text(encoding="utf-8") == text
    said = appfleet(None, "slo", "validate", str(file)).out
    assert "0 mistake(s)" in said
    assert "Warning" not in said
    assert (
        "no objective is published for app nobody"
        in appfleet(fleet, "slo", "export", "--app", "nobody", code=2).err
    )
