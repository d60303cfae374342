"""Two intakes feed one warehouse, each from a journal of its own: one is killed, nothing is lost, doubled or waited for in vain."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import polars as pl
import pytest
from rich.console import Console

from models.errors import ConfigurationError, LeaseHeld
from models.policy import watermark_policy
from models.settings import IntakeSettings
from pipelines.commands import checks
from pipelines.commands.intakes import mark_gone, print_intakes
from pipelines.compute import newest_complete
from pipelines.ingest.intake import Intake
from pipelines.ingest.intake.journal import held_journal
from sql.opening import open_warehouse
from sql.warehouse import Warehouse
from sql.workspace import load_settings
from tests.intake.conftest import eventually, patience
from tests.intake.otlp import METHODS, export, span_ids, spans
from tests.intake.test_process import Process, started, workspace

__all__ = ["started", "workspace"]


def begun(workspace: Path, name: str) -> Process:
    """An intake of its own name and journal."""
    return Process(
        workspace,
        ("--grpc-port", "0", "--http-port", "0"),
        APPFLEET_INTAKE_NAME=name,
        APPFLEET_INTAKE_JOURNAL=str(journal(workspace, name)),
    )


def journal(workspace: Path, name: str) -> Path:
    return workspace / "journals" / name


class Senders:
    """Threads that send spans to an address until it is gone or they are told to stop."""

    def __init__(self) -> None:
        self.acknowledged: set[tuple[str, str]] = set()
        self.attempted: set[tuple[str, str]] = set()
        self.stop = threading.Event()
        self._seeds = iter(range(500_000, 1_000_000))
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def to(self, address: str) -> None:
        thread = threading.Thread(target=self._send, args=(address,))
        thread.start()
        self._threads.append(thread)

    def join(self) -> None:
        for one in self._threads:
            one.join()

    def _send(self, address: str) -> None:
        with grpc.insecure_channel(address.removeprefix("http://")) as channel:
            method = channel.unary_unary(METHODS["traces"])
            while not self.stop.is_set():
                with self._lock:
                    request = spans(next(self._seeds), 20, "several")
                    self.attempted |= span_ids(request)
                try:
                    method(request.SerializeToString(), timeout=20)
                except grpc.RpcError:
                    return
                with self._lock:
                    self.acknowledged |= span_ids(request)


@pytest.mark.slow
def test_one_of_two_is_killed_and_comes_back(workspace: Path, started: list[Process]) -> None:
    settings = load_settings(workspace)
    silent = watermark_policy().intake_silent
    with open_warehouse(workspace) as warehouse:
        alive, killed = begun(workspace, "a"), begun(workspace, "b")
        started += [alive, killed]
        senders = Senders()
        for one in (alive, killed, alive, killed):
            senders.to(one.grpc)
        # The same bytes to both, as a sender does that got no answer from the first, count once.
        twice = spans(499_999, 20, "several")
        for one in (alive, killed):
            export(one.grpc, "traces", twice.SerializeToString())
        senders.acknowledged |= span_ids(twice)
        senders.attempted |= span_ids(twice)
        eventually(lambda: len(senders.acknowledged) > 800, patience(30))

        def lines() -> dict[str, tuple[datetime, datetime]]:
            frame = warehouse.frame("queries/freshness/heartbeats", live_source="live")
            return {row[0]: (row[1], row[2]) for row in frame.iter_rows()}

        eventually(lambda: set(lines()) == {"a", "b"}, patience(30))
        killed.kill()
        at = datetime.now(UTC)
        eventually(lambda: lines()["a"][0] > at, patience(30))
        # The slowest holds the moment, whatever the other has loaded ...
        last = lines()["b"]
        assert last[0] < at and newest_complete(warehouse, at + timedelta(minutes=10)).slice_end <= last[0]
        senders.stop.set()
        senders.join()
        alive_rows = warehouse.frame_of(
            "SELECT count() FROM raw_intake_heartbeats FINAL WHERE journal = ''"
        ).item()
        assert alive_rows == 0

        # ... until it has not spoken for as long as the policy says.
        later = datetime.now(UTC) + silent + timedelta(minutes=10)
        say(warehouse, "a", later)
        assert newest_complete(warehouse, later).slice_end > last[0]
        (finding,) = checks.intakes(checks.Look(warehouse, settings, later))
        assert finding.is_failure and "intake b (journal" in finding.sentence
        assert f"until {last[0]:%Y-%m-%d %H:%M:%S}" in finding.sentence

        # With its journal it comes back, and what it acknowledged is there, once.
        again = begun(workspace, "b")
        started.append(again)
        for name in ("a", "b"):
            eventually(lambda name=name: not list(journal(workspace, name).glob("[!.]*")), patience(60))
        found = list(warehouse.frame_of("SELECT TraceId, SpanId FROM otel.otel_traces_current").iter_rows())
        assert len(found) == len(set(found))
        assert senders.acknowledged <= set(found) <= senders.attempted
        assert again.terminate() == 0 and alive.terminate() == 0
        states = warehouse.frame_of(
            "SELECT intake, toString(state), waiting_bytes FROM raw_intake_heartbeats FINAL ORDER BY intake"
        )
        assert ("b", "ended", 0) in list(states.iter_rows())
        assert not list(checks.intakes(checks.Look(warehouse, settings, later)))


def say(warehouse: Warehouse, intake: str, moment: datetime) -> None:
    """A line of an intake as it would be written at a moment."""
    known = warehouse.frame_of(
        "SELECT journal FROM raw_intake_heartbeats FINAL WHERE intake = {intake:String}", intake=intake
    )
    line = {"intake": intake, "journal": known.item() if len(known) else intake * 8, "loaded_through": moment}
    warehouse.insert("raw_intake_heartbeats", pl.DataFrame([{**line, "recorded_at": moment}]))


@pytest.fixture
def spoken(workspace: Path) -> Iterator[tuple[Path, Warehouse]]:
    """A workspace to which three intakes spoke: one a day ago, one an hour ago, one now."""
    with open_warehouse(workspace) as warehouse:
        now = datetime.now(UTC)
        for intake, ago in (("old", 24.0), ("gone", 1.0), ("here", 0.0)):
            say(warehouse, intake, now - timedelta(hours=ago))
        yield workspace, warehouse


def test_one_that_is_gone_for_good_is_told_until_a_person_says_so(spoken: tuple[Path, Warehouse]) -> None:
    settings, warehouse = load_settings(spoken[0]), spoken[1]
    text = io.StringIO()
    console = Console(file=text, width=200)
    look = checks.Look(warehouse, settings, datetime.now(UTC))
    assert [one.sentence.split(" (")[0] for one in checks.intakes(look)] == ["intake gone", "intake old"]
    print_intakes(console, settings)
    assert [line.split()[5] for line in text.getvalue().splitlines() if "│" in line] == [
        "silent",
        "running",
        "silent",
    ]
    with pytest.raises(ConfigurationError, match="here spoke within the last minutes"):
        mark_gone(console, settings, "here", look.clock)
    with pytest.raises(ConfigurationError, match="nobody is not known; known: gone, here, old"):
        mark_gone(console, settings, "nobody", look.clock)
    mark_gone(console, settings, "gone", look.clock)
    mark_gone(console, settings, "oldoldol", look.clock)
    assert list(checks.intakes(look)) == []
    say(warehouse, "gone", look.clock - timedelta(minutes=30))
    assert [one.sentence.split(" (")[0] for one in checks.intakes(look)] == ["intake gone"]


def test_a_journal_has_one_intake(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    with held_journal(folder) as first:
        with (
            pytest.raises(LeaseHeld, match=f"another intake writes the journal {folder}"),
            held_journal(folder),
        ):
            pass
        with held_journal(tmp_path / "other") as other:
            assert first != other
    with held_journal(folder) as again:
        assert again == first
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigurationError, match="needs a folder of its own"),
        held_journal(tmp_path / "file"),
    ):
        pass
    taken = Intake(tmp_path, None, 0, 0, lambda _: nullcontext(None), settings=IntakeSettings(journal=folder))  # type: ignore[arg-type]
    with held_journal(folder), pytest.raises(LeaseHeld):
        taken.start()
