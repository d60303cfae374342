"""The structure promised: layers hold, definitions load as the code server loads them, the asset graph is known."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from itertools import chain
from pathlib import Path

import dagster as dg
import yaml

from tests.conftest import slow_tests

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("models", "sql", "pipelines", "dashboards", "otel")
BROUGHT = {"altair": "streamlit", "botocore": "boto3", "requests": "google-cloud-storage"}
"""What is imported and comes with another dependency, whose interface it is part of."""
GRAPH = Path(__file__).with_name("asset_graph.yaml")


def test_import_rules_hold() -> None:
    run = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_definitions_load_without_a_workspace(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DAGSTER_HOME": "",
        "APPFLEET_WORKSPACE": str(tmp_path / "absent"),
    }
    run = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", str(ROOT / "workspace.yaml")],
        cwd=ROOT,
        env={key: value for key, value in environment.items() if value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_asset_graph_is_the_one_on_record() -> None:
    """A change of the graph shows in review; ``python -m tests.test_structure`` writes the file anew.

    Asked in a process of its own: Dagster remembers the instance of a test before, which is gone.
    """
    asked = "from tests.test_structure import asset_graph; import json; print(json.dumps(asset_graph()))"
    run = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == yaml.safe_load(GRAPH.read_text())


ENGINE_WORDS = re.compile(
    r"Nullable\(|LowCardinality\(|DateTime64|Decimal128|JSONEachRow|Protobuf(Single|List)|(CSV|TSV)WithNames|MergeTree"
    r"|\b(in|out)put_format_|\bmax_threads\b|\bformat_schema|\bDB::|\bat row \("
)
"""Types, format names, settings and sentences of ClickHouse."""


def test_only_sql_knows_what_clickhouse_calls_things() -> None:
    found = {
        str(path.relative_to(ROOT))
        for room in ("pipelines", "dashboards", "models")
        for path in (ROOT / room).rglob("*.py")
        if ENGINE_WORDS.search(path.read_text(encoding="utf-8"))
    }
    assert sorted(found) == []


def test_nothing_of_dagster_s_inside_is_used() -> None:
    """Names below ``dagster._`` are its makers' own and move without notice."""
    inside = re.compile(r"\b(from|import) dagster\w*\.\w*\b|\bdagster\w*\._")
    public = {"from dagster_webserver.cli"}
    found = {
        f"{path.relative_to(ROOT)}: {match[0]}"
        for room in ("models", "sql", "pipelines", "dashboards")
        for path in (ROOT / room).rglob("*.py")
        for match in inside.finditer(path.read_text(encoding="utf-8"))
        if match[0] not in public
    }
    assert found == set()


def test_who_asks_how_things_are_does_not_wait_for_what_loads_bills() -> None:
    """`status` and `slo` answer within a second, of which what they import is half."""
    heavy = ("boto3", "google.cloud", "azure", "dagster", "streamlit", "pipelines.ingest.billing")
    program = "import sys, pipelines.commands.cli, pipelines.commands.summary; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert "pipelines.commands.summary" in loaded
    assert [one for one in loaded if one.startswith(heavy)] == []


def test_no_public_class_shares_its_name_with_another() -> None:
    """One word, one thing: a reader who searches for a class finds one."""
    places: dict[str, list[str]] = {}
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for name in re.findall(r"^class ([A-Za-z]\w*)", path.read_text(encoding="utf-8"), re.MULTILINE):
                places.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert len(places) > 100
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_every_test_that_is_left_to_the_slow_ones_is_there() -> None:
    for name in chain.from_iterable(slow_tests().values()):
        file, _, function = name.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        assert not function or f"\ndef {function.partition('[')[0]}(" in text, name


def test_what_is_installed_is_compiled() -> None:
    """A process that compiles all it imports takes three times as long to begin, and some users keep no bytecode."""
    asked = ["make", "-n", "--always-make", "VENV=.somewhere", ".somewhere/.run-installed"]
    steps = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    (install,) = [one for one in steps if "uv pip install" in one]
    assert "--compile-bytecode" in install
    (own,) = [one for one in steps if "-m compileall" in one]
    assert set(ROOMS) == set(own.split("compileall -q")[1].split())


NAMED = {"authlib", "dagster-postgres", "httpx"}
"""Imported by Dagster, for the storage that its settings name."""


def test_dependencies_are_what_is_imported() -> None:
    """What a user installs is used by what a user runs, and nothing of it came along by chance."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[\[<>=; ]", one)[0] for one in project["dependencies"]}
    of_module = metadata.packages_distributions()
    imported: set[str] = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module]
                imported |= {one.partition(".")[0] for one in names}
    others = imported - set(sys.stdlib_module_names) - set(ROOMS)
    of = {name: {one.lower().replace("_", "-") for one in of_module[name]} for name in others}
    assert {name for name, found in of.items() if not found & declared} == set(BROUGHT)
    assert declared >= set(BROUGHT.values())
    assert declared - {one for found in of.values() for one in found} == NAMED


def asset_graph() -> dict[str, dict[str, object]]:
    """Every asset with what it reads, its group, kinds, owners, partitions and checks."""
    from pipelines.orchestration.definitions import defs

    graph = defs.resolve_asset_graph()
    return {
        node.key.to_user_string(): {
            "deps": sorted(key.to_user_string() for key in node.parent_keys),
            "group": node.group_name,
            "kinds": sorted(node.kinds),
            "owners": sorted(node.owners),
            "partitions": node.partitions_def.name
            if isinstance(node.partitions_def, dg.DynamicPartitionsDefinition)
            else node.partitions_def and str(node.partitions_def),
            "checks": sorted(key.name for key in node.check_keys),
        }
        for node in sorted(graph.asset_nodes, key=lambda node: node.key.to_user_string())
    }


if __name__ == "__main__":
    GRAPH.write_text(yaml.safe_dump(asset_graph(), sort_keys=True))
