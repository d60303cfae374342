"""How figures read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from dashboards import formats


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        ("1234567.005", 2, "1,234,567.00"),
        ("1234567.015", 2, "1,234,567.02"),
        ("-0.001", 2, "0.00"),
        ("-1234.5", 2, "-1,234.50"),
        ("1234.5", 0, "1,234"),
        ("0.0005", 3, "0.000"),
        ("12345678901234567890.12", 2, "12,345,678,901,234,567,890.12"),
    ],
)
def test_amounts_round_half_to_even_with_separators(value: str, places: int, text: str) -> None:
    assert formats.amount(Decimal(value), places) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2.083207438760000000", "2.08320743876"),
        ("1234.500000000000000000", "1,234.50"),
        ("0E-18", "0.00"),
        ("1E-18", "0.000000000000000001"),
        ("-1000000.1", "-1,000,000.10"),
        ("5", "5.00"),
    ],
)
def test_exact_amounts_keep_every_digit(value: str, text: str) -> None:
    assert formats.exact(Decimal(value)) == text


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        ("110", "100", "+10.0%"),
        ("0", "100", "-100.0%"),
        ("5", "0", "new"),
        ("0", "0", ""),
        ("1", "-2", "+150.0%"),
    ],
)
def test_changes_have_a_sign(now: str, before: str, text: str) -> None:
    assert formats.change(Decimal(now), Decimal(before)) == text


def test_counts_have_separators_and_what_is_not_known_is_no_zero() -> None:
    assert formats.count(1_234_567) == "1,234,567"
    assert formats.count(0) == "0"
    assert formats.count(None) == formats.NOTHING


def test_a_share_of_nothing_is_nothing() -> None:
    assert formats.share(Decimal(1), Decimal(3)) == "33.3%"
    assert formats.share(Decimal(0), Decimal(3)) == "0.0%"
    assert formats.share(Decimal(1), Decimal(0)) == formats.NOTHING


def test_a_change_in_percent_is_signed_and_of_nothing_none() -> None:
    assert formats.change_percent(Decimal(90), Decimal(120)) == -25.0
    assert formats.change_percent(Decimal(1), Decimal(-2)) == 150.0
    assert formats.change_percent(None, Decimal(2)) == -100.0
    assert formats.change_percent(Decimal(1), Decimal(0)) is None
    assert formats.change_percent(Decimal(1), None) is None


def test_times_say_utc() -> None:
    assert formats.moment(datetime(2026, 3, 1, 4, 5, 59, tzinfo=UTC)) == "2026-03-01 04:05 UTC"
    assert formats.moment(None) == formats.NOTHING


def test_fractions_days_and_counts_of_things_read_as_a_person_writes_them() -> None:
    assert [formats.percent(value) for value in (0.1234, 0.0, -0.5, None)] == [
        "12.3%",
        "0.0%",
        "-50.0%",
        formats.NOTHING,
    ]
    assert formats.percent(0.12345, 3) == "12.345%"
    assert [formats.day(value) for value in (date(2026, 3, 1), None)] == ["2026-03-01", formats.NOTHING]
    assert formats.sentence_case("1 to 11 March") == "1 to 11 March"
    assert formats.sentence_case("same days of March") == "Same days of March"
    assert formats.sentence_case("") == ""
    assert [formats.plural(number, "app") for number in (0, 1, 2, 1204)] == [
        "0 apps",
        "1 app",
        "2 apps",
        "1,204 apps",
    ]
    assert [formats.plural(number, "is", "are") for number in (1, 3)] == ["1 is", "3 are"]
    assert formats.money(Decimal("1234.5"), "EUR") == "EUR 1,234.50"
    assert formats.money(Decimal("1234.5"), "JPY", 0) == "JPY 1,234"


def test_targets_have_no_needless_zeros() -> None:
    assert [formats.target(value) for value in (0.99, 0.9995, 1.0)] == ["99 %", "99.95 %", "100 %"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("checkout", "checkout"),
        ("a-b_c", r"a\-b\_c"),
        ("[l](x)", r"\[l\]\(x\)"),
        (":red[x]", "\\:\u2060red\\[x\\]"),
        ("a: b", r"a\: b"),
        ("a -> b", "a \\-\u2060\\> b"),
        ("WWW.x me@x", "WWW\u2060\\.x me\\@\u2060x"),
        ("two\nlines\t", "two lines"),
        ("100 € ü", "100 € ü"),
    ],
)
def test_text_from_outside_is_escaped_and_parted(text: str, shown: str) -> None:
    assert formats.as_text(text) == shown
