"""Faults are planted where an answer depends on them, each one a change of its own."""

from __future__ import annotations

import fnmatch
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.mutants.__main__ import is_excused, judges_by_pattern, judges_of
from tests.mutants.mutant import Mutant
from tests.mutants.python_mutants import python_mutants
from tests.mutants.sql_mutants import sql_mutants

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

QUERY = """-- purpose: amount of app_id = 1
SELECT app_id, 'billed_cost = 1' AS said, sum(billed_cost) AS billed, max(effective_cost) AS effective
FROM costs LEFT JOIN apps USING (app_id, billing_period)
WHERE team = {team:String} AND usage_date >= {day:Date} - 30
GROUP BY app_id, team
ORDER BY billed DESC
"""


def test_faults_of_sql() -> None:
    found = {(one.kind, one.line, one.after) for one in sql_mutants("x.sql", QUERY)}
    expected = {
        ("column", 2, "SELECT app_id, 'billed_cost = 1' AS said, sum(effective_cost) AS billed, max(effective_cost) AS effective"),
        ("word", 2, "SELECT app_id, 'billed_cost = 1' AS said, max(billed_cost) AS billed, max(effective_cost) AS effective"),
        ("word", 3, "FROM costs INNER JOIN apps USING (app_id, billing_period)"),
        ("key left out", 3, "FROM costs LEFT JOIN apps USING (app_id)"),
        ("key left out", 3, "FROM costs LEFT JOIN apps USING (billing_period)"),
        ("condition left out", 4, "WHERE 1 = 1 AND usage_date >= {day:Date} - 30"),
        ("condition left out", 4, "WHERE team = {team:String} AND 1 = 1"),
        ("comparison", 4, "WHERE team = {team:String} AND usage_date > {day:Date} - 30"),
        ("number", 4, "WHERE team = {team:String} AND usage_date >= {day:Date} - 31"),
        ("number", 4, "WHERE team = {team:String} AND usage_date >= {day:Date} - 29"),
        ("word", 4, "WHERE team = {team:String} OR usage_date >= {day:Date} - 30"),
        ("dropped word", 6, "ORDER BY billed"),
    }  # fmt: skip
    assert sorted(expected - found) == []
    assert all("purpose: amount of app_id = 1" in one.text for one in sql_mutants("x.sql", QUERY))
    assert not any(one.line == 1 for one in sql_mutants("x.sql", QUERY))


def test_faults_of_python() -> None:
    text = (ROOT / "models" / "unit_costs.py").read_text()
    found = list(python_mutants("models/unit_costs.py", text))
    afters = {one.after for one in found}
    assert {
        '"Unit of the unit cost."',
        "import polars as pl",
    }.isdisjoint(afters)
    assert any('(pl.col("requests") >= 0)' in after for after in afters)
    assert any('how="left", coalesce=True' in after for after in afters)
    assert len({one.text for one in found}) > 0.9 * len(found)


def test_what_is_excused_is_that_change_at_that_place() -> None:
    line = {"path": "sql/*", "word": "18", "becomes": "19", "behind": r"toDecimal256\(\w+, "}

    def of(before: str, after: str, path: str = "sql/a.sql") -> Mutant:
        return Mutant(path, "number", 1, before, after, "")

    whole = of("sum(toDecimal256(a, 18)), 18", "sum(toDecimal256(a, 19)), 18")
    assert is_excused(whole, line)
    assert is_excused(whole, {"path": whole.path, "before": whole.before, "after": whole.after})
    for other in (
        of("sum(toDecimal256(a, 18)), 18", "sum(toDecimal256(a, 17)), 18"),
        of("sum(toDecimal256(a, 18)), 18", "sum(toDecimal256(a, 18)), 19"),
        of("sum(toDecimal256(a, 18)), 18", "max(toDecimal256(a, 19)), 18"),
        of("sum(toDecimal256(a, 18)), b", "sum(toDecimal256(a, 19)), c"),
        of(whole.before, whole.after, "models/a.py"),
    ):
        assert not is_excused(other, line)
        assert not is_excused(whole, {"path": other.path, "before": other.before, "after": other.after})


PLANTED = """
import json, sys
from pathlib import Path
import pytest
import sql.catalog
from tests.mutants.bench import _Planting
told = Path("told.json")
texts = ["bad", "as good", "left", "bad", "as good"][: int(sys.argv[1])]
planted = [[path, text] for text in texts for path in ("sql/queries/a/b.sql", "sql/queries/a/other.sql")]
told.write_text(json.dumps(planted))
assert pytest.main(["-q", "-x", "test_q.py"], [_Planting(told)]) == 0
print(told.read_text())
"""
JUDGE = """
from pathlib import Path
import pytest
@pytest.fixture(scope="module")
def made():
    return [1]
@pytest.mark.parametrize("name", ["a/b", "a/other"])
def test_it(name, made):
    text = Path(f"sql/queries/{name}.sql").read_text()
    made += [1] * (text == "left")
    assert len(made) == 1 and text in ("good", "as good")
def test_beside(made):
    raise AssertionError("of no query")
"""


@pytest.mark.parametrize(("texts", "said"), [(2, ["caught"] * 2 + ["survived"] * 2), (5, ["unsound"] * 10)])
def test_what_is_planted_again_and_again_is_judged_each_time_anew(
    tmp_path: Path, texts: int, said: list[str]
) -> None:
    """A test that runs a second time is set up a second time; one that a fault leaves something to says nothing."""
    (tmp_path / "sql" / "queries" / "a").mkdir(parents=True)
    queries = [tmp_path / "sql" / "queries" / "a" / f"{name}.sql" for name in ("b", "other")]
    for query in queries:
        query.write_text("good")
    (tmp_path / "test_q.py").write_text(JUDGE)
    done = subprocess.run(
        [sys.executable, "-c", PLANTED, f"{texts}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == said
    assert [query.read_text() for query in queries] == ["good", "good"]


MAKERS = (
    "models", "sql", "pipelines/compute", "pipelines/ingest/billing", "pipelines/ingest/telemetry", "pipelines/reports", "dashboards",
)  # fmt: skip
"""Where figures are made or read."""

JUDGED_BY_HAND = (
    "*/__init__.py", "*/__main__.py", "sql/migrations/*.sql", "dashboards/views/*.py", "dashboards/charts.py", "dashboards/app.py",
    "dashboards/frame.py", "dashboards/serve.py",
)  # fmt: skip
"""What only names, starts or draws: the browser's tests look at it. A migration is held by its checksum."""


def test_whatever_makes_or_reads_a_figure_has_judges() -> None:
    judges = judges_by_pattern()
    files = [
        path.relative_to(ROOT).as_posix()
        for folder in MAKERS
        for ending in ("py", "sql")
        for path in sorted((ROOT / folder).rglob(f"*.{ending}"))
    ]
    nobody = [
        path
        for path in files
        if judges_of(path, judges) == ("", [])
        and not any(fnmatch.fnmatch(path, pattern) for pattern in JUDGED_BY_HAND)
    ]
    assert len(files) > 200
    assert not nobody, nobody


def test_the_lists_name_files_that_are_there() -> None:
    for pattern, judges in judges_by_pattern().items():
        assert list(ROOT.glob(pattern)), pattern
        named = [*judges.tests, *([judges.reading] if judges.reading else [])]
        assert named and all((ROOT / judge).exists() for judge in named), pattern
    for one in yaml.safe_load((HERE / "equivalent.yaml").read_text()) or []:
        assert list(ROOT.glob(one["path"])) and one["reason"], one
