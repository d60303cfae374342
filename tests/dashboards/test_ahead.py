"""Where a month ends and what is left of a budget, as pages show it: figures, words, and whose they are."""

from __future__ import annotations

import pytest

from dashboards.ahead import predicted, share
from models.people import SEE_ALL_TEAMS, Viewer
from tests.dashboards.conftest import Path, Run
from tests.dashboards.test_pages import metric, words


def test_the_team_page_says_where_the_month_ends_with_its_band(run: Run, full_workspace: Path) -> None:
    app = run(full_workspace, "team", viewer=Viewer(teams=("payments",)))
    assert not app.exception
    assert metric(app, "March expected in USD") == ("USD 1,835", "80% band: 1,790 to 1,902")
    assert metric(app, "March expected in EUR") == (
        "EUR 1,650",
        "no band: too few past windows to be judged by",
    )
    told = words(app)
    assert "USD: 1 app of 5 cannot be predicted yet; what they have cost counts" in told
    assert "EUR: " not in [one.value for one in app.caption if "cannot be predicted" in one.value][0]


def test_budgets_are_told_with_the_day_they_run_out_those_that_need_somebody_first(
    run: Run, full_workspace: Path
) -> None:
    app = run(full_workspace, "team", viewer=Viewer(teams=("payments",)))
    [table] = [one.value for one in app.dataframe if "Runs out" in one.value.columns]
    shown = [
        tuple(row) for row in table[["Of", "State", "Runs out", "Alerts", "Expected"]].itertuples(index=False)
    ]
    middle = "2,834 (2,790 to 2,901)"
    assert shown == [
        ("App checkout", "Exhausted", "spent on 2026-03-10", "100 % spent", middle),
        (
            "Team payments",
            "Will run out",
            "2026-03-29 (2026-03-27 or later)",
            "50 % spent, 100 % expected",
            middle,
        ),
    ]
    assert [round(value, 3) for value in table["Share spent"]] == [102.55, 75.638]


def test_the_three_largest_changes_of_a_currency_are_told_in_a_sentence_each(
    run: Run, full_workspace: Path
) -> None:
    """Of four in dollars and one in euros; text of the bill is text."""
    app = run(full_workspace, "team", viewer=Viewer(teams=("payments",)))
    told = [one.value for one in app.markdown if "by chance" in one.value]
    assert told == [
        "**card\\-vault**: EUR 6 by chance\\.",
        "**checkout**: USD 21\\.5 by chance\\.",
        "**invoice\\-bot**: USD \\-2\\.5 by chance\\.",
        "**refund\\-helper**: USD 0\\.25 by chance\\.",
    ]
    [hostile] = [
        one.value
        for one in run(full_workspace, "team", viewer=Viewer(teams=("logistics",))).markdown
        if "evil" in one.value
    ]
    assert "\\]\\(https" in hostile and "\\<img" in hostile


def test_an_app_that_cannot_be_predicted_says_why(run: Run, full_workspace: Path) -> None:
    app = run(full_workspace, "one_app", app="checkout")
    assert metric(app, "March expected in USD") == ("USD 87.7", "80% band: 80.0 to 99.5")
    assert metric(app, "March expected in EUR") == ("–", "not predicted: fewer than 7 days of cost are known")


@pytest.mark.parametrize(("rights", "is_shown"), [((SEE_ALL_TEAMS,), True), ((), False)])
def test_the_whole_fleet_is_for_who_sees_every_team(
    run: Run, full_workspace: Path, rights: tuple[str, ...], is_shown: bool
) -> None:
    app = run(full_workspace, "fleet", viewer=Viewer(teams=("payments", "people"), rights=rights))
    assert ("March expected in USD" in {one.label for one in app.metric}) == is_shown
    assert ("Whole fleet" in words(app)) == is_shown


def test_another_teams_budgets_are_not_shown(run: Run, full_workspace: Path) -> None:
    told = words(run(full_workspace, "team", viewer=Viewer(teams=("people",))))
    assert "App shift-swap" in told and "lasts" in told
    assert "Team payments" not in told and "App checkout" not in told


@pytest.mark.parametrize(
    ("amount", "expected"),
    [(0.0, "USD 0.00"), (9.994, "USD 9.99"), (-3.5, "USD -3.50"), (10, "USD 10.0"), (99.96, "USD 100.0"), (1234567.8, "USD 1,234,568")],
)  # fmt: skip
def test_predicted_amounts_have_no_more_digits_than_anybody_knows(amount: float, expected: str) -> None:
    assert predicted(amount, "USD") == expected


def test_shares_read_as_they_were_written() -> None:
    from decimal import Decimal

    assert [share(Decimal(one)) for one in ("0.5", "1", "0.875", "1.50", "10")] == [
        "50 %", "100 %", "87.5 %", "150 %", "1000 %",
    ]  # fmt: skip


def test_many_teams_are_a_table(run: Run, full_workspace: Path) -> None:
    app = run(full_workspace, "team", viewer=Viewer(teams=("payments", "logistics")))
    assert not app.exception
    [table] = [one.value for one in app.dataframe if "Charged so far" in one.value.columns]
    shown = [tuple(row) for row in table.drop(columns="Charged so far").itertuples(index=False)]
    assert shown == [
        ("payments", "EUR", "1,650", "no band: too few past windows to be judged by", 0),
        ("logistics", "EUR", "77.0", "70.0 to 99.0", 0),
        ("payments", "USD", "1,835", "1,790 to 1,902", 1),
    ]
    assert [float(value) for value in table["Charged so far"]] == [1512.75] * 3
