"""What happens to each month of a delivery, decided from what is delivered, published and known alone: every branch and
the inputs on both sides of it. On real bills: ``test_deliveries`` and ``test_once``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from pipelines.ingest.billing.delivery import DeliveredObject
from pipelines.ingest.billing.ledger import Hold, MonthTotals, Profile
from pipelines.ingest.billing.plan import (
    Candidate,
    Known,
    MonthPlan,
    Published,
    fingerprint,
    is_accepted,
    plan,
)
from pipelines.ingest.billing.sameness import Print
from pipelines.ingest.sources import SourceObject

AUGUST, SEPTEMBER, OCTOBER = (date(2024, month, 1) for month in (8, 9, 10))


def at(hour: int) -> datetime:
    return datetime(2024, 11, 1, tzinfo=UTC) + timedelta(hours=hour)


def delivered(
    name: str,
    sha256: str,
    *months: date,
    hour: int = 5,
    group: str = "",
    rejected: Mapping[date, int] | None = None,
) -> Candidate:
    """An object of this content with five rows of each of these months."""
    item = DeliveredObject(SourceObject(name, 9, at(99), ""), at(hour), group)
    totals = {month: MonthTotals(5, (rejected or {}).get(month, 0)) for month in months}
    return Candidate(item, Profile(sha256, totals, ()))


def decision(state: str, month: date = SEPTEMBER, hour: int = 1, **contents: Collection[str]) -> Hold:
    """A line on what a person decided; contents under the names of ``Hold``."""
    given = {f"{name}_sha256s": tuple(contents.get(name, ())) for name in ("object", "new", "newest", "kept")}
    return Hold(
        "s", month, "", state, "", "", UUID(int=1), 0, {}, {}, {}, at(0), (), recorded_at=at(hour), **given
    )  # fmt: skip


@dataclass(frozen=True)
class Want:
    """What is decided of a month: names of the objects that count, and of those aside with their state."""

    action: str
    counts: str = ""
    aside: Mapping[str, str] = field(default_factory=dict)
    vanished: str = ""
    rolled_on: str = ""
    emptied: str = ""
    kept_out: str = ""
    says: str = ""


def found(one: MonthPlan, says: str) -> Want:
    """A decision in the same words; names side by side."""
    return Want(
        one.action,
        " ".join(each.item.name for each in one.candidates),
        {each.candidate.item.name: each.state for each in one.asides},
        " ".join(one.vanished),
        " ".join(one.rolled_on),
        " ".join(one.emptied),
        " ".join(one.kept_out),
        says if says in one.reason else one.reason,
    )


A1, A2 = delivered("a", "1", SEPTEMBER), delivered("a", "2", SEPTEMBER)
B2, B3 = delivered("b", "2", SEPTEMBER), delivered("b", "3", SEPTEMBER)
HEADER = delivered("a", "9")
ONE = {SEPTEMBER: {"a": "1"}}
TWO = {SEPTEMBER: {"a": "1", "b": "2"}}
ROLLING = {AUGUST: {"a": "1"}, SEPTEMBER: {"a": "1"}}
PRINT, OTHER = Print(5, 77), Print(5, 78)


def prints(**by_sha256: Print) -> Known:
    return Known({(name[1:], SEPTEMBER): one for name, one in by_sha256.items()})


def pairs(*contents: str, month: date = SEPTEMBER) -> Known:
    return Known(replacements=[(month, frozenset(pair)) for pair in contents])


Case = tuple[list[Candidate], Mapping[date, Mapping[str, str]], Known, Mapping[date, Want]]
NOTHING = Known()
CASES: dict[str, Case] = {
    "new": ([A1, B2], {}, NOTHING, {SEPTEMBER: Want("load", "a b")}),
    "as published": ([A1], ONE, NOTHING, {SEPTEMBER: Want("unchanged", "a")}),
    "restated": ([A2], ONE, NOTHING, {SEPTEMBER: Want("load", "a")}),
    "one more": ([A1, B2], ONE, NOTHING, {SEPTEMBER: Want("load", "a b")}),
    "the same under other names": (
        [delivered("c", "1", SEPTEMBER), delivered("d", "2", SEPTEMBER)],
        TWO,
        NOTHING,
        {SEPTEMBER: Want("unchanged", "c d")},
    ),
    "months apart": (
        [A1, delivered("b", "3", OCTOBER, AUGUST)],
        ONE,
        NOTHING,
        {AUGUST: Want("load", "b"), SEPTEMBER: Want("unchanged", "a"), OCTOBER: Want("load", "b")},
    ),
    "older under another name": (
        [delivered("c", "3", SEPTEMBER, hour=3)],
        ONE,
        NOTHING,
        {SEPTEMBER: Want("superseded", "c", vanished="a", says="c is of 2024-11-01 03:00:00, published is 2024-11-01 04:00:00")},
    ),
    "as old under another name": (
        [delivered("c", "3", SEPTEMBER, hour=4)],
        ONE,
        NOTHING,
        {SEPTEMBER: Want("load", "c", vanished="a")},
    ),
    "older under its own name": (
        [delivered("a", "3", SEPTEMBER, hour=1), delivered("c", "4", SEPTEMBER, hour=2)],
        ONE,
        NOTHING,
        {SEPTEMBER: Want("load", "a c")},
    ),
    "one is gone": ([A1], TWO, NOTHING, {SEPTEMBER: Want("vanished", "a", vanished="b", says="b vanished: the published")}),
    "all are gone": ([], TWO, NOTHING, {SEPTEMBER: Want("vanished", vanished="a b", says="a, b vanished")}),
    "one is gone and one is new": ([A1, delivered("c", "3", SEPTEMBER)], TWO, NOTHING, {SEPTEMBER: Want("load", "a c", vanished="b")}),
    "one holds what the other holds": (
        [A1, delivered("b", "1", SEPTEMBER)],
        TWO,
        NOTHING,
        {SEPTEMBER: Want("vanished", "a", {"b": "unchanged"}, says="no object holds some of its rows any more")},
    ),
    "a file rolled on": (
        [delivered("a", "2", OCTOBER)],
        ONE,
        NOTHING,
        {SEPTEMBER: Want("unchanged", rolled_on="a"), OCTOBER: Want("load", "a")},
    ),
    "a file of two months rolled on by one": (
        [delivered("a", "2", SEPTEMBER, OCTOBER)],
        ROLLING,
        NOTHING,
        {AUGUST: Want("unchanged", rolled_on="a"), SEPTEMBER: Want("load", "a"), OCTOBER: Want("load", "a")},
    ),
    "a file of two months lost the first": (
        [delivered("a", "2", SEPTEMBER)],
        ROLLING,
        NOTHING,
        {AUGUST: Want("vanished", vanished="a", rolled_on="a", says="a holds no row of this month any more"), SEPTEMBER: Want("load", "a")},
    ),
    "a file went back": (
        [delivered("a", "2", AUGUST)],
        ONE,
        NOTHING,
        {AUGUST: Want("load", "a"), SEPTEMBER: Want("vanished", vanished="a", rolled_on="a", says="a holds no row")},
    ),
    "a file went on beside one that is gone": (
        [delivered("a", "3", OCTOBER)],
        TWO,
        NOTHING,
        {SEPTEMBER: Want("vanished", vanished="b", rolled_on="a", says="b vanished: "), OCTOBER: Want("load", "a")},
    ),
    "a file went on beside another that lost its rows": (
        [delivered("a", "3", OCTOBER), delivered("b", "4", AUGUST)],
        TWO,
        NOTHING,
        {AUGUST: Want("load", "b"), SEPTEMBER: Want("vanished", vanished="b", rolled_on="a b", says="b holds no row"), OCTOBER: Want("load", "a")},
    ),
    "a file went on and its rows stay under another name": (
        [delivered("a", "3", OCTOBER), delivered("c", "1", SEPTEMBER)],
        ONE,
        NOTHING,
        {SEPTEMBER: Want("unchanged", "c"), OCTOBER: Want("load", "a")},
    ),
    "a header alone": ([HEADER], ONE, NOTHING, {SEPTEMBER: Want("load", "a", emptied="a")}),
    "a header alone for both months": (
        [HEADER],
        ROLLING,
        NOTHING,
        {AUGUST: Want("load", "a", emptied="a"), SEPTEMBER: Want("load", "a", emptied="a")},
    ),
    "a header alone after a file rolled on": (
        [HEADER],
        {AUGUST: {"a": "1"}, SEPTEMBER: {"a": "2"}},
        NOTHING,
        {AUGUST: Want("unchanged", rolled_on="a"), SEPTEMBER: Want("load", "a", emptied="a")},
    ),
    "a header alone, as published": ([HEADER], {SEPTEMBER: {"a": "9"}}, NOTHING, {SEPTEMBER: Want("unchanged", "a")}),
    "a header of a name nobody knows": ([delivered("new", "9")], ONE, NOTHING, {SEPTEMBER: Want("vanished", vanished="a", says="a vanished")}),
    "rows that cannot be taken": (
        [delivered("a", "3", SEPTEMBER, OCTOBER, rejected={SEPTEMBER: 1}), delivered("b", "4", SEPTEMBER, rejected={SEPTEMBER: 2})],
        {},
        NOTHING,
        {SEPTEMBER: Want("refused", "a b", says="a, b has rows that cannot be taken"), OCTOBER: Want("load", "a")},
    ),
    "the same bytes twice": (
        [delivered("b", "1", SEPTEMBER), A1, delivered("c", "1", SEPTEMBER)],
        {},
        NOTHING,
        {SEPTEMBER: Want("load", "a", {"b": "unchanged", "c": "unchanged"})},
    ),
    "the same charges twice": (
        [delivered("a", "1", SEPTEMBER, hour=7), B2, delivered("c", "3", SEPTEMBER)],
        {},
        prints(_1=PRINT, _2=PRINT, _3=OTHER),
        {SEPTEMBER: Want("load", "a c", {"b": "unchanged"})},
    ),
    "the same charges at one time": ([A1, B2], {}, prints(_1=PRINT, _2=PRINT), {SEPTEMBER: Want("load", "b", {"a": "unchanged"})}),
    "charges of which some are not known": ([A1, B2], {}, prints(_1=PRINT), {SEPTEMBER: Want("load", "a b")}),
    "no charges in either": ([A1, B2], {}, prints(_1=Print(0, 0), _2=Print(0, 0)), {SEPTEMBER: Want("load", "a b")}),
    "the same charges in another month": (
        [A1, B2],
        {},
        Known({(sha256, OCTOBER): PRINT for sha256 in "12"}),
        {SEPTEMBER: Want("load", "a b")},
    ),
    "a newer one replaces": (
        [delivered("a", "1", SEPTEMBER, hour=7), B2],
        {},
        pairs("12"),
        {SEPTEMBER: Want("load", "a", {"b": "replaced"})},
    ),
    "each replaces the one before": (
        [A1, delivered("b", "2", SEPTEMBER, hour=6), delivered("c", "3", SEPTEMBER, hour=7)],
        {},
        pairs("12", "23", "13"),
        {SEPTEMBER: Want("load", "c", {"a": "replaced", "b": "replaced"})},
    ),
    "pairs of other months and of what is not there": (
        [A1, B2],
        {},
        Known(replacements=[(OCTOBER, frozenset("12")), (SEPTEMBER, frozenset("23"))]),
        {SEPTEMBER: Want("load", "a b")},
    ),
    "the newest alone was accepted": (
        [A1, B2, delivered("c", "3", SEPTEMBER)],
        ONE,
        Known(decisions=[decision("accepted", object="12", kept="2")]),
        {SEPTEMBER: Want("load", "b c", {"a": "replaced"})},
    ),
    "what was accepted is not delivered any more": (
        [A1, delivered("c", "3", SEPTEMBER)],
        ONE,
        Known(decisions=[decision("accepted", object="12", kept="2")]),
        {SEPTEMBER: Want("load", "a c")},
    ),
    "another month was accepted, or rejected": (
        [A1, B2],
        ONE,
        Known(decisions=[decision("accepted", OCTOBER, object="12", kept="2"), decision("rejected", OCTOBER, new="2")]),
        {SEPTEMBER: Want("load", "a b")},
    ),
    "one more was rejected": (
        [A1, B2],
        ONE,
        Known(decisions=[decision("rejected", new="2")]),
        {SEPTEMBER: Want("unchanged", "a", {"b": "rejected"})},
    ),
    "one more was rejected and another is new": (
        [A1, B2, delivered("c", "3", SEPTEMBER)],
        ONE,
        Known(decisions=[decision("rejected", new="2")]),
        {SEPTEMBER: Want("load", "a c", {"b": "rejected"})},
    ),
    "a restatement was rejected": (
        [A2],
        ONE,
        Known(decisions=[decision("rejected", new="2")]),
        {SEPTEMBER: Want("rejected", aside={"a": "rejected"}, says="until its content changes")},
    ),
    "a rejected restatement beside one that is new": (
        [A2, B3],
        ONE,
        Known(decisions=[decision("rejected", new="2")]),
        {SEPTEMBER: Want("load", "a b", kept_out="a")},
    ),
    "what was rejected first was accepted then": (
        [A1, B2],
        ONE,
        Known(decisions=[decision("accepted", hour=2, object="12", kept="12"), decision("rejected", hour=1, new="2")]),
        {SEPTEMBER: Want("load", "a b")},
    ),
    "what was accepted first was rejected then": (
        [A1, B2],
        ONE,
        Known(decisions=[decision("rejected", hour=2, new="2"), decision("accepted", hour=1, object="12", kept="12")]),
        {SEPTEMBER: Want("unchanged", "a", {"b": "rejected"})},
    ),
    "what was rejected here was accepted for another month": (
        [A1, B2],
        ONE,
        Known(decisions=[decision("rejected", hour=1, new="2"), decision("accepted", OCTOBER, hour=2, object="12", kept="12")]),
        {SEPTEMBER: Want("unchanged", "a", {"b": "rejected"})},
    ),
    "what was rejected stayed when another was rejected": (
        [A1, B2],
        ONE,
        Known(decisions=[decision("rejected", hour=1, new="2"), decision("rejected", hour=2, new="3", kept="12")]),
        {SEPTEMBER: Want("unchanged", "a", {"b": "rejected"})},
    ),
}  # fmt: skip


def planned(
    candidates: list[Candidate], published: Mapping[date, Mapping[str, str]], known: Known
) -> list[MonthPlan]:
    """A plan where everything that is published is of hour 4."""
    releases = {month: Published(objects, at(4)) for month, objects in published.items()}
    return plan(candidates, releases, {}, known=known)


@pytest.mark.parametrize("name", CASES)
def test_each_month_is_decided(name: str) -> None:
    candidates, published, known, want = CASES[name]
    for order in (candidates, candidates[::-1]):
        plans = planned(order, published, known)
        assert [one.period for one in plans] == sorted(want)
        assert {one.period: found(one, want[one.period].says) for one in plans} == want


ALL = {**TWO, OCTOBER: {"b": "2"}}
FAULTS: dict[str, tuple[list[Candidate], dict[str, str], str, dict[date, tuple[str, str]]]] = {
    "an object that fed the month": (
        [A1, delivered("c", "3", SEPTEMBER, OCTOBER)],
        {"b": "broken"},
        "",
        {
            SEPTEMBER: ("refused", "b was refused and fed this month before"),
            OCTOBER: ("refused", "b was refused"),
        },
    ),
    "an object that fed no month": (
        [A1, delivered("b", "3", SEPTEMBER, OCTOBER)],
        {"c": "broken"},
        "",
        {SEPTEMBER: ("load", ""), OCTOBER: ("load", "")},
    ),
    "an object of the same manifest": (
        [delivered("a", "3", SEPTEMBER, group="m"), delivered("b", "4", OCTOBER)],
        {"m": "torn", "c": "torn"},
        "",
        {SEPTEMBER: ("refused", "an object of m was refused: torn"), OCTOBER: ("load", "")},
    ),
    "an object of another manifest": (
        [delivered("a", "3", SEPTEMBER, group="m"), delivered("b", "4", OCTOBER, group="n")],
        {"o": "torn"},
        "",
        {SEPTEMBER: ("load", ""), OCTOBER: ("load", "")},
    ),
    "part of the listing": (
        [A1, delivered("c", "3", OCTOBER)],
        {},
        "no rights",
        {
            SEPTEMBER: ("refused", "the delivery is incomplete (no rights)"),
            OCTOBER: ("refused", "incomplete"),
        },
    ),
    "part of the listing that fed nothing": (
        [delivered("a", "3", SEPTEMBER), delivered("b", "4", OCTOBER)],
        {},
        "no rights",
        {SEPTEMBER: ("load", ""), OCTOBER: ("load", "")},
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_read_keeps_the_months_it_fed(name: str) -> None:
    candidates, refused, incomplete, want = FAULTS[name]
    releases = {month: Published(objects, at(4)) for month, objects in ALL.items()}
    plans = plan(candidates, releases, refused, incomplete)
    assert {one.period: one.action for one in plans} == {month: action for month, (action, _) in want.items()}
    assert all(want[one.period][1] in one.reason for one in plans)


def test_a_month_is_as_new_as_the_newest_that_feeds_it() -> None:
    objects = [
        delivered("a", "1", SEPTEMBER, hour=7),
        delivered("b", "2", SEPTEMBER, hour=9),
        delivered("c", "3", OCTOBER, hour=8),
    ]
    september, october = planned(objects, {}, NOTHING)
    assert (september.version, october.version) == (at(9), at(8))
    (gone,) = planned([], ONE, NOTHING)
    assert gone.version is None


def test_a_month_is_what_it_is_made_of_in_any_order() -> None:
    (one,) = planned([A1, B2], {}, NOTHING)
    assert one.fingerprint == fingerprint(SEPTEMBER, ["2", "1"]) == fingerprint(SEPTEMBER, iter(["1", "2"]))
    others = {fingerprint(OCTOBER, ["1", "2"]), fingerprint(SEPTEMBER, ["1"]), fingerprint(SEPTEMBER, ["12"])}
    assert len(others) == 3 and one.fingerprint not in others


@pytest.mark.parametrize(
    ("decisions", "accepted"),
    [
        ([decision("accepted", kept="12")], True),
        ([decision("rejected", kept="12")], False),
        ([decision("accepted", OCTOBER, kept="12")], False),
        ([decision("accepted", kept="1")], False),
        ([decision("accepted", kept="123")], False),
        ([decision("accepted", kept="1"), decision("accepted", kept="12")], True),
        ([], False),
    ],
)
def test_accepted_is_what_was_accepted_as_exactly_this(decisions: list[Hold], accepted: bool) -> None:
    (one,) = planned([A1, B2], {}, NOTHING)
    assert is_accepted(one, Known(decisions=decisions)) is accepted
