"""Who gives way when all places are taken, decided without a server; with one: ``test_ownership``."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from sql.local_warehouse.connections import RESERVED, Connections

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    made = [socket.socketpair() for _ in range(RESERVED + 4)]
    yield made
    for pair in made:
        for one in pair:
            one.close()


def ended(pair: Pair) -> bool:
    pair[1].setblocking(False)
    try:
        return pair[1].recv(1) == b""
    except BlockingIOError:
        return False


def test_who_waits_longest_gives_way_and_nobody_known_before_the_unknown(pairs: list[Pair]) -> None:
    places = Connections(3)
    known, first, second, third, fourth = pairs[:5]
    for pair in (known, first, second):
        assert places.admit(pair[0])
    with places.at_work(known[0], known=True):
        pass
    assert places.admit(third[0])
    assert [ended(pair) for pair in (known, first, second)] == [False, True, False]
    with places.at_work(second[0], known=False):
        assert places.admit(fourth[0])
        assert [ended(pair) for pair in (known, second, third)] == [False, False, True]
    assert not any(places.is_reserved(pair[0]) for pair in (known, second, fourth))


def test_nobody_at_work_is_ended_and_some_places_are_for_those_who_ask_whether_it_answers(
    pairs: list[Pair],
) -> None:
    places = Connections(1)
    assert places.admit(pairs[0][0])
    with places.at_work(pairs[0][0], known=True):
        assert places.admit(pairs[1][0]) and places.is_reserved(pairs[1][0])
        assert places.admit(pairs[2][0]) and ended(pairs[1]), (
            "one that waits in a reserved place gives way too"
        )
        assert not ended(pairs[0])


def test_where_all_are_at_work_the_next_one_is_not_kept(pairs: list[Pair]) -> None:
    places = Connections(1)
    kept = pairs[: RESERVED + 1]
    contexts = []
    for pair in kept:
        assert places.admit(pair[0])
        contexts.append(places.at_work(pair[0], known=False))
        contexts[-1].__enter__()
    assert not places.admit(pairs[RESERVED + 1][0])
    contexts[0].__exit__(None, None, None)
    places.release(kept[0][0])
    assert places.admit(pairs[RESERVED + 1][0])
