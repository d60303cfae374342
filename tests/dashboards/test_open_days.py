"""Pages say which days are not whole yet, and Finance how far each source is settled."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from dashboards.open_days import open_sentence
from tests.dashboards.conftest import Run
from tests.dashboards.fleet import COST_DAY, SOURCES


@pytest.mark.parametrize("page", ["fleet", "team", "anomalies"])
def test_a_page_says_which_days_are_open(run: Run, full_workspace: Path, page: str) -> None:
    app = run(full_workspace, page)
    assert not app.exception
    (said,) = [one.value.replace("\\", "") for one in app.caption if "Not whole yet" in one.value]
    day = COST_DAY + timedelta(days=1)
    assert f"azure-eu {day.day}" in said or f"azure-eu {day}" in said
    assert f"(usage reaches {COST_DAY})" in said
    assert "aws-main" not in said


def test_finance_says_how_far_the_days_of_a_month_are_settled(run: Run, full_workspace: Path) -> None:
    app = run(full_workspace, "finance")
    (table,) = [one.value for one in app.dataframe if "Why" in one.value and "Days" in one.value]
    arrived = COST_DAY.day
    assert sorted(zip(table["Source"], table["State"], table["Days"], strict=True)) == sorted(
        [*((source, "arrived, may change", arrived) for source in SOURCES), ("azure-eu", "not whole", 1)]
    )


@pytest.mark.parametrize(
    ("last", "count", "words"),
    [(date(2026, 3, 3), 1, ""), (date(2026, 3, 5), 3, " to "), (date(2026, 3, 9), 3, "3 days of them")],
)
def test_open_days_are_one_day_a_run_or_some_of_a_run(last: date, count: int, words: str) -> None:
    first = date(2026, 3, 3)
    row = {"source_name": "aws", "first_day": first, "last_day": last, "days": count, "reason": "why"}
    said = open_sentence(row)
    assert said.startswith("aws ") and said.endswith("(why)")
    assert words in said
    assert (" to " in said) == (last != first)
