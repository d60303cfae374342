"""What is of no team: read once for all who come, read again in time, never older than it says."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import streamlit as st

from dashboards import shared
from dashboards.queries import TeamReads, reads_of
from dashboards.shared import SHARED, SharedReads
from models.errors import WarehouseError
from models.people import Viewer
from sql.catalog import statement
from tests.dashboards.fleet import EVERYTHING

RELEASED = [name for name, one in SHARED.items() if one.holds_seconds == float("inf")]
SHORT = [name for name in SHARED if name not in RELEASED]


class Counted:
    """A warehouse that counts what it is asked and answers with how often that was."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.mark = "1"
        self.fails = False
        self.slow = threading.Event()
        self.slow.set()

    def read(self, name: str, parameters: dict[str, Any]) -> pl.DataFrame:
        """How often a statement was asked, this time with it."""
        self.slow.wait(10)
        if self.fails:
            raise WarehouseError("away")
        self.asked[name] += 1
        return pl.DataFrame({"asked": [self.asked[name]]})

    def reads(self) -> SharedReads:
        """Shared reads of it."""
        return SharedReads(self.read, lambda: self.mark)


@pytest.fixture
def warehouse() -> Counted:
    """A warehouse nobody asked yet."""
    return Counted()


@pytest.fixture
def reads(warehouse: Counted) -> Iterator[SharedReads]:
    """Its shared reads, closed at the end."""
    found = warehouse.reads()
    yield found
    found.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Puts the clock of the shared reads so many seconds ahead."""
    ahead = [0.0]
    monotonic = time.monotonic
    monkeypatch.setattr(shared.time, "monotonic", lambda: monotonic() + ahead[0])
    return lambda seconds: ahead.__setitem__(0, seconds)


def until(is_true: Callable[[], bool]) -> None:
    """Waits for something the thread does."""
    end = time.perf_counter() + 10
    while not is_true():
        assert time.perf_counter() < end, "it never came true"
        time.sleep(0.005)


@pytest.mark.parametrize("name", SHARED)
def test_a_statement_is_asked_once_for_all_who_come_at_a_release(
    warehouse: Counted, reads: SharedReads, name: str
) -> None:
    warehouse.slow.clear()
    with ThreadPoolExecutor(8) as viewers:
        found = [viewers.submit(reads.frame, name, "1") for _ in range(8)]
        warehouse.slow.set()
    assert [one.result()["asked"].item() for one in found] == [1] * 8
    assert reads.frame(name, "2")["asked"].item() == 2, "of a release that is over"


@pytest.mark.parametrize("name", SHORT)
def test_what_may_change_without_a_release_is_asked_again_in_time(
    warehouse: Counted, reads: SharedReads, clock: Callable[[float], None], name: str
) -> None:
    reads.frame(name, "1")
    clock(59)
    assert reads.frame(name, "1")["asked"].item() == 1
    clock(61)
    assert reads.frame(name, "1")["asked"].item() == 2


@pytest.mark.parametrize("name", RELEASED)
def test_what_only_a_release_changes_is_kept(
    reads: SharedReads, clock: Callable[[float], None], name: str
) -> None:
    reads.frame(name, "1")
    clock(100_000)
    assert reads.frame(name, "1")["asked"].item() == 1


def test_a_release_is_read_before_anybody_asks(
    warehouse: Counted, reads: SharedReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_LOOK_SECONDS", 0.01)
    reads.frame("dashboards/as_of", "1")
    warehouse.mark = "2"
    until(lambda: warehouse.asked["dashboards/as_of"] == 2)
    assert reads.frame("dashboards/as_of", "2")["asked"].item() == 2
    assert set(warehouse.asked) == {"dashboards/as_of"}, "what no page asked for is not read ahead"


def test_what_grows_old_is_read_before_anybody_finds_it_too_old(
    warehouse: Counted,
    reads: SharedReads,
    clock: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared, "_LOOK_SECONDS", 0.01)
    reads.frame("damage/lost_rows", "1")
    clock(45)
    time.sleep(0.05)
    assert warehouse.asked["damage/lost_rows"] == 1, "it is not too old at the next look"
    clock(59.99)
    until(lambda: warehouse.asked["damage/lost_rows"] == 2)
    assert reads.frame("damage/lost_rows", "1")["asked"].item() == 2, "whoever comes then waits for nothing"


def test_an_answer_that_failed_is_not_kept_and_the_thread_goes_on(
    warehouse: Counted, reads: SharedReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_LOOK_SECONDS", 0.01)
    reads.frame("dashboards/as_of", "1")
    warehouse.fails = True
    warehouse.mark = "2"
    with pytest.raises(WarehouseError, match="away"):
        reads.frame("dashboards/as_of", "2")
    warehouse.fails = False
    until(lambda: warehouse.asked["dashboards/as_of"] == 2)


def test_nothing_is_read_ahead_where_nobody_looks(
    warehouse: Counted,
    reads: SharedReads,
    clock: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared, "_LOOK_SECONDS", 0.01)
    reads.frame("damage/lost_rows", "1")
    clock(601)
    until(lambda: reads._ahead is None)
    before = warehouse.asked["damage/lost_rows"]
    warehouse.mark = "2"
    time.sleep(0.05)
    assert warehouse.asked["damage/lost_rows"] == before
    reads.frame("damage/lost_rows", "2")
    until(lambda: reads._ahead is not None)


def test_closed_reads_end_their_thread(warehouse: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_LOOK_SECONDS", 0.01)
    reads = warehouse.reads()
    reads.frame("dashboards/as_of", "1")
    reads.close()
    until(lambda: reads._ahead is None)
    assert reads.frame("dashboards/as_of", "2")["asked"].item() == 2
    assert reads._ahead is None


@pytest.mark.parametrize("name", SHARED)
def test_what_is_shared_holds_nothing_of_a_team(full_workspace: Path, name: str) -> None:
    """The answer is the same whichever teams ask, and none of its columns is of a team."""
    parameters = SHARED[name].parameters
    answers = [
        reads_of(full_workspace, viewer).frame(name, **parameters)
        for viewer in (EVERYTHING, Viewer(teams=("people",)), Viewer(teams=("nobody's",)))
    ]
    assert answers[0].equals(answers[1]) and answers[0].equals(answers[2])
    assert not {"team", "app_id", "app_name"} & set(answers[0].columns)
    assert reads_of(full_workspace, EVERYTHING).of_anybody(name).equals(answers[0])
    assert "notEmpty({teams:Array(String)})" in statement(f"queries/{name}")
    st.cache_resource.clear()


def test_only_what_is_listed_is_shared(full_workspace: Path) -> None:
    reads: TeamReads = reads_of(full_workspace, Viewer(teams=("people",)))
    with pytest.raises(KeyError):
        reads.of_anybody("fleet/counts")
