"""Steps beside each other: none begins before what it reads is there, and what is said of its reads is what it reads."""

from __future__ import annotations

import random
import re
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from models.errors import ConfigurationError, WarehouseError
from pipelines import work
from pipelines.commands import run
from pipelines.commands.run import AT_ONCE, run_pass
from pipelines.steps import STEPS, ready
from pipelines.work import Ask, Done
from sql.logs import at_work
from sql.warehouse import Warehouse
from sql.workspace import load_settings
from tests.conftest import SmallFleet

MAKERS = {table: step.name for step in STEPS.values() for table in step.tables}
LOOKS_AT_ALL = {"billing", "telemetry"}
"""Their checks look at published tables as they stand: whether rows were lost, how old the newest are."""


@pytest.mark.parametrize("seed", range(20))
def test_whatever_ends_first_nothing_begins_before_what_it_reads(seed: int) -> None:
    draw = random.Random(seed)
    asked = {name for name in STEPS if draw.random() < 0.8}
    begun: list[str] = []
    ended: list[str] = []
    while len(ended) < len(asked):
        for step in ready(asked, begun, ended):
            wanted = {MAKERS[table] for table in step.looks_at} & asked - {step.name}
            assert wanted <= set(ended)
            begun.append(step.name)
        working = [name for name in begun if name not in ended]
        assert working, "a pass that waits for itself"
        ended.append(draw.choice(working))
    assert sorted(begun) == sorted(asked)


def _played(
    monkeypatch: pytest.MonkeyPatch, works: dict[str, Any]
) -> tuple[list[tuple[str, str]], threading.Barrier]:
    """Steps that do nothing but say that they begin and end; ``works`` do more."""
    events: list[tuple[str, str]] = []
    together = threading.Barrier(2, timeout=20)

    def played(name: str) -> Any:
        def done(ask: Ask) -> Done:
            events.append(("begins", name))
            works.get(name, lambda _: None)(together)
            events.append(("ends", name))
            return Done({}, 0, 0)

        return done

    monkeypatch.setattr(run, "WORK", {name: played(name) for name in STEPS})
    monkeypatch.setattr(run, "CHECKS", {})
    monkeypatch.setattr("pipelines.commands.telling.Teller.tell", lambda *_: None)
    return events, together


def _failing(_: threading.Barrier) -> None:
    raise ConfigurationError("it is broken")


def test_two_steps_work_at_once_and_never_three(
    small_fleet: SmallFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(SmallFleet.copy(small_fleet.passed, tmp_path / "workspace"))
    meet = {"billing": lambda both: both.wait(), "telemetry": lambda both: both.wait()}
    events, _ = _played(monkeypatch, meet)
    done = run_pass(settings, steps=list(STEPS))
    assert [one.step for one in done.steps] == list(STEPS), (
        "told in the order of the table, whoever ended first"
    )
    working, most = 0, 0
    for what, _ in events:
        working += 1 if what == "begins" else -1
        most = max(most, working)
    assert most == AT_ONCE == 2

    # A damaged bill leaves what is made of it as it was; whoever is on call is told all the same.
    events, _ = _played(monkeypatch, {"costs": _failing})
    failed = run_pass(settings, steps=list(STEPS))
    ran = {name for what, name in events if what == "ends"}
    assert ran >= {"slices", "slo", "alerts", "completeness"}
    assert not ran & {"costs", "reporting", "unit_costs", "forecasts", "marts", "worth"}
    assert [one.step for one in failed.steps if one.failed] == ["costs"]

    # What ends the pass otherwise is raised by it, and nothing is asked of the warehouse any more.
    asked: list[BaseException] = []

    def goes_on(both: threading.Barrier) -> None:
        both.wait()
        ended.wait(20)
        try:
            seen[0].frame("queries/ledger/alive")
        except WarehouseError as error:
            asked.append(error)
        told.set()

    def is_a_fault(both: threading.Barrier) -> None:
        both.wait()
        raise ZeroDivisionError

    seen: list[Warehouse] = []
    ended, told = threading.Event(), threading.Event()
    end_all = Warehouse.end_all

    def ends_all(self: Warehouse) -> None:
        end_all(self)
        seen.append(self)
        ended.set()
        assert told.wait(20)

    monkeypatch.setattr(Warehouse, "end_all", ends_all)
    _played(monkeypatch, {"billing": goes_on, "telemetry": is_a_fault})
    with pytest.raises(ZeroDivisionError):
        run_pass(settings, steps=list(STEPS))
    assert [str(error) for error in asked] == ["whoever began this ended it"]


@pytest.mark.slow
def test_what_is_said_of_reads_is_what_is_read(
    small_fleet: SmallFleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps beside each other would else read of each other's tables what is there or not yet."""
    settings = load_settings(SmallFleet.copy(small_fleet.simulated, tmp_path / "workspace"))
    read: dict[str, set[str]] = defaultdict(set)
    asks: set[str] = set()

    def heard(name: str) -> None:
        asked = getattr(Warehouse, name)

        def listening(self: Warehouse, text: str, *more: Any, **given: Any) -> Any:
            words = re.findall(r"\b(?:core|mart|raw|otel)_[a-z_]+\b", re.sub(r"--[^\n]*", "", text))
            read[at_work()[1]] |= {re.sub("_(?:current|published)$", "", word) for word in words}
            return asked(self, text, *more, **given)

        monkeypatch.setattr(Warehouse, name, listening)

    for name in ("frame_of", "execute_text", "stream_of", "text"):
        heard(name)
    found = Ask.moment.fget
    assert found

    def moment(ask: Ask) -> Any:
        asks.add(at_work()[1])
        return found(ask)

    monkeypatch.setattr(work.Ask, "moment", property(moment))
    done = run_pass(settings, steps=list(STEPS))
    assert not any(one.failed for one in done.steps)
    assert asks == {step.name for step in STEPS.values() if step.of_moment}
    for step in STEPS.values():
        if step.name not in LOOKS_AT_ALL:
            own = read[step.name] & set(MAKERS) - set(step.tables)
            behind = (
                {MAKERS[table] for table in own} - {MAKERS[table] for table in step.looks_at} - {step.name}
            )
            assert not behind, (step.name, sorted(own))
