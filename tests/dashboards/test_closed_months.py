"""The Finance page of a closed month: who closed it, what adjusts it, its files, and no button; of an open one the button."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import streamlit as st

from models.people import CLOSE_MONTHS, SEE_ALL_TEAMS
from pipelines.reports.statements import read_statement
from sql.closings import CLOSED, REOPENED, Closing, closed_months, decide, write_closed
from sql.opening import open_warehouse
from tests.conftest import Migrated
from tests.dashboards.conftest import Run
from tests.dashboards.fleet import COST_DAY, EVERYTHING, Fleet, month_of, publish_fleet

MONTH = month_of(COST_DAY)
AT = datetime(2027, 1, 2, 3, 4, tzinfo=UTC)
FINANCE = replace(EVERYTHING, rights=(*EVERYTHING.rights, SEE_ALL_TEAMS, CLOSE_MONTHS))


@pytest.fixture(scope="module")
def closed_workspace(
    tmp_path_factory: pytest.TempPathFactory, migrated: Migrated, fleet: Fleet
) -> Iterator[Path]:
    """The fleet with its newest month closed; one line of a team says that it adjusts another month."""
    root = migrated(tmp_path_factory.mktemp("closed"))
    with open_warehouse(root) as warehouse:
        publish_fleet(warehouse, fleet)
        lines = read_statement(warehouse, MONTH).lines
        is_first = pl.col("line") == lines.filter(team="people")["line"].min()
        lines = lines.with_columns(
            adjustment=pl.when(is_first).then(pl.lit("restatement")).otherwise(pl.lit("")),
            adjustment_of=pl.when(is_first).then(pl.lit("none")).otherwise(pl.lit("")),
        )
        closing = Closing(
            MONTH, CLOSED, uuid.UUID(int=0), "Grace <b>", AT, statement_id="2026-10-ab", statement_version=3,
            rule_version="1", rows=lines.height,
        )  # fmt: skip
        write_closed(warehouse, closing, lines, {f"chargeback-{MONTH:%Y-%m}.csv": b"x\r\n"})
        yield root
        st.cache_resource.clear()


def test_a_closed_month_says_so_and_a_reopened_one_too(run: Run, closed_workspace: Path) -> None:
    app = run(closed_workspace, "finance", viewer=FINANCE)
    assert not app.exception
    (said,) = [one.value for one in app.success if "Closed by" in one.value]
    plain = said.replace("\\", "").replace("\u2060", "")
    assert "by Grace <b> at 2027-01-02 03:04 UTC" in plain and "version 3" in plain
    assert "<b>" not in said.replace("\\<", "")
    assert [one.label for one in app.button if one.label.startswith("Close ")] == []
    assert "Adjustments" in [one.value for one in app.header]
    (adjustments,) = [one.value for one in app.dataframe if "Adjusts line" in one.value.columns]
    assert adjustments["Adjusts line"].to_list() == ["none"]
    assert any("Do the statements tie" in one.value for one in app.header)
    with open_warehouse(closed_workspace) as warehouse:
        closed = closed_months(warehouse)[MONTH]
        decide(warehouse, replace(closed, state=REOPENED, decided_by="Ada", reason="wrong rate"))
    app = run(closed_workspace, "finance", viewer=FINANCE)
    assert any("wrong rate" in one.value.replace("\\", "") for one in app.warning)
    labels = [one.label for one in app.button if one.label.startswith("Close ")]
    assert labels == [f"Close {MONTH:%Y-%m}"]
    nobody = replace(FINANCE, rights=tuple(right for right in FINANCE.rights if right != CLOSE_MONTHS))
    app = run(closed_workspace, "finance", viewer=nobody)
    assert [one.label for one in app.button if one.label.startswith("Close ")] == []
