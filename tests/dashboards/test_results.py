"""Results pages share: each is read once per release whoever asks and however many at once, a failure is told and tried again, and
what a page reads ahead is what it then asks for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dashboards.results import KEPT, READERS, Read, Results
from models.errors import WarehouseError
from tests.dashboards.conftest import Run

SOME = Read("1", "fleet/counts", (("teams", ("a",)),), (("app_id", "shop"),))


class Counting:
    """A warehouse that counts what it is asked, waits while it is closed, and fails while it is told to."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.bound: list[dict[str, Any]] = []
        self.fails = False
        self.open = threading.Event()
        self.open.set()
        self.begun = threading.Semaphore(0)
        self.lock = threading.Lock()

    def read(self, name: str, bound: dict[str, Any]) -> pl.DataFrame:
        """How often the statement was asked."""
        self.begun.release()
        assert self.open.wait(10)
        with self.lock:
            self.asked[name] += 1
            self.bound.append(bound)
            if self.fails:
                raise WarehouseError("away")
            return pl.DataFrame({"asked": [self.asked[name]]})


@pytest.fixture
def warehouse() -> Counting:
    """A warehouse nobody asked yet."""
    return Counting()


@pytest.fixture
def results(warehouse: Counting) -> Iterator[Results]:
    """Its results, closed at the end."""
    made = Results(warehouse.read)
    yield made
    warehouse.open.set()
    made.close()


def test_a_result_is_read_once_with_all_its_values(warehouse: Counting, results: Results) -> None:
    assert [results.frame(SOME).item() for _ in range(3)] == [1, 1, 1]
    assert warehouse.bound == [{"app_id": "shop", "teams": ("a",)}]


@pytest.mark.parametrize(
    "other",
    [
        replace(SOME, mark="2"),
        replace(SOME, scope=(("teams", ("b",)),)),
        replace(SOME, parameters=(("app_id", "till"),)),
        replace(SOME, parameters=()),
    ],
)
def test_another_release_scope_or_value_is_another_result(results: Results, other: Read) -> None:
    assert (results.frame(SOME).item(), results.frame(other).item(), results.frame(SOME).item()) == (1, 2, 1)


def test_who_asks_while_it_is_read_waits_for_the_same(warehouse: Counting, results: Results) -> None:
    warehouse.open.clear()
    with ThreadPoolExecutor(6) as people:
        asked = [people.submit(results.frame, SOME) for _ in range(6)]
        assert warehouse.begun.acquire(timeout=10)
        warehouse.open.set()
        assert [one.result(10).item() for one in asked] == [1] * 6


def test_what_is_read_ahead_is_not_read_again(warehouse: Counting, results: Results) -> None:
    results.ahead(SOME)
    results.ahead(SOME)
    assert results.frame(SOME).item() == 1
    assert warehouse.asked == {SOME.name: 1}


def test_who_asks_does_not_wait_for_what_others_read_ahead(warehouse: Counting, results: Results) -> None:
    """All readers are busy: what none of them has begun is read by who asks."""
    warehouse.open.clear()
    others = [replace(SOME, name=f"busy/{number}") for number in range(READERS)]
    for other in (*others, SOME):
        results.ahead(other)
    for _ in others:
        assert warehouse.begun.acquire(timeout=10)
    with ThreadPoolExecutor(1) as person:
        asked = person.submit(results.frame, SOME)
        assert warehouse.begun.acquire(timeout=10), "begun by who asks, not by a reader"
        warehouse.open.set()
        assert asked.result(10).item() == 1
    assert [results.frame(other).item() for other in others] == [1] * READERS


@pytest.mark.parametrize("is_ahead", [False, True])
def test_a_failure_is_told_and_not_remembered(warehouse: Counting, results: Results, is_ahead: bool) -> None:
    warehouse.fails = True
    if is_ahead:
        warehouse.open.clear()
        results.ahead(SOME)
        assert warehouse.begun.acquire(timeout=10)
        with ThreadPoolExecutor(1) as person:
            asked = person.submit(results.frame, SOME)
            warehouse.open.set()
            with pytest.raises(WarehouseError, match="away"):
                asked.result(10)
    else:
        with pytest.raises(WarehouseError, match="away"):
            results.frame(SOME)
    warehouse.fails = False
    assert results.frame(SOME)["asked"].item() > 1


def test_the_longest_unasked_is_forgotten(warehouse: Counting, results: Results) -> None:
    results.frame(SOME)
    for number in range(KEPT - 1):
        results.frame(replace(SOME, mark=f"other {number}"))
    results.frame(SOME)
    results.frame(replace(SOME, mark="one more"))
    asked = warehouse.asked[SOME.name]
    results.frame(SOME)
    assert warehouse.asked[SOME.name] == asked
    results.frame(replace(SOME, mark="other 0"))
    assert warehouse.asked[SOME.name] == asked + 1


def test_a_caller_cannot_change_what_is_remembered(results: Results) -> None:
    taken = results.frame(SOME)
    taken.insert_column(0, pl.Series("mine", [1]))
    assert results.frame(SOME).columns == ["asked"]


PAGES = ("fleet", "one_app", "team", "oncall", "anomalies", "coverage", "finance")
NOT_OF_THIS_APP = {"worth_shown/days", "worth_shown/credits"}
"""What is asked of an app only where it has a worth, which the one shown has not."""


@pytest.mark.parametrize("page", PAGES)
def test_a_page_asks_for_all_it_reads_ahead(
    full_workspace: Path, run: Run, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """With the same values: what is asked for with others would be read twice."""
    asked: dict[str, set[Read]] = {"ahead": set(), "frame": set()}
    for method, told in asked.items():
        original = getattr(Results, method)

        def telling(self: Results, one: Read, told: set[Read] = told, original: Any = original) -> Any:
            told.add(one)
            return original(self, one)

        monkeypatch.setattr(Results, method, telling)
    app = run(full_workspace, page)
    assert not app.exception
    assert len(asked["ahead"]) >= 3
    unasked = {one.name for one in asked["ahead"] - asked["frame"]}
    assert unasked == (NOT_OF_THIS_APP if page == "one_app" else set())
    assert not unasked & {one.name for one in asked["frame"]}
