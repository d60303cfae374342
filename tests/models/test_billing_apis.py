"""Which months a provider is asked for, how, and when again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bill_formats import BILLING_FORMATS
from models.billing_apis import (
    Range,
    apis,
    check_parameters,
    is_due,
    listing_of,
    mapping_of,
    months_before,
    pull_policy,
    ranges,
    report_of,
    target_of,
)
from models.errors import ConfigurationError
from models.mapping import shipped

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


def test_the_table_of_providers_holds_together() -> None:
    assert BILLING_FORMATS and set(apis()) == {"vercel", "grafana-cloud", "atlas", "focus"}
    for one in apis().values():
        assert bool(one.since) == bool(one.until) and (one.mapping is None or one.mapping in shipped())
        assert not one.since or (one.times and one.longest_days and one.longest_days >= 31)
    assert mapping_of("vercel") == "vercel" and mapping_of("grafana-cloud") is mapping_of(None) is None


def test_a_month_is_a_request_and_the_running_one_ends_today() -> None:
    found = ranges(apis()["vercel"], date(2025, 12, 1), NOW)
    assert found == [
        Range("2025-12.jsonl", date(2025, 12, 1), date(2026, 1, 1)),
        Range("2026-01.jsonl", date(2026, 1, 1), date(2026, 2, 1)),
        Range("2026-02.jsonl", date(2026, 2, 1), date(2026, 3, 1)),
        Range("2026-03.jsonl", date(2026, 3, 1), date(2026, 3, 3)),
    ]
    address, query = target_of(apis()["vercel"], "https://api.example/", {"teamId": "t"}, found[3])
    assert address == "https://api.example/v1/billing/charges"
    assert query == {"teamId": "t", "from": "2026-03-01T00:00:00.000Z", "to": "2026-03-03T00:00:00.000Z"}
    assert target_of(apis()["grafana-cloud"], "https://g", {"org": "a b/c"}, Range("charges.csv")) == (
        "https://g/api/orgs/a%20b%2Fc/focus",
        {},
    )
    assert ranges(apis()["grafana-cloud"], None, NOW) == [Range("charges.csv")]
    own = {"start": "{from}", "end": "{to}", "org": "a"}
    assert len(ranges(apis()["focus"], date(2025, 12, 1), NOW, own)) == 4
    assert target_of(apis()["focus"], "https://g/x", own, found[3]) == (
        "https://g/x",
        {"start": "2026-03-01", "end": "2026-03-03", "org": "a"},
    )
    assert ranges(apis()["focus"], None, NOW, {"org": "a"}) == [Range("charges.jsonl")]
    with pytest.raises(ConfigurationError, match="lies in the future"):
        ranges(apis()["vercel"], date(2026, 4, 1), NOW)


def test_invoices_of_a_month_are_listed_and_a_report_of_each_is_asked_for() -> None:
    atlas, given_ = apis()["atlas"], {"orgId": "5e/1", "includeLinkedOrgs": "true"}
    found = ranges(atlas, date(2026, 2, 1), NOW)
    assert [one.name for one in found] == ["2026-02.csv", "2026-03.csv"]
    assert listing_of(atlas, "https://cloud.mongodb.com/", given_, found[0]) == (
        "https://cloud.mongodb.com/api/atlas/v2/orgs/5e%2F1/associatedInvoices",
        {"includeLinkedOrgs": "true", "month": "2", "year": "2026"},
    )
    assert report_of(atlas, "https://cloud.mongodb.com", given_, "32b6") == (
        "https://cloud.mongodb.com/api/atlas/v2/orgs/5e%2F1/invoices/32b6/reports"
    )


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.integers(-500, 500))
def test_months_are_counted_as_a_calendar_counts_them(day: date, months: int) -> None:
    there = months_before(day, months)
    assert there.day == 1 and months_before(there, -months) == day.replace(day=1)
    assert (day.year - there.year) * 12 + day.month - there.month == months


@given(st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001
def test_ranges_follow_each_other_without_a_gap(now: datetime) -> None:
    found = ranges(apis()["vercel"], None, now)
    assert len(found) == pull_policy().months_back + 1
    assert all(one.end == other.first for one, other in zip(found, found[1:], strict=False))
    assert found[-1].end == now.date() + timedelta(days=1) or found[-1].end == months_before(now.date(), -1)


def test_what_is_settled_is_asked_for_less_often() -> None:
    numbers = pull_policy()
    running, old = (
        Range("2026-03.jsonl", date(2026, 3, 1), date(2026, 3, 3)),
        Range("2025-12.jsonl", date(2025, 12, 1), date(2026, 1, 1)),
    )
    hour, week = timedelta(minutes=numbers.open_minutes), timedelta(minutes=numbers.settled_minutes)
    second = timedelta(seconds=1)
    for one, age in ((running, hour), (old, week), (Range("charges.csv"), hour)):
        assert is_due(one, None, NOW)
        assert is_due(one, NOW - age, NOW) and not is_due(one, NOW - age + second, NOW)
    settles = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=numbers.settled_days)
    assert is_due(old, settles - hour - second, settles - second) and not is_due(old, settles - hour, settles)


def test_parameters_are_those_the_provider_knows() -> None:
    check_parameters(apis()["vercel"], {"teamId": "t"})
    check_parameters(apis()["focus"], {"anything": "x"})
    for name, given_, sentence in (
        ("vercel", {"team": "t"}, "knows no parameter team; it takes teamId, slug"),
        ("vercel", {"from": "2026"}, "the parameter from is set for each request"),
        ("grafana-cloud", {}, "Grafana Cloud needs the parameter org"),
    ):
        with pytest.raises(ConfigurationError, match=sentence):
            check_parameters(apis()[name], given_)
