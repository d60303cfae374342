"""Owners in time, against a count second by second that shares nothing with the model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ownership import FIRST_MOMENT, LAST_MOMENT, SPAN, crossed, merged, unbroken
from models.schemas import MOMENT

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECONDS = 12
Lines = list[tuple[str, str | None, int, int]]


def frame(lines: Lines, value: str) -> pl.DataFrame:
    rows = [
        (key, said, NOON + timedelta(seconds=a), NOON + timedelta(seconds=b)) for key, said, a, b in lines
    ]
    schema = {"key": pl.String, value: pl.String, "holds_from": MOMENT, "holds_to": MOMENT}
    return pl.DataFrame(rows, schema=schema, orient="row")


def at(lines: pl.DataFrame, key: str, value: str, moment: datetime) -> list[str | None]:
    own = lines.filter(
        (pl.col("key") == key) & (pl.col("holds_from") <= moment) & (pl.col("holds_to") > moment)
    )
    return own[value].to_list()


@st.composite
def owners(draw: st.DrawFn) -> Lines:
    """Lines of two keys that do not overlap, some meeting, in any order."""
    lines: Lines = []
    for key in ("a", "b"):
        edges = sorted(draw(st.sets(st.integers(0, SECONDS), max_size=6)))
        for first, last in zip(edges, edges[1:], strict=False):
            if draw(st.booleans()):
                lines.append((key, draw(st.sampled_from(("x", "y"))), first, last))
    return draw(st.permutations(lines))


@settings(max_examples=40, deadline=None)
@given(owners(), owners())
def test_every_second_has_the_owner_of_the_lines_that_hold(left: Lines, right: Lines) -> None:
    teams, centers = (
        unbroken(frame(left, "team"), "key", ["team"]),
        unbroken(frame(right, "center"), "key", ["center"]),
    )
    both = merged(crossed(teams, centers, "key"), "key", ["team", "center"])
    told = {value: {(key, s): said for key, said, a, b in lines for s in range(a, b)} for value, lines in
            (("team", left), ("center", right))}  # fmt: skip
    for key in {line[0] for line in left}:
        for second in range(-1, SECONDS + 1):
            moment = NOON + timedelta(seconds=second)
            assert at(teams, key, "team", moment) == [told["team"].get((key, second))]
            assert at(both, key, "team", moment) == [told["team"].get((key, second))]
            assert at(both, key, "center", moment) == [told["center"].get((key, second))]
        own = both.filter(pl.col("key") == key)
        assert (own["holds_from"].min(), own["holds_to"].max()) == (FIRST_MOMENT, LAST_MOMENT)
        changed = [row != before for before, row in zip(own.rows(), own.rows()[1:], strict=False)]
        said = own.select("team", "center").rows()
        assert all(changed) and all(a != b for a, b in zip(said, said[1:], strict=False))


def test_nothing_known_is_nothing_to_cross_with() -> None:
    none = unbroken(frame([], "team"), "key", ["team"])
    assert none.is_empty() and none.columns == ["key", "team", *SPAN]
    lines = frame([("a", "x", 0, 5)], "team")
    assert crossed(lines, unbroken(frame([], "center"), "key", ["center"]), "key").rows() == [
        ("a", "x", NOON, NOON + timedelta(seconds=5), None)
    ]
