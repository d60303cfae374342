"""A table of apps: ids are text whatever they look like, and what is clicked is the id, not the place of a line."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from dashboards import frame

SCRIPT = """
import polars as pl
import streamlit as st
from pathlib import Path
from dashboards import access
from dashboards.frame import app_table
from models.people import Viewer

st.session_state[access._LOOKER] = access.Looker(Path(), access.Identity(), Viewer())
ids = [":material/delete: x", " :red[x]", '["a", "b"]', "\N{ROCKET} x", "*a* `b` <i>c</i>", "plain", "", None]
app_table(pl.DataFrame({"n": range(8), "app_id": ids}), "table", "Apps")
"""
IDS = [":material/delete: x", " :red[x]", '["a", "b"]', "\N{ROCKET} x", "*a* `b` <i>c</i>", "plain", "", None]
PLAIN = "\u2060"


def test_an_id_that_looks_like_an_icon_or_a_list_is_shown_as_text() -> None:
    app = AppTest.from_string(SCRIPT, default_timeout=30).run()
    assert not app.exception
    table = pl.from_pandas(app.dataframe[0].value)
    assert table.columns == ["app", "n", "App id"]
    assert table["App id"].to_list() == IDS
    assert table["app"].to_list() == [*(PLAIN + one for one in IDS[:4] if one), *IDS[4:6], None, None]


@pytest.mark.parametrize("app_id", IDS[:6])
def test_a_click_opens_the_app_that_was_read_though_the_rows_have_changed(
    monkeypatch: pytest.MonkeyPatch, app_id: str
) -> None:
    opened: list[Any] = []
    [label] = frame.app_labels(pl.Series([app_id]))
    monkeypatch.setattr(frame.st, "session_state", {"table": {"row": 3, "label": label}})
    monkeypatch.setattr(type(frame.st.query_params), "to_dict", lambda _: {"team": "people"})
    monkeypatch.setattr(
        frame.st, "switch_page", lambda page, query_params: opened.append((page, query_params))
    )
    frame.open_clicked("table")
    assert opened == [("views/one_app.py", {"team": "people", "app": app_id})]


@pytest.mark.parametrize(
    ("label", "opened"),
    [
        ("team a, b", [("views/team.py", {"state": "open", "team": "a, b"})]),
        ("team ", [("views/team.py", {"state": "open", "team": ""})]),
        ("telemetry", []),
    ],
)
def test_a_line_of_no_app_opens_its_team_or_nothing(
    monkeypatch: pytest.MonkeyPatch, label: str, opened: list[Any]
) -> None:
    """Whatever an app is called, it is not taken for one of these lines."""
    found: list[Any] = []
    ids = pl.Series(["", "\u2063team x", "team x"])
    labels = frame.app_labels(ids, pl.Series([label, "team y", "team y"]))
    monkeypatch.setattr(type(frame.st.query_params), "to_dict", lambda _: {"state": "open"})
    monkeypatch.setattr(
        frame.st, "switch_page", lambda page, query_params: found.append((page, query_params))
    )
    for one in labels:
        monkeypatch.setattr(frame.st, "session_state", {"table": {"row": 0, "label": one}})
        frame.open_clicked("table")
    apps = [("views/one_app.py", {"state": "open", "app": one}) for one in ids[1:]]
    assert found == [*opened, *apps]


def test_a_column_that_says_nothing_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has it all the same, and a table without rows has all its columns."""
    drawn: list[list[str]] = []
    offered: list[bytes] = []
    monkeypatch.setattr(frame.st, "dataframe", lambda shown, **_: drawn.append(shown.columns))
    monkeypatch.setattr(frame, "offer_file", lambda _label, _key, make, *_, **__: offered.append(make()))
    rows = pl.DataFrame(
        {
            "app_id": ["a", "b"], "empty": ["", None], "null": [None, None], "zero": [0, None], "no": [False, False],
            "word": ["", "x"],
        },
        schema_overrides={"null": pl.Int64},
    )  # fmt: skip
    frame.app_table(rows, "table", "Apps")
    frame.app_table(rows.clear(), "other", "Apps")
    assert drawn == [["app", "zero", "no", "word", "App id"], ["app", *rows.columns[1:], "App id"]]
    assert offered[0].decode("utf-8-sig").splitlines()[0].split(",") == rows.columns


def test_the_download_of_a_table_has_every_row_and_every_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 4,200 apps, of which a table shows a window: in its order, amounts whole, texts that would be formulas as text."""
    offered: list[Any] = []
    monkeypatch.setattr(frame.st, "dataframe", lambda *_, **__: None)
    monkeypatch.setattr(
        frame, "offer_file", lambda label, _, data, name, **__: offered.append((label, data(), name))
    )
    exact = [Decimal(number) / 7 if number % 5 else None for number in range(4_200)]
    costs = [None if one is None else one.quantize(Decimal("1e-18")) for one in exact]
    table = pl.DataFrame(
        {
            "app_id": [f"app-{number}" for number in range(4_199)] + ["=1+1"],
            "cost": pl.Series(costs, dtype=pl.Decimal(38, 18)),
            "flags": [["Idle", "No owner"] if number % 2 else [] for number in range(4_200)],
        }
    )
    frame.app_table(table, "apps", "Apps", {"cost": {"label": "EUR, 4 weeks"}})  # type: ignore[dict-item]
    [(label, content, name)] = offered
    assert (label, name) == ("Download 4,200 rows, every digit (CSV)", "apps.csv")
    header, *lines = csv.reader(io.StringIO(content.decode("utf-8-sig")))
    assert header == ["app_id", "EUR, 4 weeks", "flags"]
    assert len(lines) == 4_200 and [line[0] for line in lines[:-1]] == table["app_id"].to_list()[:-1]
    assert lines[-1][0].endswith("=1+1") and lines[-1][0] != "=1+1"
    assert [Decimal(line[1]) if line[1] else None for line in lines] == costs
    assert {line[2] for line in lines} == {"", "Idle; No owner"}


def test_a_short_table_is_as_high_as_its_rows_and_a_long_one_a_window() -> None:
    heights = [frame.table_height(rows) for rows in (0, 1, 16, 17, 4_200)]
    assert heights == ["content"] * 3 + [600] * 2
