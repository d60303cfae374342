"""What `appfleet budgets` and `appfleet status` say of budgets."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from models.settings import Settings
from pipelines.commands.budgets import budget_sentence, print_budgets
from pipelines.commands.cli_words import PlainConsole
from pipelines.commands.summary import print_status
from sql.opening import open_warehouse
from tests.conftest import Migrated
from tests.dashboards.fleet import build, publish_fleet

ROW = {
    "scope": "team", "name": "red", "billing_currency": "USD", "period": "month", "as_of": date(2026, 3, 10),
    "last_day": date(2026, 3, 31), "budget": Decimal(2000), "spent": Decimal("1512.754"), "expected_total": 2100.0,
    "alert_share": Decimal("0.75"), "exhausted_on": None, "expected_on": None, "state": "alert",
}  # fmt: skip


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({}, "over 75 %; it is expected to last to 2026-03-31."),
        ({"expected_total": None}, "over 75 %."),
        (
            {"state": "over", "expected_on": date(2026, 3, 29)},
            "over 75 %; it is expected to run out on 2026-03-29.",
        ),
        (
            {"state": "over", "expected_on": date(2026, 3, 29), "alert_share": None},
            "spent to 2026-03-10; it is expected to run out on 2026-03-29.",
        ),
        (
            {"state": "exhausted", "exhausted_on": date(2026, 3, 9)},
            "spent to 2026-03-10; the budget to 2026-03-31 was spent on 2026-03-09.",
        ),
    ],
)
def test_a_budget_over_a_share_is_one_sentence(other: dict[str, object], said: str) -> None:
    told = budget_sentence({**ROW, **other})
    assert told.startswith("team red: USD 1,512.75 of 2,000.00 spent to 2026-03-10") and told.endswith(said)


def test_budgets_are_listed_and_those_that_need_somebody_are_said_twice(
    tmp_path: Path, migrated: Migrated
) -> None:
    root = migrated(tmp_path / "workspace")
    settings = Settings(root, root, root)
    with open_warehouse(root) as warehouse:
        nothing = said(lambda console: print_budgets(console, settings))
        publish_fleet(warehouse, build())
        listed = said(lambda console: print_budgets(console, settings))
        status = said(lambda console: print_status(console, settings, datetime(2026, 3, 12, tzinfo=UTC)))
    assert nothing.startswith("No budget holds today")
    rows = [line for line in listed.splitlines() if " month " in line or ", month" in line]
    assert ["app checkout" in rows[0], "team payments" in rows[1]] == [True, True] and len(rows) == 4
    assert (
        "the fleet, month" in listed
        and "90,000.00" in listed
        and "2,834" in listed
        and "2026-03-29" in listed
    )
    sentences = [
        "app checkout: USD 512.75 of 500.00 spent to 2026-03-11; the budget to 2026-03-31 was spent on 2026-03-10.",
        "team payments: USD 1,512.75 of 2,000.00 spent to 2026-03-11, over 50 %; it is expected to run out on 2026-03-29.",
    ]
    for text in (listed, status):
        assert [line for line in text.splitlines() if " spent to " in line] == sentences


def said(what: object) -> str:
    """What is printed to a console nobody's window cuts."""
    out = io.StringIO()
    assert callable(what)
    what(PlainConsole(file=out, width=200, force_terminal=False, highlight=False))
    return out.getvalue()
