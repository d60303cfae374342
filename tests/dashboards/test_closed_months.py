"""The Finance page of a closed month: who closed it, what adjusts it, its files, and no button; of an open one the button."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
import streamlit as st

from models.commitments import PARTS
from models.people import CLOSE_MONTHS, SEE_ALL_TEAMS, SEE_STATEMENTS, Viewer
from models.schemas import SCHEMAS
from pipelines.reports.statements import read_statement
from sql.closings import CLOSED, REOPENED, Closing, closed_months, decide, write_closed
from sql.opening import open_warehouse
from sql.publish import publish
from sql.warehouse import Warehouse
from tests.conftest import Migrated
from tests.dashboards.conftest import Run
from tests.dashboards.fleet import COST_DAY, EVERYTHING, Fleet, month_of, publish_fleet
from tests.dashboards.test_pages import words

MONTH = month_of(COST_DAY)
BEFORE = (MONTH - timedelta(days=1)).replace(day=1)
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
        _publish_reporting(warehouse, read_statement(warehouse, BEFORE).lines)
        yield root
        st.cache_resource.clear()


def _publish_reporting(warehouse: Warehouse, lines: pl.DataFrame) -> None:
    """The month before in CHF: every line as many francs as it is charged; one day without a rate in MONTH; a bridge."""
    frames = {
        "mart_reporting_lines": lines.select(
            "statement_period", "line", "billed_cost", "effective_cost", "amount", reporting_currency=pl.lit("CHF")
        ),
        "mart_reporting_rates": pl.DataFrame(
            [
                (month, day, "USD", "CHF", rate, day, "SNB <i>")
                for month, day, rate in (
                    (BEFORE, BEFORE, Decimal("0.5")), (BEFORE, COST_DAY - timedelta(days=20), Decimal("0.75")),
                )
            ],
            schema=SCHEMAS["mart_reporting_rates"], orient="row",
        ),
        "mart_cost_bridges": pl.DataFrame(
            [
                (BEFORE, source, "USD", place, part, Decimal(amount))
                for source, amounts in (("aws-main", (9, -4, 0, 3, 1, 0, 9)), ("same", (2, 0, 0, 0, 0, 0, 2)))
                for place, (part, amount) in enumerate(zip(PARTS, amounts, strict=True))
            ],
            schema=SCHEMAS["mart_cost_bridges"], orient="row",
        ),
        "mart_unused_commitments": pl.DataFrame(
            [
                (BEFORE, "aws-main", "USD", "plan-1", "", "checkout", "payments", Decimal(1), Decimal(3)),
                (BEFORE, "aws-main", "USD", "plan-2", "Plan", "unallocated", "unassigned", Decimal("0.5"), Decimal(0)),
            ],
            schema=SCHEMAS["mart_unused_commitments"], orient="row",
        ),
    }  # fmt: skip
    batches = {table: uuid.uuid4() for table in frames}
    for table, frame in frames.items():
        warehouse.insert(table, frame.with_columns(batch_id=pl.lit(str(batches[table]))))
    publish(
        warehouse, "reporting", BEFORE, batches=batches, rows=sum(one.height for one in frames.values()), sha256="x", version=AT
    )  # fmt: skip


def test_a_month_is_shown_in_the_reporting_currency_and_from_billed_to_effective(
    run: Run, closed_workspace: Path
) -> None:
    month = f"{BEFORE:%Y-%m}"
    app = run(closed_workspace, "finance", viewer=FINANCE, month=month)
    assert not app.exception
    with open_warehouse(closed_workspace) as warehouse:
        lines = read_statement(warehouse, BEFORE).lines
    [table] = [one.value for one in app.dataframe if "Charged CHF" in one.value.columns]
    assert table["Team"].to_list()[-1] == "Total"
    assert Decimal(str(table["Charged CHF"].iloc[-1])).quantize(Decimal("0.01")) == sum(lines["amount"])
    told = words(app).replace("\\", "").replace("\u2060", "")
    assert "1 USD is CHF 0.5 to 0.75 on 2 days of usage (SNB <i>)" in told
    [bridge] = [one.value for one in app.dataframe if "Part" in one.value.columns]
    assert bridge.columns.tolist() == ["Part", "aws-main, USD"]
    assert bridge.to_numpy().tolist() == [
        [label, amount]
        for label, amount in zip(PARTS.values(), ["9", "-4", "0", "3", "1", "0", "9"], strict=True)
    ]
    [unused] = [one.value for one in app.dataframe if "Not used" in one.value.columns]
    assert unused["Commitment"].to_list() == ["plan-1", "Plan"]
    # of a team lead only the team's own, and no bridge, which is of whole bills
    lead = Viewer("Lee", ("payments",), (SEE_STATEMENTS,))
    app = run(closed_workspace, "finance", viewer=lead, month=month)
    [table] = [one.value for one in app.dataframe if "Charged CHF" in one.value.columns]
    assert set(table["Team"]) == {"payments", "Total"}
    [unused] = [one.value for one in app.dataframe if "Not used" in one.value.columns]
    assert unused["Commitment"].to_list() == ["plan-1"]
    assert not [one for one in app.dataframe if "Part" in one.value.columns]
    # the newest month has no rates at all: nothing is said of another currency
    app = run(closed_workspace, "finance", viewer=FINANCE)
    assert "CHF" not in words(app)


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
