"""As-of against hand-made arrivals, and the promise that no single sender moves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.as_of import Watermark, watermark, whole_slice
from models.policy import watermark_policy

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CLOCK = NOON + timedelta(days=60)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TIME = pl.Datetime("ns", "UTC")


def marked(
    senders: Mapping[str, Sequence[datetime]] | None = None,
    *,
    clock: datetime = CLOCK,
    heartbeats: Sequence[tuple[datetime, datetime]] = (),
    receipts: Sequence[tuple[datetime, datetime]] = (),
) -> Watermark:
    """The watermark of apps with spans at these moments."""
    seen = [(app, at.date(), at) for app, moments in (senders or {}).items() for at in moments]
    return watermark(
        clock=clock,
        heartbeats=pl.DataFrame(
            list(heartbeats), {"loaded_through": TIME, "recorded_at": TIME}, orient="row"
        ),
        receipts=pl.DataFrame(list(receipts), {"received_at": TIME, "median_at": TIME}, orient="row"),
        senders=pl.DataFrame(
            seen, {"app_id": pl.String, "usage_date": pl.Date, "last_seen": TIME}, orient="row"
        )
        .group_by("app_id", "usage_date")
        .agg(pl.col("last_seen").max()),
        policy=watermark_policy(),
    )


def daily(until: datetime, days: int = 10) -> list[datetime]:
    """Spans every day of ``days``, the last of them at ``until``."""
    return [until - day * DAY for day in range(days)]


FLEET = {f"app-{number}": daily(NOON - number * 20 * timedelta(seconds=1)) for number in range(1, 9)}
"""Eight apps whose newest spans lie in one slice, the one before noon."""


def test_live_is_the_last_whole_slice_before_clock_and_heartbeat_whatever_events_claim() -> None:
    for clock, loaded, expected in [
        (NOON + 2 * MINUTE, NOON + 1 * MINUTE, NOON - 5 * MINUTE),
        (NOON + 3 * MINUTE, NOON + 2 * MINUTE, NOON),
        (NOON + 3 * MINUTE, NOON + 9 * HOUR, NOON),  # an intake whose clock is ahead
        (NOON + 9 * HOUR, NOON + 6.99 * MINUTE, NOON),  # the loader is behind
        (NOON + 9 * HOUR, NOON + 7 * MINUTE, NOON + 5 * MINUTE),
    ]:
        for claimed in (NOON - 400 * DAY, NOON, NOON + 8 * HOUR):
            found = marked({"a": [claimed]}, clock=clock, heartbeats=[(loaded, loaded)])
            assert (found.moment, found.basis, found.note) == (expected, "live", ""), (clock, loaded)


def test_the_slowest_intake_in_use_decides_and_one_that_fell_silent_does_not() -> None:
    slow = (NOON - 10 * MINUTE, NOON)  # loaded until ten minutes ago, says so now
    gone = (NOON - 9 * DAY, NOON - 9 * DAY)
    assert marked(clock=NOON, heartbeats=[(NOON, NOON), slow, gone]).moment == NOON - 15 * MINUTE
    assert marked(clock=NOON, heartbeats=[(NOON, NOON), gone]).moment == NOON - 5 * MINUTE


def test_fresh_files_are_believed_by_their_receipt() -> None:
    fresh = (NOON + 2 * MINUTE, NOON - 30 * MINUTE)
    for others in ([], [(NOON - 3 * DAY, NOON - 3 * DAY)], [(NOON + 9 * DAY, NOON - 9 * DAY)]):
        found = marked(FLEET, receipts=[fresh, *others])
        assert (found.moment, found.basis, found.note) == (NOON, "fresh", "")
    assert marked(FLEET, receipts=[(NOON + 2 * MINUTE, NOON - 25 * HOUR)]).basis == "past"
    ahead = {**FLEET, "ahead": [NOON + HOUR]}
    assert marked(ahead, receipts=[fresh]).moment == NOON


def test_a_lone_claim_is_no_reason_to_leave_fresh_files() -> None:
    """One app went on alone, another claims days more: the receipt of a fresh file knows better."""
    sent = {**FLEET, "app-1": daily(NOON + DAY), "liar": daily(NOON + 5 * DAY)}
    fresh = [(NOON + 26 * HOUR, NOON + 25 * HOUR), (NOON + 40 * DAY, NOON)]
    assert marked(sent).moment == NOON + 5 * DAY
    assert marked(sent, receipts=fresh).moment == NOON + 26 * HOUR - 5 * MINUTE


def test_files_of_the_past_reach_to_the_second_newest_tip_in_whole_slices() -> None:
    found = marked({"a": daily(NOON + 7 * MINUTE), "b": daily(NOON + 16 * MINUTE), "c": daily(NOON)})
    assert (found.moment, found.basis, found.note) == (NOON + 5 * MINUTE, "past", "")


def test_fewer_than_three_senders_leave_no_choice_and_that_is_said() -> None:
    for senders, names in (
        ({"a": daily(NOON)}, "a"),
        ({"a": daily(NOON - HOUR), "b": daily(NOON)}, "a and b"),
    ):
        found = marked(senders)
        assert (found.moment, found.basis) == (NOON, "past")
        assert found.note.startswith(f"only {names} sent telemetry"), found.note


def test_a_survivor_is_believed_when_nobody_is_left_to_ask() -> None:
    """One app went on for days after the second ended, which itself outlived the third."""
    three = {"a": daily(NOON), "b": daily(NOON - 2 * DAY), "c": daily(NOON - 6 * DAY)}
    assert marked(three).moment == NOON
    assert "a has sent alone" in marked(three).note
    three["c"] = daily(NOON - 2 * DAY - HOUR)
    assert marked(three).moment == NOON - 2 * DAY
    assert "a alone claims telemetry until 2026-03-02 12:00" in marked(three).note


def test_an_island_of_few_is_not_believed_and_a_fleet_that_comes_back_is() -> None:
    for lone in (FLEET, {"a": daily(NOON)}):
        strays = {**lone, "x": [NOON + 40 * DAY], "y": [NOON + 41 * DAY]}
        found = marked(strays)
        assert found.moment == marked(lone).moment
        assert "telemetry from 2026-04-11 on, of x and y alone, begins more than 7 days after" in found.note
    back = {app: [*moments, *daily(NOON + 40 * DAY, 3)] for app, moments in FLEET.items()}
    assert marked(back).moment == NOON + 40 * DAY


def test_files_that_go_on_a_day_after_the_intake_ended_are_followed() -> None:
    ended = [(NOON - 3 * DAY, NOON - 3 * DAY)]
    assert (marked(FLEET, heartbeats=ended).moment, marked(FLEET, heartbeats=ended).basis) == (
        NOON - 5 * MINUTE,
        "past",
    )


def test_the_edges_of_the_policy_belong_to_what_is_believed() -> None:
    policy, second = watermark_policy(), timedelta(seconds=1)
    for late, basis in ((0 * second, "fresh"), (second, "past")):
        receipt = (NOON + 2 * MINUTE, NOON + 2 * MINUTE - policy.fresh_within - late)
        assert marked(FLEET, receipts=[receipt]).basis == basis
    for late, moment in ((0 * second, NOON - 15 * MINUTE), (second, NOON - 5 * MINUTE)):
        slow = (NOON - 10 * MINUTE, NOON - policy.intake_silent - late)
        assert marked(clock=NOON, heartbeats=[(NOON, NOON), slow]).moment == moment
    for days, moment in ((policy.island, NOON + policy.island), (policy.island + DAY, NOON - 5 * MINUTE)):
        assert marked({**FLEET, "x": [NOON + days], "y": [NOON + days]}).moment == moment
    for late, note in ((0 * second, ""), (second, "a alone claims telemetry until 2026-03-02 13:00")):
        found = marked({"a": daily(NOON + HOUR + late), "b": daily(NOON), "c": daily(NOON)})
        assert (found.moment, found.note[: len(note) or None]) == (NOON, note)


def test_files_on_which_senders_agree_are_followed_past_the_fresh_ones() -> None:
    three = {name: daily(NOON + 2 * DAY) for name in "abc"}
    found = marked(three, receipts=[(NOON + 2 * MINUTE, NOON - 30 * MINUTE), (NOON + 40 * DAY, NOON)])
    assert (found.moment, found.basis) == (NOON + 2 * DAY, "past")


def test_nothing_is_later_than_the_clock_or_what_arrived() -> None:
    assert marked().moment is None
    ahead = {app: [*moments, NOON + 5 * HOUR] for app, moments in FLEET.items()}
    assert marked(ahead, clock=NOON + 30 * MINUTE).moment == NOON + 25 * MINUTE
    received = (NOON + 2 * HOUR, NOON - 9 * DAY)
    assert marked(ahead, receipts=[received]).moment == NOON + 2 * HOUR - 5 * MINUTE
    far_ahead = {app: [*moments, NOON + 5 * DAY] for app, moments in FLEET.items()}
    assert marked(far_ahead, clock=NOON + 30 * MINUTE).moment == NOON - 5 * MINUTE


SENT = st.lists(
    st.one_of(
        st.sampled_from(
            [NOON + HOUR, NOON + 14 * HOUR, NOON + 365 * DAY, NOON - 3650 * DAY, NOON + 20 * HOUR]
        ),
        st.integers(-9_000, 9_000).map(lambda days: NOON + days * DAY),
        st.floats(0, 60).map(lambda days: NOON + days * DAY),
    ),
    max_size=80,
)


@settings(max_examples=120, deadline=None)
@given(sent=SENT, everything=st.booleans())
def test_no_single_sender_moves_as_of_whatever_it_sends(sent: list[datetime], everything: bool) -> None:
    """Neither by files of the past, nor by fresh ones, nor live; nor by taking it all back."""
    if everything:  # without a pause, for as long as it likes
        sent = [*sent, *(NOON + hours * HOUR for hours in range(0, 24 * 50, 7))]
    one = {**FLEET, "liar": sent}
    fresh = [(NOON + 2 * MINUTE, NOON - HOUR)]
    beat = [(NOON + 30 * MINUTE, NOON + 30 * MINUTE)]
    assert marked(one).moment == marked(FLEET).moment == NOON - 5 * MINUTE
    assert marked(one, receipts=fresh).moment == NOON
    assert marked(one, heartbeats=beat).moment == NOON + 25 * MINUTE
    both = marked(one, receipts=fresh, heartbeats=beat, clock=NOON + 31 * MINUTE)
    assert both.moment == NOON + 25 * MINUTE


@settings(max_examples=60, deadline=None)
@given(
    sent=SENT,
    tips=st.lists(st.integers(0, 90), min_size=3, max_size=9),
)
def test_as_of_stays_between_the_newest_honest_tips(sent: list[datetime], tips: list[int]) -> None:
    honest = {f"app-{number}": daily(NOON - minutes * MINUTE) for number, minutes in enumerate(tips)}
    moment = marked({**honest, "liar": sent}).moment
    newest, second = sorted(tips)[:2]
    policy = watermark_policy()
    assert moment is not None
    assert (
        whole_slice(NOON - second * MINUTE, policy) <= moment <= whole_slice(NOON - newest * MINUTE, policy)
    )


@pytest.mark.parametrize("seconds", [0, 1, 299, 300, 301, 86399])
def test_a_moment_inside_a_slice_gives_whole_slices(seconds: int) -> None:
    moment = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(seconds=seconds)
    assert whole_slice(moment, watermark_policy()) == datetime(2026, 3, 2, tzinfo=UTC) + timedelta(
        minutes=seconds // 300 * 5
    )
