"""The access log from spool to warehouse: each entry once, whatever is killed when, and none lost without a word."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from models.errors import WarehouseError
from models.people import access_policy
from sql import access_log
from sql.access_log import AccessEntry, append, load, refused_files, waiting
from sql.warehouse import Warehouse

NOW = datetime.now(UTC)
HOSTILE = "',\"\n<b>x</b>\u2028\\ {a:String} \ud800"


@pytest.fixture
def log(fresh_warehouse: Warehouse) -> Iterator[Warehouse]:
    """A warehouse whose log is empty."""
    fresh_warehouse.execute_text("TRUNCATE TABLE core_access_log")
    yield fresh_warehouse


def entry(number: int, **more: Any) -> AccessEntry:
    """The entry of a number."""
    return AccessEntry("page", person=f"p{number}", page="team", at=NOW - timedelta(seconds=number), **more)


def persons(warehouse: Warehouse) -> list[str]:
    """Who is in the log, each entry once by the view."""
    return sorted(warehouse.frame_of("SELECT person FROM core_access_log_current")["person"])


def test_what_waits_is_loaded_once_and_as_it_was(log: Warehouse, tmp_path: Path) -> None:
    whole = AccessEntry(
        "file",
        "Ada",
        "s",
        "0123",
        "finance",
        "a.csv",
        {"month": HOSTILE, "b": "c"},
        ("x", "y, z"),
        ("r",),
        HOSTILE,
        3,
    )
    assert append(tmp_path, [whole, entry(1)]) == 2
    before = waiting(tmp_path)
    assert load(log, tmp_path, NOW) == access_log.Loaded(rows=2)
    after = log.frame_of("SELECT * FROM core_access_log_current ORDER BY at DESC, event_id")
    assert after.rows() == before.rows()
    row = after.filter(after["event"] == "file").row(0, named=True)
    assert row["parameters"] == {"month": HOSTILE.replace("\ud800", "?"), "b": "c"}
    assert (row["teams"], row["rights"], row["lost"]) == (["x", "y, z"], ["r"], 3)
    assert load(log, tmp_path, NOW) == access_log.Loaded()
    assert waiting(tmp_path).is_empty()


@pytest.mark.parametrize("cut_before", ["insert", "read back", "remove"])
def test_a_load_that_is_cut_doubles_and_loses_nothing(
    log: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut_before: str
) -> None:
    append(tmp_path, [entry(number) for number in range(5)])

    class Cut(Exception):
        """The process ends here."""

    def cut(*_: Any, **__: Any) -> Any:
        raise Cut

    with monkeypatch.context() as patch:
        if cut_before == "insert":
            patch.setattr(log, "insert", cut)
        elif cut_before == "remove":
            patch.setattr(Path, "unlink", cut)
        else:
            known = access_log._known
            calls = iter([known, cut])
            patch.setattr(access_log, "_known", lambda *given: next(calls)(*given))
        with pytest.raises(Cut):
            load(log, tmp_path, NOW)
    append(tmp_path, [entry(5)])
    assert set(waiting(tmp_path)["person"]) == {f"p{number}" for number in range(6)}
    load(log, tmp_path, NOW)
    assert persons(log) == [f"p{number}" for number in range(6)]
    assert log.frame_of("SELECT count() AS n FROM core_access_log")["n"][0] == 6


def test_an_insert_that_kept_less_is_not_believed(
    log: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(tmp_path, [entry(1), entry(2)])
    insert = log.insert
    with monkeypatch.context() as patch:
        patch.setattr(log, "insert", lambda table, frame: insert(table, frame.head(1)))
        with pytest.raises(WarehouseError, match="1 entries of the access log are not in core_access_log"):
            load(log, tmp_path, NOW)
    load(log, tmp_path, NOW)
    assert persons(log) == ["p1", "p2"]


def test_a_torn_line_costs_no_other_and_is_kept(log: Warehouse, tmp_path: Path) -> None:
    append(tmp_path, [entry(1)])
    [spool] = (tmp_path / ".appfleet" / "access").glob("spool.jsonl")
    line = entry(2).line()
    with spool.open("ab") as file:
        file.write(line[: len(line) // 2])
    append(tmp_path, [entry(3)])
    wrong = [b"[]", b"{}", b"nothing", json.dumps({**json.loads(line), "teams": [1]}).encode(),
             json.dumps({**json.loads(line), "lost": -1}).encode(), json.dumps({**json.loads(line), "at": "x"}).encode()]  # fmt: skip
    with spool.open("ab") as file:
        file.write(b"\n".join([*wrong, b""]))
    append(tmp_path, [entry(4)])
    done = load(log, tmp_path, NOW)
    assert (done.rows, done.unreadable) == (3, 1 + len(wrong))
    assert persons(log) == ["p1", "p3", "p4"]
    assert len(refused_files(tmp_path)) == 1
    assert load(log, tmp_path, NOW).unreadable == 0


def test_writers_and_a_loader_at_the_same_time_lose_nothing(log: Warehouse, tmp_path: Path) -> None:
    def write(first: int) -> None:
        for number in range(first, first + 40):
            append(tmp_path, [entry(number)])

    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 100, 200)]
    for one in writers:
        one.start()
    while any(one.is_alive() for one in writers):
        load(log, tmp_path, NOW)
    load(log, tmp_path, NOW)
    assert len(persons(log)) == len(set(persons(log))) == 120


def test_what_is_older_than_it_is_kept_goes(log: Warehouse, tmp_path: Path) -> None:
    kept = timedelta(days=access_policy().kept_days)
    ages = {"young": kept - timedelta(minutes=1), "old": kept + timedelta(minutes=1)}
    append(tmp_path, [AccessEntry("page", person=name, at=NOW - age) for name, age in ages.items()])
    assert load(log, tmp_path, NOW) == access_log.Loaded(rows=2, collected=1)
    assert persons(log) == ["young"]


def test_a_spool_has_an_end_and_an_entry_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = AccessEntry("page", reason="x" * 100_000, parameters={str(n): "y" * 10_000 for n in range(500)})
    assert len(long.line()) < 20_000
    policy = access_policy()
    monkeypatch.setattr(
        access_log, "access_policy", lambda: type(policy)(**{**vars(policy), "spool_bytes": 1500})
    )
    assert append(tmp_path, [entry(number) for number in range(10)]) == 1500 // len(entry(0).line())
    assert append(tmp_path, [entry(11)]) == 0
