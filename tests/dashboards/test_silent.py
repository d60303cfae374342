"""What a page says of apps that fell silent together: the largest such fall, and nothing where none fell together."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest


def page(together: list[int]) -> AppTest:
    """The table of silent apps, of which so many fell silent together with each."""

    def script(together: list[int]) -> None:
        from datetime import UTC, datetime
        from pathlib import Path

        import polars as pl
        import streamlit as st

        from dashboards import access
        from dashboards.silent import silent_table
        from models.people import Viewer

        st.session_state[access._LOOKER] = access.Looker(Path(), access.Identity(), Viewer())
        silent_table(
            pl.DataFrame(
                {
                    "app_id": [f"app-{number}" for number in range(len(together))],
                    "team": "web",
                    "environment": "production",
                    "silent_since": datetime(2026, 3, 11, tzinfo=UTC),
                    "received": 0,
                    "expected": 40.4,
                    "requests_per_day": 12.0,
                    "apps_together": together,
                    "wait_hours": [31.0, *[0.0] * (len(together) - 1)],
                }
            )
        )

    app = AppTest.from_function(script, default_timeout=30, args=(together,)).run()
    assert not app.exception
    return app


@pytest.mark.parametrize(
    ("together", "said"), [([9, 9, 4, 0], "9 apps fell silent"), ([3], "3 apps fell silent"), ([0, 0], "")]
)
def test_apps_that_fell_silent_together_are_one_finding(together: list[int], said: str) -> None:
    told = [one.value for one in page(together).warning]
    assert len(told) == bool(said)
    assert all(one.startswith(said) for one in told)


def test_each_app_is_told_with_what_came_and_what_was_expected() -> None:
    (table,) = page([2, 0]).dataframe
    rows = table.value.to_dict("records")
    first = {
        "Silent since": rows[0]["Silent since"],
        "Requests since": 0,
        "Expected": 40,
        "Requests a day before": 12.0,
        "Waited for": 31.0,
        "Environment": "production",
        "Team": "web",
        "Apps together": 2,
    }
    assert {key: rows[0][key] for key in first} == first
    assert f"{rows[0]['Silent since']:%Y-%m-%d %H:%M}" == "2026-03-11 00:00"
    assert [row["Apps together"] for row in rows] == [2, 0]
    assert [one.value for one in page([2, 0]).caption] == ["2 silent apps, the longest silent first"]
