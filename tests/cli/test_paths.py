"""Where a workspace may lie: a path the engine or Dagster would read as another one is refused, and any other one works."""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from models.errors import ConfigurationError
from sql.workspace import load_settings
from tests.cli.conftest import appfleet, make_workspace, owned, rows
from tests.cli.test_bad_input import focus
from tests.conftest import Migrated
from tests.telemetry import otlp_messages as otlp

REFUSED = "*?{}\\%&\n\t\x7f\u2028\udcff"
TAKEN = "".join(sorted({*string.punctuation, *" ü漢"} - {*REFUSED, "/"}))
COSTS, SPANS = 4, 7


@pytest.mark.parametrize("character", REFUSED)
def test_a_path_that_means_something_else_is_refused(tmp_path: Path, character: str) -> None:
    for name in (f"a{character}b", f"a{character}b/below"):
        with pytest.raises(ConfigurationError, match="a path of a workspace may not hold") as refused:
            load_settings(tmp_path / name)
        assert len(str(refused.value).splitlines()) == 1 or not character.isprintable()
        assert (character if character.isprintable() else ascii(character)) in str(refused.value)


def test_a_link_to_such_a_path_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "a{1..3}").mkdir()
    (tmp_path / "plain").symlink_to("a{1..3}")
    with pytest.raises(ConfigurationError, match="may not hold { }"):
        load_settings(tmp_path / "plain")


@pytest.mark.parametrize("words", [("init",), ("simulate",), ("run", "-w")])
def test_no_command_begins_one_there(tmp_path: Path, words: tuple[str, ...]) -> None:
    place = tmp_path / "a{b,c}"
    answer = appfleet(None, *words, str(place), code=2)
    assert "may not hold { }" in answer.err and answer.err.count("\n") == 1
    assert not place.exists()


@pytest.mark.slow
def test_bills_and_telemetry_below_any_other_path_count(tmp_path: Path, migrated: Migrated) -> None:
    root = migrated(tmp_path / TAKEN)
    for folder in ("bills", "otlp"):
        (root / folder).mkdir()
    costs = [{"BilledCost": str(cost), "ResourceId": f"r{cost}"} for cost in range(COSTS)]
    (root / "bills/bill.csv").write_bytes(focus(*costs))
    (root / "otlp/spans.jsonl").write_bytes(otlp.as_json(otlp.traces(SPANS)))
    make_workspace(
        root,
        sources={
            "billing": [{"name": "bill", "format": "focus", "location": "bills"}],
            "telemetry": [{"name": "files", "format": "otlp", "location": "otlp"}],
        },
    )
    with owned(root):
        assert "(billing " in appfleet(root, "run").out
        counted = "SELECT (SELECT count() FROM raw_focus_costs_current) AS c, (SELECT count() FROM otel.otel_traces_current) AS s"
        [row] = rows(root, counted)
        assert (int(row["c"]), int(row["s"])) == (COSTS, SPANS)
