"""Reliability in money as pages draw it: what is known in digits, what is not in words, and text from outside as text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from streamlit.testing.v1 import AppTest


def page(of: str, **changed: Any) -> AppTest:
    """The section of an app or a team whose one app is worth what is given."""

    def script(of: str, changed: dict[str, object]) -> None:
        from datetime import date
        from decimal import Decimal
        from pathlib import Path
        from types import SimpleNamespace

        import polars as pl
        import streamlit as st

        from dashboards import access, worth
        from models.people import Viewer
        from models.schemas import SCHEMAS

        row = {
            **dict.fromkeys(SCHEMAS["mart_app_worth"].names(), 0),
            "app_id": "shop",
            "team": "web",
            "billing_currency": "EUR",
            "first_day": date(2026, 3, 2),
            "last_day": date(2026, 3, 29),
            "days_known": 25,
            "days_not_known": 3,
            "target": Decimal("0.99"),
            "verdict": "",
            "price_of_a_nine": None,
            "price_inputs": "not known: never moved",
            "proposal": "",
            "sentence": "",
            **changed,
        }
        frames = {
            "worth_shown/apps": pl.DataFrame([row], schema=SCHEMAS["mart_app_worth"]),
            "worth_shown/credits": pl.DataFrame(schema=SCHEMAS["mart_reliability_credits"]),
            "worth_shown/not_known": pl.DataFrame({"state": ["silent"], "days": [3]}),
            "worth_shown/days": pl.DataFrame(schema=SCHEMAS["mart_reliability_costs_daily"]),
        }
        reads = SimpleNamespace(frame=lambda name, **_: frames[name])
        st.session_state[access._LOOKER] = access.Looker(Path(), access.Identity(), Viewer())
        if of == "app":
            worth.app_section(reads, "shop", date(2026, 3, 1), date(2026, 3, 29))
        else:
            worth.team_section(reads)

    app = AppTest.from_function(script, default_timeout=30, args=(of, changed)).run()
    assert not app.exception
    return app


KNOWN = {
    "cost_per_good_request": Decimal("0.0012345678"),
    "failed_cost": Decimal("12.5"),
    "retry_cost": None,
    "budget_cost": Decimal(10),
    "burnt_share": 1.25,
    "telemetry_share": 0.5,
}


def test_what_is_known_is_told_and_what_is_not_is_said_to_be() -> None:
    app = page("app", **KNOWN)
    told = {one.label: one.value for one in app.metric}
    assert told == {
        "1,000 good requests, EUR": "1.235",
        "Failures cost, EUR": "12.50",
        "Retries cost, EUR": "not known",
        "Error budget, EUR": "10.00",
    }
    words = "\n".join(one.value for one in app.caption)
    assert "25 days known, 3 not known, of them 3 days as the app is silent" in words
    assert "never moved" in words and "50\\.0\\% of all apps" in words


def test_nothing_known_is_never_a_zero() -> None:
    app = page("app", **dict.fromkeys(KNOWN))
    assert {one.value for one in app.metric} == {"not known"}


def test_text_of_names_and_metrics_is_text() -> None:
    app = page(
        "app", **KNOWN, sentence="[x](http://evil)", verdict="failing", proposal="<img src=x> has 9 series"
    )
    shown = "\n".join(one.value for one in (*app.markdown, *app.caption))
    assert "[x](" not in shown and "<img" not in shown.replace("\\<img", "")


def test_a_team_reads_what_stands_out() -> None:
    [table] = page("team", **KNOWN, verdict="over_reliable").dataframe
    [row] = table.value.to_dict("records")
    assert row["Stands out"] == "More reliable than promised, and dear"
    assert (row["Cost of failures"], row["Budget used"]) == (Decimal("12.5"), 125)
