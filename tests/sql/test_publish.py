"""Releases: one row publishes a scope and period in all its tables, and one writer at a time may do so."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from models.errors import LeaseHeld, ModelError, WarehouseError
from sql import publish as publish_module
from sql.leases import lease
from sql.publish import WHOLE_TABLE, head, heads, new_batch_id, publish, publish_periods
from sql.warehouse import Warehouse
from tests.conftest import python_path

VERSION = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def _teams(warehouse: Warehouse, *names: str):  # type: ignore[no-untyped-def]
    batch = new_batch_id()
    warehouse.execute_text(
        "INSERT INTO core_teams (team, batch_id) SELECT arrayJoin({names:Array(String)}), {batch:UUID}",
        names=list(names),
        batch=batch,
    )
    return batch


def _visible(warehouse: Warehouse) -> list[str]:
    return warehouse.frame_of("SELECT toString(team) AS team FROM core_teams_current ORDER BY team")[
        "team"
    ].to_list()


def test_rows_appear_with_their_release_and_replace_the_former(warehouse: Warehouse) -> None:
    first = _teams(warehouse, "a", "b")
    assert _visible(warehouse) == []
    publish(
        warehouse, "registry", WHOLE_TABLE, batches={"core_teams": first}, rows=2, sha256="1", version=VERSION
    )
    assert _visible(warehouse) == ["a", "b"]
    second = _teams(warehouse, "c")
    assert _visible(warehouse) == ["a", "b"]
    release = publish(
        warehouse,
        "registry",
        WHOLE_TABLE,
        batches={"core_teams": second},
        rows=1,
        sha256="2",
        version=VERSION,
    )
    assert release.seq == 2
    assert _visible(warehouse) == ["c"]
    empty = publish(
        warehouse,
        "registry",
        WHOLE_TABLE,
        batches={"core_teams": new_batch_id()},
        rows=0,
        sha256="3",
        version=VERSION,
    )
    assert (empty.seq, _visible(warehouse)) == (3, []), "a release of no rows empties the table"


def test_a_head_comes_back_as_it_was_published(warehouse: Warehouse) -> None:
    sums = {
        "USD/BilledCost": Decimal("123456789012345678901234567890.123456789012345678"),
        "EUR/x": Decimal("-0.1"),
    }
    residues = {"USD/BilledCost": Decimal("0.00000000000000000000000000000000000001")}
    published = publish(
        warehouse,
        "billing/it's \\ one",
        date(2026, 1, 1),
        batches={"raw_focus_costs": new_batch_id(), "b": new_batch_id()},
        rows=2**40,
        sha256="f" * 64,
        version=VERSION,
        sums=sums,
        residues=residues,
    )
    found = head(warehouse, "billing/it's \\ one", date(2026, 1, 1))
    assert found == published
    assert found is not None
    assert found.version == VERSION
    assert (found.sums, found.residues) == (sums, residues)
    assert head(warehouse, "billing/it's \\ one", date(2026, 2, 1)) is None
    assert head(warehouse, "billing/it", date(2026, 1, 1)) is None


def test_periods_do_not_touch_each_other(warehouse: Warehouse) -> None:
    for month in (3, 4):
        for number in range(2):
            publish(
                warehouse,
                "costs",
                date(2026, month, 1),
                batches={"t": new_batch_id()},
                rows=number,
                sha256=f"{month}{number}",
                version=VERSION,
            )
    assert [(one.period.month, one.seq, one.sha256) for one in heads(warehouse, "costs")] == [
        (3, 2, "31"),
        (4, 2, "41"),
    ]


def test_what_a_release_must_have(warehouse: Warehouse) -> None:
    with pytest.raises(ModelError, match="no batch"):
        publish(warehouse, "x", WHOLE_TABLE, batches={}, rows=0, sha256="", version=VERSION)
    with pytest.raises(ModelError, match="time zone"):
        publish(
            warehouse,
            "x",
            WHOLE_TABLE,
            batches={"t": new_batch_id()},
            rows=0,
            sha256="",
            version=VERSION.replace(tzinfo=None),
        )


def test_two_writers_without_a_lease_are_noticed(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that saw the head before another one published cannot slip its older release in unnoticed."""
    first = publish(
        warehouse, "race", WHOLE_TABLE, batches={"t": new_batch_id()}, rows=0, sha256="a", version=VERSION
    )
    publish(
        warehouse, "race", WHOLE_TABLE, batches={"t": new_batch_id()}, rows=0, sha256="b", version=VERSION
    )
    publish(
        warehouse, "race", WHOLE_TABLE, batches={"t": new_batch_id()}, rows=0, sha256="c", version=VERSION
    )
    true_head, answers = publish_module.head, [first]
    monkeypatch.setattr(publish_module, "head", lambda *args: answers.pop() if answers else true_head(*args))
    with pytest.raises(WarehouseError, match="somebody else"):
        publish(
            warehouse, "race", WHOLE_TABLE, batches={"t": new_batch_id()}, rows=0, sha256="d", version=VERSION
        )


def _days(batch: UUID) -> dict[str, Any]:
    return {"batches": {"t": batch}, "fingerprints": {DAYS[0]: "a", DAYS[1]: "b"}, "rows": {DAYS[1]: 7}}


DAYS = (date(2026, 5, 1), date(2026, 5, 2))


def test_periods_published_by_one_insert_come_back_as_they_were_published(warehouse: Warehouse) -> None:
    first = publish_periods(warehouse, "together", **_days(new_batch_id()))
    publish(
        warehouse,
        "together",
        DAYS[1],
        batches={"t": new_batch_id()},
        rows=0,
        sha256="c",
        version=VERSION,
    )
    second = publish_periods(warehouse, "together", **_days(new_batch_id()))
    assert [(one.period, one.seq, one.rows, one.sha256) for one in first] == [
        (DAYS[0], 1, 0, "a"),
        (DAYS[1], 1, 7, "b"),
    ]
    assert [(one.period, one.seq) for one in second] == [(DAYS[0], 2), (DAYS[1], 3)]
    assert heads(warehouse, "together") == second
    assert publish_periods(warehouse, "together", {"t": new_batch_id()}, {}, {}) == []
    with pytest.raises(ModelError, match="no batch"):
        publish_periods(warehouse, "together", {}, {DAYS[0]: "d"}, {})
    assert heads(warehouse, "together") == second


def test_two_writers_of_many_periods_without_a_lease_are_noticed(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer published one of the periods, or all, after ours had read what is current."""
    before = publish_periods(warehouse, "many", **_days(new_batch_id()))
    publish(warehouse, "many", DAYS[1], batches={"t": new_batch_id()}, rows=0, sha256="c", version=VERSION)
    true_heads, answers = publish_module.heads, [before]
    monkeypatch.setattr(
        publish_module, "heads", lambda *args: answers.pop() if answers else true_heads(*args)
    )
    with pytest.raises(WarehouseError, match="many 2026-05-02 was published by somebody else"):
        publish_periods(warehouse, "many", **_days(new_batch_id()))


DAMAGES = {
    "lost": "DELETE FROM period_head WHERE scope = {scope:String} AND seq > 1",
    "changed": "ALTER TABLE period_head UPDATE batches = map('t', generateUUIDv4()) WHERE scope = {scope:String} AND seq > 1",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_release_that_does_not_read_back_is_an_error(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """The row that reaches the table is not the one sent: no writer may believe it has published."""
    true_execute = warehouse.execute

    def damaged(name: str, /, *args: Any, **parameters: Any) -> None:
        true_execute(name, *args, **parameters)
        if name.startswith("statements/publish"):
            warehouse.execute_text(DAMAGES[damage], settings={"mutations_sync": 2}, scope=parameters["scope"])

    for number, send in enumerate(
        (
            lambda scope: publish_periods(warehouse, scope, **_days(new_batch_id())),
            lambda scope: publish(
                warehouse,
                scope,
                DAYS[0],
                batches={"t": new_batch_id()},
                rows=0,
                sha256="e",
                version=VERSION,
            ),
        )
    ):
        scope = f"{damage} {number}"
        send(scope)
        with monkeypatch.context() as patch:
            patch.setattr(warehouse, "execute", damaged)
            with pytest.raises(WarehouseError, match=f"{scope} 2026-05-01 was published by somebody else"):
                send(scope)


def test_a_lease_has_one_holder_and_ends_with_it(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from sql.leases import lease\n"
        "with lease(Path(sys.argv[1]), 'billing/aws'):\n print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": python_path()},
    )
    assert other.stdout
    assert other.stdout.readline() == "held\n"
    with pytest.raises(LeaseHeld, match=f"process {other.pid} since"), lease(tmp_path, "billing/aws"):
        pass
    with lease(tmp_path, "billing/azure"):
        pass
    other.kill()
    other.wait()
    begin = time.monotonic()
    with lease(tmp_path, "billing/aws", wait_seconds=5):
        assert time.monotonic() - begin < 5


def test_who_holds_a_lease_is_told_to_whom_waits(tmp_path: Path) -> None:
    told: list[str] = []
    with (
        lease(tmp_path, "pass"),
        pytest.raises(LeaseHeld, match=f"process {os.getpid()} since"),
        lease(tmp_path, "pass", wait_seconds=0.3, waiting=told.append),
    ):
        pass
    assert len(told) == 1
    assert told[0].startswith(f"pass is being written by process {os.getpid()} since ")


@pytest.mark.parametrize("code", [285, 286, 319])
@pytest.mark.parametrize("was_written", [True, False])
@pytest.mark.parametrize("conflicts", [1, 4, 5])
def test_a_quorum_at_odds_is_tried_again_after_reading_back(
    fresh_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, code: int, was_written: bool, conflicts: int
) -> None:
    """Whether the head was written or not it is there once; replicas that stay at odds are an error, not a release."""
    scope, batch = f"quorum {new_batch_id()}", new_batch_id()
    execute, tried = fresh_warehouse.execute, []

    def at_odds(name: str, /, *given: Any, **named: Any) -> None:
        tried.append(name)
        is_refused = len(tried) <= conflicts
        if was_written or not is_refused:
            execute(name, *given, **named)
        if is_refused:
            raise WarehouseError("quorum", code)

    monkeypatch.setattr("sql.publish._HEAD_PAUSE_SECONDS", 0)
    monkeypatch.setattr(fresh_warehouse, "execute", at_odds)
    given: dict[str, Any] = {"batches": {"t": batch}, "rows": 0, "sha256": "x", "version": datetime.now(UTC)}
    if conflicts == 5 and not was_written:
        with pytest.raises(WarehouseError, match="quorum"):
            publish(fresh_warehouse, scope, WHOLE_TABLE, **given)
        assert head(fresh_warehouse, scope, WHOLE_TABLE) is None
        return
    assert publish(fresh_warehouse, scope, WHOLE_TABLE, **given).seq == 1
    found = head(fresh_warehouse, scope, WHOLE_TABLE)
    assert found and (found.seq, found.batches) == (1, {"t": batch})
    assert len(tried) == (1 if was_written else conflicts + 1)
