"""OpenSLO's budgeting methods against its published example and against loops that share nothing with the model."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.budgeting import budget, slices_until_spent
from models.errors import ModelError
from models.openslo import METHODS, OCCURRENCES, RATIO_TIMESLICES, TIMESLICES

TWO_WEEKS = 14 * 24 * 60
TARGET, USUAL, ATTACK = Fraction(95, 100), Fraction(99, 100), Fraction(1, 100)

counts = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=30).map(
    lambda pairs: [(min(pair), max(pair)) for pair in pairs]
)


def test_the_published_example_of_time_slices_and_their_ratio() -> None:
    """Minutes of two weeks, 95 % wanted, 99 % as a rule, 1 % under attack: 16 h 48 m, and 822.9 minutes."""
    spent = slices_until_spent(TIMESLICES, TWO_WEEKS, TARGET, USUAL, ATTACK, Fraction(90, 100))
    assert spent == 16 * 60 + 48
    ratio = slices_until_spent(RATIO_TIMESLICES, TWO_WEEKS, TARGET, USUAL, ATTACK)
    assert Decimal(str(round(float(ratio), 1))) == Decimal("822.9")


@pytest.mark.parametrize(("method", "last"), [(TIMESLICES, 1008), (RATIO_TIMESLICES, 823)])
def test_minutes_counted_one_by_one_say_the_same(method: str, last: int) -> None:
    """The budget holds until that minute of the attack and is spent with it."""
    for attacked, is_left in ((last - 1, True), (last, False)):
        minutes = [(1, 100)] * attacked + [(99, 100)] * (TWO_WEEKS - attacked)
        random.Random(attacked).shuffle(minutes)
        found = budget(method, minutes, TARGET, Fraction(90, 100))
        assert found.remaining is not None
        assert (found.remaining > 0) is is_left
        assert found.allowed == 1008


def test_a_week_of_minutes_allows_what_the_example_says() -> None:
    """5 minutes and 2.4 seconds of a week at 99.95 %."""
    week = [(1, 1)] * (7 * 24 * 60)
    assert (
        budget(TIMESLICES, week, Fraction("0.9995"), Fraction("0.95")).allowed
        == Fraction(5 * 60 + Fraction("2.4")) / 60
    )


@given(counts, st.integers(1, 99), st.integers(1, 100), st.sampled_from(["good", "bad", "exclude"]))
@settings(max_examples=60)
def test_every_method_counts_as_loops_do(
    slices: list[tuple[int, int]], target: int, slice_target: int, missing: str
) -> None:
    share, wanted = Decimal(target) / 100, Decimal(slice_target) / 100
    good_events = sum(good for good, _ in slices)
    events = sum(total for _, total in slices)
    kept, good_slices, ratios = 0, 0, Fraction(0)
    for good, total in slices:
        if total == 0 and missing == "exclude":
            continue
        kept += 1
        ratio = Fraction(good, total) if total else Fraction(missing == "good")
        ratios += ratio
        good_slices += ratio >= Fraction(wanted)
    expected = {
        OCCURRENCES: (good_events, events),
        TIMESLICES: (good_slices, kept),
        RATIO_TIMESLICES: (ratios, kept),
    }
    for method in METHODS:
        good, total = expected[method]
        found = budget(method, slices, Fraction(share), Fraction(wanted), missing)  # type: ignore[arg-type]
        if not total:
            assert found.remaining is None
            continue
        bad = 1 - Fraction(good) / total
        assert found.sli == 1 - bad
        assert found.remaining == 1 - bad / (1 - Fraction(share))


def test_counts_that_are_not_sound_are_refused() -> None:
    for slices in ([(2, 1)], [(-1, 1)]):
        with pytest.raises(ModelError, match="more good events than events"):
            budget(OCCURRENCES, slices, TARGET)
    with pytest.raises(ModelError, match="none is given"):
        budget(TIMESLICES, [(1, 1)], TARGET)
    with pytest.raises(ModelError, match="spends no budget"):
        slices_until_spent(RATIO_TIMESLICES, 10, TARGET, USUAL, USUAL)
