"""Which raw rows are past their retention: against the age of every row, in seconds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ConfigurationError
from models.registry import CRITICALITIES, criticalities
from models.retention import Partition, first_kept_day, is_past, leaving, retention
from models.yaml_reader import documents

DAYS = st.dates(date(2026, 1, 1), date(2026, 12, 31))
KEPT = st.integers(2, 400)
LAST_NANOSECOND = timedelta(days=1) - timedelta(microseconds=1)


@given(day=DAYS, today=DAYS, kept=KEPT)
def test_a_day_goes_when_its_youngest_row_has_been_kept_for_whole_days(
    day: date, today: date, kept: int
) -> None:
    youngest = datetime(day.year, day.month, day.day, tzinfo=UTC) + LAST_NANOSECOND
    begins = datetime(today.year, today.month, today.day, tzinfo=UTC)
    assert is_past(day, kept, today) == ((begins - youngest) >= timedelta(days=kept))


@given(
    places=st.lists(st.tuples(DAYS, st.integers(0, 100).filter(lambda days: days != 1)), unique=True),
    today=DAYS,
    given_days=st.dictionaries(st.sampled_from(["unstamped", "low", "medium"]), KEPT),
    open_days=st.sets(DAYS, max_size=3),
)
def test_what_leaves_is_every_partition_past_its_own_days(
    places: list[tuple[date, int]], today: date, given_days: dict[str, int], open_days: set[date]
) -> None:
    kept = retention(given_days)
    found = [Partition("otel_logs", day, days, 1, 1) for day, days in places]
    left = leaving(found, kept, today, dict.fromkeys(open_days, "wait"))
    unstamped = given_days.get("unstamped", max(90, *given_days.values()) if given_days else 90)
    expected = sorted(place for place in places if (today - place[0]).days > (place[1] or unstamped))
    assert [(one.partition.day, one.partition.retention_days) for one in left] == expected
    assert {one.partition.day for one in left if one.waits} == {day for day, _ in expected} & open_days
    # Whoever looks for them reads no further than this day.
    assert all(day < first_kept_day(kept, today) for day, _ in expected)


def test_days_are_those_of_the_tier_by_registry_attribute_or_usual() -> None:
    kept = retention({"low": 5}, {"shop": "low", "mill": "critical"})
    assert tuple(kept.days) == CRITICALITIES
    assert [kept.of("shop", "critical"), kept.of("mill", "low"), kept.of("inn", " HIGH\n")] == [5, 90, 30]
    assert [kept.of("inn", ""), kept.of("inn", "severe"), kept.of("", "low")] == [15, 15, 5]
    assert [kept.tiers(days) for days in (0, 5, 90, 7)] == ["unstamped", "low", "critical", "stamped before"]
    assert [kept.kept(days) for days in (0, 7)] == [90, 7]
    assert retention({"critical": 400}).kept(0) == 400


@pytest.mark.parametrize(
    ("given_days", "sentence"),
    [
        ({"severe": 5}, r"retention.severe: is no tier; tiers are critical, high, medium, low, unstamped"),
        ({"low": 1}, r"retention.low: is 1; it must be days from 2 to 3660"),
        ({"unstamped": 0}, r"retention.unstamped: is 0; it must be days"),
        ({"high": 36_500}, r"retention.high: is 36500"),
    ],
)
def test_a_wrong_tier_or_number_is_named(given_days: dict[str, int], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        retention(given_days)


COMPONENT = """---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: {name}
  annotations:
    appfleet.io/criticality: {said}
    appfleet.io/valid-from: "{since}"
spec:
  owner: team-a
"""


def test_the_catalogue_says_how_critical_apps_are_by_the_document_that_holds_last() -> None:
    text = "".join(
        COMPONENT.format(name=name, said=said, since=since)
        for name, said, since in [
            ("Shop", "Low", "2026-01-01"),
            ("shop", "critical", "2026-03-01"),
            ("mill", "severe", "2026-01-01"),
            ("inn", "high", "never"),
            ("barn", "medium", "2026-01-01"),
        ]
    )
    assert criticalities(documents(text, "catalog.yaml")) == {"shop": "critical", "barn": "medium"}
