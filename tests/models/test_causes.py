"""Explanations of changed costs: parts that sum to the change exactly, effects a person can reckon, sentences with the right
sign, currency and share.

The independent count of the effects is by hand for small cases and with ``fractions`` for generated ones, from the
definitions of price, mix, yield and volume variances and not from the code.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import causes
from models.causes import EFFECTS, Amount, Change, Leaf, SeenRequests, Version
from models.errors import ModelError
from models.money import exact_total

D = Decimal
DAY = date(2026, 3, 10)


def seen(requests: int, days: int = 7) -> SeenRequests:
    return SeenRequests(requests, days, days)


def lines(*rows: tuple[str, str, str | int, str | int | None]) -> dict[Leaf, Amount]:
    return {
        Leaf(service, sku=sku, unit="h"): Amount(D(cost), None if quantity is None else D(quantity))
        for service, sku, cost, quantity in rows
    }


def change(before: dict[Leaf, Amount], now: dict[Leaf, Amount], *requests: SeenRequests) -> Change:
    return Change(
        exact_total(one.cost for one in before.values()),
        exact_total(one.cost for one in now.values()),
        before,
        now,
        *requests,
    )


def effects(found: causes.Cause) -> dict[str, Decimal]:
    return {name: amount for name, amount in found.effects.items() if amount}


def test_the_effects_of_one_line_are_those_of_a_flexible_budget() -> None:
    """100 requests for 10 hours at 2; then 150 requests, 18 hours at 3: requests +10, usage per request +6, price +18."""
    before, now = lines(("db", "a", 20, 10)), lines(("db", "a", 54, 18))
    found = causes.explained(change(before, now, seen(100), seen(150)))
    assert effects(found) == {"volume": D(10), "efficiency": D(6), "price": D(18)}


def test_without_requests_the_usage_itself_is_the_volume() -> None:
    before, now = lines(("db", "a", 20, 10)), lines(("db", "a", 54, 18))
    found = causes.explained(change(before, now))
    assert found.requests_ratio is None
    assert effects(found) == {"volume": D(16), "price": D(18)}


def test_a_dearer_line_of_the_same_unit_is_mix() -> None:
    """As many hours, but five of them moved from 1 an hour to 3 an hour."""
    before = lines(("vm", "small", 10, 10), ("vm", "large", 30, 10))
    now = lines(("vm", "small", 5, 5), ("vm", "large", 45, 15))
    found = causes.explained(change(before, now, seen(7), seen(7)))
    assert effects(found) == {"mix": D(10)}


def test_lines_that_start_and_end_are_neither_price_nor_volume() -> None:
    before = lines(("db", "old", 7, 1), ("db", "a", 4, 2))
    now = lines(("db", "new", 9, 3), ("db", "a", 4, 2), ("log", "x", 1, None))
    found = causes.explained(change(before, now, seen(10), seen(10)))
    assert effects(found) == {"started": D(10), "ended": D(-7)}


def test_a_line_without_a_quantity_is_explained_by_requests_alone() -> None:
    before, now = lines(("log", "x", 10, None)), lines(("log", "x", 26, 5))
    found = causes.explained(change(before, now, seen(10), seen(20)))
    assert effects(found) == {"volume": D(10), "other": D(6)}


def test_an_expected_cost_lies_as_the_days_before_did() -> None:
    """28 days cost 20 + 60, a tenth of it is expected: 2 + 6, at the unit prices that were."""
    before = lines(("db", "a", 20, 10), ("fn", "b", 60, 10))
    now = lines(("db", "a", 2, 1), ("fn", "b", 16, 2))
    found = causes.explained(Change(D(8), D(18), before, now))
    assert [(part.value, part.before, part.now) for part in found.parts if part.dimension == "service"] == [
        ("fn", D(6), D(16)),
        ("db", D(2), D(2)),
    ]
    assert effects(found) == {"volume": D(6), "price": D(4)}


def test_what_no_line_accounts_for_is_a_part_without_a_name() -> None:
    found = causes.explained(Change(D(5), D(12), {}, lines(("db", "a", 9, 1))))
    parts = {part.value: part.change for part in found.parts if part.dimension == "service"}
    assert parts == {"db": D(9), "": D(-2)}
    shared = causes.with_unlisted(lines(("db", "a", 9, 1)), {"db": D("9.5"), "net": D(3)})
    assert shared == {
        **lines(("db", "a", 9, 1)),
        Leaf("db"): Amount(D("0.5"), None),
        Leaf("net"): Amount(D(3), None),
    }


@pytest.mark.parametrize(
    ("before", "now", "ratio"),
    [
        (seen(100), seen(50), Fraction(1, 2)),
        (SeenRequests(280, 28, 28), SeenRequests(30, 2, 2), Fraction(3, 2)),
        (seen(100), seen(0), Fraction(0)),
        (seen(0), seen(100), None),
        (None, seen(100), None),
        (SeenRequests(100, 5, 7), seen(100), None),
        (SeenRequests(600, 6, 7), seen(700), Fraction(1)),
    ],
)
def test_requests_explain_nothing_where_telemetry_has_not_seen_enough(
    before: SeenRequests | None, now: SeenRequests, ratio: Fraction | None
) -> None:
    assert causes.requests_ratio(before, now) == ratio


def test_more_values_than_are_kept_are_one_part() -> None:
    count = causes.POLICY.parts + 4
    before = {Leaf("db", sku=f"sku-{number}"): Amount(D(1), D(1)) for number in range(count)}
    now = {leaf: Amount(D(2 + number), D(1)) for number, leaf in enumerate(sorted(before))}
    skus = [part for part in causes.explained(change(before, now)).parts if part.dimension == "sku"]
    assert len(skus) == causes.POLICY.parts + 1 and skus[-1].value == causes.REST
    assert sum(part.change for part in skus) == sum(range(1, count + 1))


# --- properties

names = st.sampled_from(["db", "fn", "log", ""])
money = st.decimals(-(10**6), 10**9, places=18, allow_nan=False)
quantities = st.one_of(st.none(), st.decimals(0, 10**12, places=9, allow_nan=False))
leaves = st.builds(
    Leaf, names, st.sampled_from(["1", "2"]), st.just("eu"), names, st.sampled_from(["h", "GB"])
)
bills = st.dictionaries(leaves, st.builds(Amount, money, quantities), max_size=8)
requested = st.one_of(st.none(), st.builds(seen, st.integers(0, 10**9)))
changes = st.builds(
    Change,
    st.decimals(0, 10**9, places=18, allow_nan=False),
    st.decimals(0, 10**9, places=18, allow_nan=False),
    bills,
    bills,
    requested,
    requested,
)


@settings(max_examples=60, deadline=None)
@given(changes, st.randoms(use_true_random=False))
def test_parts_and_effects_sum_to_the_change_in_whatever_order_lines_come(change: Change, chance) -> None:
    found = causes.explained(change)
    assert exact_total(found.effects.values()) == change.amount
    for dimension in causes.DIMENSIONS:
        own = [part for part in found.parts if part.dimension == dimension]
        assert exact_total(part.before for part in own) == change.before
        assert exact_total(part.now for part in own) == change.now
        assert exact_total(part.change for part in own) == change.amount

    def shuffled(bill: dict[Leaf, Amount]) -> dict[Leaf, Amount]:
        pairs = list(bill.items())
        chance.shuffle(pairs)
        return dict(pairs)

    again = Change(
        change.before,
        change.now,
        shuffled(dict(change.lines_before)),
        shuffled(dict(change.lines_now)),
        change.requests_before,
        change.requests_now,
    )
    other = causes.explained(again)
    assert (other.parts, other.effects, other.driver) == (found.parts, found.effects, found.driver)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(1, 10**6)] * 4), min_size=1, max_size=5),
    st.integers(1, 10**6),
    st.integers(1, 10**6),
)
def test_the_effects_of_measured_lines_are_the_variances_of_the_books(
    rows, before_requests, now_requests
) -> None:
    """Price, mix, yield and volume variance, each from its own definition over one unit."""
    old = {
        Leaf("vm", sku=str(place), unit="h"): Amount(D(c), D(q)) for place, (c, q, _, _) in enumerate(rows)
    }
    new = {
        Leaf("vm", sku=str(place), unit="h"): Amount(D(c), D(q)) for place, (_, _, c, q) in enumerate(rows)
    }
    found = causes.explained(change(old, new, seen(before_requests), seen(now_requests)))
    ratio = Fraction(now_requests, before_requests)
    used = [sum(row[1] for row in rows), sum(row[3] for row in rows)]
    standard = Fraction(sum(row[0] for row in rows), used[0])  # mean price of a unit before
    budget = sum(row[0] for row in rows)
    wanted = {
        "volume": budget * ratio - budget,
        "price": sum((Fraction(c1, q1) - Fraction(c0, q0)) * q1 for c0, q0, c1, q1 in rows),
        "mix": sum(
            (Fraction(q1, used[1]) - Fraction(q0, used[0])) * used[1] * Fraction(c0, q0)
            for c0, q0, _, q1 in rows
        ),
        "efficiency": (used[1] - used[0] * ratio) * standard,
    }
    for name in EFFECTS:
        assert abs(Fraction(found.effects[name]) - wanted.get(name, 0)) < Fraction(1, 10**17)


def test_parts_that_do_not_sum_to_their_total_are_refused() -> None:
    with pytest.raises(ModelError, match="do not sum"):
        causes.in_units([Fraction(1, 3)], D(1))
    with pytest.raises(ModelError, match="18 places"):
        causes.in_units([Fraction(1, 10**19)], D("1E-19"))
    assert causes.in_units([Fraction(1, 3)] * 3, D(1)) == [
        D("0.333333333333333334"),
        D("0.333333333333333333"),
        D("0.333333333333333333"),
    ]


# --- versions


def came(name: str, hours: int, requests: int = 10) -> Version:
    return Version(name, datetime(2026, 3, 10, 12, tzinfo=UTC) + timedelta(hours=hours), requests)


@pytest.mark.parametrize(
    ("versions", "kind", "name"),
    [
        ([came("1", -500), came("2", -6)], "up", "2"),
        ([came("1", -6)], "up", None),  # nobody knows what ran before
        ([came("1", -500), came("2", -490)], "up", None),  # long before
        ([came("1", -500), came("2", -490)], "ramp", "2"),
        ([came("1", -500), came("2", 40)], "up", None),  # after it began
        ([came("1", -500), came("2", 40)], "week", "2"),
        ([came("1", -500), came("2", -6, 5), came("3", 2, 90)], "zero", "3"),
        ([came("1", -500), came("2", -6, 0)], "up", None),  # not used since
        ([], "up", None),
    ],
)
def test_a_version_began_a_change_when_it_came_just_then(versions, kind: str, name: str | None) -> None:
    for order in (versions, versions[::-1]):
        found = causes.version_that_began(order, DAY, kind)
        assert (found.name if found else None) == name


# --- sentences


def test_a_sentence_says_how_much_which_service_why_and_since_which_version() -> None:
    before = lines(("db", "a", 20, 10), ("fn", "b", 20, 10))
    now = lines(("db", "a", 65, 13), ("fn", "b", 25, "12.5"))
    found = causes.explained(change(before, now, seen(100), seen(125)))
    told = causes.sentence(found, "up", "EUR", "expected", came("1.9.2", 2))
    assert told == (
        "EUR 50.00 more than expected (+125 %); 90 % of it db; by higher prices, EUR +39.00; requests +25 %; "
        "it began with version 1.9.2, first seen 2026-03-10 14:00 UTC."
    )
    fell = causes.explained(change(now, before))
    assert causes.sentence(fell, "week", "USD", "the same days last week") == (
        "USD 50.00 less than the same days last week (-56 %); 90 % of it db; by lower prices, USD -30.00 and less usage, "
        "USD -20.00."
    )


def test_what_offsets_a_change_is_said() -> None:
    """SeenRequests doubled, and a request needs less: neither is the change of 1."""
    before, now = lines(("db", "a", 20, 10)), lines(("db", "a", 21, "10.5"))
    told = causes.sentence(
        causes.explained(change(before, now, seen(100), seen(200))), "up", "USD", "expected"
    )
    assert "by more requests (+100 %), USD +20.00, against less usage per request, USD -19.00" in told
    # a price that fell by next to nothing is no part of a change by a quarter less usage
    before, now = lines(("db", "a", 40, 10)), lines(("db", "a", "30.00000048", "7.5"))
    told = causes.sentence(causes.explained(change(before, now)), "up", "USD", "expected")
    assert told.endswith("; by less usage, USD -10.00.")
    before, now = lines(("db", "a", 20, 10), ("fn", "b", 9, 1)), lines(("db", "a", 40, 20), ("fn", "b", 1, 1))
    told = causes.sentence(causes.explained(change(before, now)), "up", "USD", "expected")
    assert "; db USD +20.00, all else USD -8.00;" in told


def test_one_sku_is_named_where_it_tells_the_move_apart() -> None:
    before = lines(("db", "a", 20, 10), ("db", "b", 10, 10))
    now = lines(("db", "a", 40, 20), ("db", "b", 11, 10))
    told = causes.sentence(causes.explained(change(before, now)), "up", "USD", "expected")
    assert "100 % of it db (SKU a);" in told


@settings(max_examples=60, deadline=None)
@given(changes, st.sampled_from(["USD", "EUR", "JPY"]))
def test_every_sentence_has_the_sign_the_currency_and_the_share_of_its_change(
    change: Change, currency: str
) -> None:
    found = causes.explained(change)
    told = causes.sentence(found, "up", currency, "expected")
    assert told.endswith(".") and "\n" not in told
    others = {"USD", "EUR", "JPY"} - {currency}
    assert not any(other in told for other in others)
    if not change.amount:
        assert "as much as expected" in told
        return
    amount = re.match(rf"{currency} ([\d,.]+) (more|less) than expected", told)
    assert amount and (amount[2] == "more") is (change.amount > 0)
    said = D(amount[1].replace(",", ""))
    assert said > 0 and abs(said - abs(change.amount)) <= max(D("0.005"), abs(change.amount) / 20)
    driver = found.driver
    if driver is None:
        assert "of it" not in told
        return
    share = Fraction(driver.change) / Fraction(change.amount)
    if 0 < share <= 1:
        percent = re.search(r"; ([\d.]+) % of it ", told)
        assert percent and abs(Fraction(percent[1]) - share * 100) <= max(Fraction(1, 2), share * 100 / 10)
    else:
        assert f"{currency} {'+' if driver.change > 0 else '-'}" in told
