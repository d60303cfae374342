"""Every bound of the design is held against a figure by some part, and what is said of it is right at its edges."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.bench import PARTS
from bench.measure import Cost, Costs, Line, compared, lengthened, p95, print_lines, repeated
from bench.pages import pages
from bench.targets import TARGETS, Figure, Target, Unit, Verdict, verdict, worst
from dashboards import access

BENCH = Path(__file__).resolve().parents[2] / "bench"
AT_MOST = Target("", "", "", 2.0)
AT_LEAST = Target("", "", "", 0.6, Unit.RATIO, at_least=True)
SIZED = Target("", "", "", 2.0, size={"apps": 4_200, "days": 90})


def named_by(function: str) -> set[str]:
    """The targets a part names, itself or in what it calls of its module."""
    module = next(path for path in BENCH.glob("*.py") if f"def {function}(" in path.read_text())
    functions = {
        one.name: one for one in ast.parse(module.read_text()).body if isinstance(one, ast.FunctionDef)
    }
    found, todo, seen = set(), [function], set()
    while todo:
        name = todo.pop()
        seen.add(name)
        for call in ast.walk(functions[name]):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                if call.func.id == "target":
                    assert isinstance(call.args[0], ast.Constant)
                    found.add(str(call.args[0].value))
                elif call.func.id in functions and call.func.id not in seen:
                    todo.append(call.func.id)
    return found


@pytest.mark.parametrize("part", PARTS)
def test_each_part_holds_its_targets_against_something(part: str) -> None:
    wanted = {one.name for one in TARGETS.values() if one.part == part}
    found = named_by(PARTS[part].__name__)
    if part == "pages":
        found |= named_by("browsed")
    assert wanted <= found
    assert found <= set(TARGETS)


def test_no_target_is_of_a_part_that_is_not_there() -> None:
    assert {one.part for one in TARGETS.values()} <= set(PARTS)
    assert all(one.source for one in TARGETS.values())


def test_every_row_of_the_design_has_a_target(shared_data: Path) -> None:
    text = (shared_data.parent / "DESIGN.md").read_text(encoding="utf-8")
    section = re.search(r"^## 6\. .*?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section
    works = [line.split("|")[1].strip() for line in section[1].splitlines() if line.startswith("| ")][1:]
    rows = {one.row for one in TARGETS.values()}
    assert len(works) >= 12
    assert [work for work in works if not any(work.startswith(row) for row in rows)] == []
    assert [row for row in rows if not any(work.startswith(row) for work in works)] == []


@pytest.mark.parametrize(
    ("target", "figure", "word"),
    [
        (AT_MOST, Figure(2.0), "met"),
        (AT_MOST, Figure(2.0001), "missed"),
        (AT_MOST, Figure(1.5, spread=(1.0, 2.0)), "met"),
        (AT_MOST, Figure(1.5, spread=(1.0, 2.0001)), "not shown"),
        (AT_MOST, Figure(2.5, spread=(2.0, 3.0)), "not shown"),
        (AT_MOST, Figure(2.5, spread=(2.0001, 3.0)), "missed"),
        (AT_LEAST, Figure(0.6, Unit.RATIO), "met"),
        (AT_LEAST, Figure(0.5999, Unit.RATIO), "missed"),
        (AT_LEAST, Figure(0.7, Unit.RATIO, (0.6, 0.9)), "met"),
        (AT_LEAST, Figure(0.7, Unit.RATIO, (0.5999, 0.9)), "not shown"),
        (AT_LEAST, Figure(0.5, Unit.RATIO, (0.4, 0.5999)), "missed"),
        (AT_MOST, None, "not shown"),
        (AT_MOST, Figure(float("nan")), "not shown"),
    ],
)
def test_a_verdict_at_its_edges(target: Target, figure: Figure | None, word: str) -> None:
    assert verdict(target, figure, {}).word == word


@pytest.mark.parametrize(
    ("size", "word"),
    [
        ({"apps": 4_200, "days": 90}, "met"),
        ({"days": 90, "apps": 4_200, "rows": 7}, "met"),
        ({"apps": 4_200, "days": 89}, "not shown"),
        ({"apps": 4_201, "days": 90}, "not shown"),
        ({"apps": 4_200}, "not shown"),
        ({}, "not shown"),
    ],
)
def test_another_size_shows_nothing(size: dict[str, int], word: str) -> None:
    said = verdict(SIZED, Figure(1.0), size)
    assert said.word == word
    assert ("4,200 apps x 90 days" in said.why) == (word == "not shown")


def test_a_figure_in_another_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="RATIO"):
        verdict(AT_LEAST, Figure(1.0), {})


def test_a_doubt_outweighs_a_figure_and_seconds_are_judged_without_one() -> None:
    assert Line("", Cost(1.0), target=AT_MOST).verdict == Verdict("met")
    assert Line("", Cost(3.0), target=AT_MOST).verdict == Verdict("missed")
    assert Line("", Cost(1.0), target=AT_MOST, doubt="half").verdict == Verdict("not shown", "half")
    assert Line("", Cost(1.0)).verdict is None
    assert Line("", target=AT_MOST).verdict == Verdict("not shown", "not measured")


def test_the_worst_of_several_lines_is_said_of_a_target() -> None:
    met, missed, unknown = Verdict("met"), Verdict("missed"), Verdict("not shown", "why")
    assert worst([met, missed, unknown]) == missed
    assert worst([met, unknown]) == unknown
    assert worst([met, met]) == met


def costs(*seconds: float) -> Costs:
    return Costs([Cost(one, 2 * one) for one in seconds])


@pytest.mark.parametrize(("of", "figure"), [(compared, (0.5, 0.25, 1.0)), (lengthened, (2.0, 1.0, 4.0))])
def test_a_ratio_is_the_median_of_its_rounds(of: Callable[..., Line], figure: tuple[float, ...]) -> None:
    line = of("", costs(2.0, 8.0, 3.0), costs(1.0, 2.0, 3.0), "base", target=AT_LEAST)
    assert line.figure == Figure(figure[0], Unit.RATIO, figure[1:])
    assert line.cpu_ratio == figure[0]


def test_rounds_of_seconds_and_their_95th_percentile() -> None:
    assert repeated("", costs(3.0, 1.0, 2.0)).figure == Figure(2.0, spread=(1.0, 3.0))
    assert repeated("", Costs([Cost(1.0)])).cost == Cost(1.0, None)
    assert p95(range(20, 0, -1)) == Figure(19)
    assert p95(range(1, 22)) == Figure(20)
    assert p95([3.0, 1.0, 2.0]) == Figure(3.0)


def test_the_pages_measured_are_those_of_the_menu() -> None:
    views = Path(access.__file__).parent / "views"
    assert sorted(page.view for page in pages()) == sorted(
        path.stem for path in views.glob("*.py") if path.stem not in ("__init__", "access_log")
    )
    assert [page.path for page in pages()].count("") == 1


def test_every_target_of_the_parts_is_printed_with_its_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    size = {"apps": 120, "days": 90}
    lines = [
        Line("a", Cost(0.9), target=TARGETS["command-sql"], size=size),
        Line("b", Cost(1.1), target=TARGETS["command-slo"], size=size),
        Line("c", Cost(0.5)),
    ]
    print_lines(lines, ["commands"], "all", markdown=True)
    said = {
        row[2].strip(): row[6].strip()
        for line in capsys.readouterr().out.split("## targets")[1].splitlines()[4:]
        if len(row := line.split("|")) > 6
    }
    assert said == {
        "command-sql": "met",
        "command-slo": "missed",
        "command-status": "not shown: not measured",
        "up-pages": "not shown: not measured",
    }
    print_lines(lines, ["commands"], "all")
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [one["verdict"] and one["verdict"]["word"] for one in told] == ["met", "missed", None]
    assert told[1]["target"]["bound"] == 1
