"""The intake as a process: started, killed at random moments, ended; what it acknowledged is never lost."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import pytest

from sql.opening import open_warehouse
from tests.conftest import Migrated, free_ports
from tests.intake.conftest import eventually, patience
from tests.intake.otlp import METHODS, export, span_ids, spans

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def workspace(tmp_path: Path, migrated: Migrated) -> Path:
    migrated(tmp_path)
    (tmp_path / "catalog").mkdir()
    (tmp_path / "teams.yaml").write_text("teams: []\n")
    grpc_port, http_port, warehouse_port = free_ports(3)
    (tmp_path / "appfleet.yaml").write_text(
        f"ports: {{otlp_grpc: {grpc_port}, otlp_http: {http_port}, warehouse: {warehouse_port}}}\n"
    )
    return tmp_path


class Process:
    """``python -m pipelines.ingest.intake`` and its gRPC address."""

    def __init__(self, workspace: Path, options: Sequence[str] = (), **environment: str) -> None:
        command = [
            sys.executable,
            "-m",
            "pipelines.ingest.intake",
            "-w",
            str(workspace),
            "--until-stdin-closes",
        ]
        self._process = subprocess.Popen(
            [*command, *options],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        assert words[:2] == ["OTLP", "gRPC"], words
        self.grpc = words[2]

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def terminate(self) -> int:
        self._process.terminate()
        return self._process.wait(60)

    def let_go(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(60)

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None


@pytest.fixture
def started(workspace: Path) -> Iterator[list[Process]]:
    processes: list[Process] = []
    yield processes
    for one in processes:
        if not one.ended:
            one.kill()


@pytest.mark.parametrize("kills", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_killed_under_load_it_loses_and_doubles_nothing(
    workspace: Path, started: list[Process], kills: int
) -> None:
    acknowledged: set[tuple[str, str]] = set()
    attempted: set[tuple[str, str]] = set()
    seeds = iter(range(1000, 1_000_000))
    moments = random.Random(7)
    with open_warehouse(workspace) as warehouse:
        for number in range(1, kills + 1):
            process = Process(workspace)
            started.append(process)
            lock, stop = threading.Lock(), threading.Event()

            def send(
                address: str = process.grpc, lock: threading.Lock = lock, stop: threading.Event = stop
            ) -> None:
                with grpc.insecure_channel(address.removeprefix("http://")) as channel:
                    method = channel.unary_unary(METHODS["traces"])
                    while not stop.is_set():
                        with lock:
                            request = spans(next(seeds), 20, "killed")
                            attempted.update(span_ids(request))
                        try:
                            method(request.SerializeToString(), timeout=5)
                        except grpc.RpcError:
                            return
                        with lock:
                            acknowledged.update(span_ids(request))

            senders = [threading.Thread(target=send) for _ in range(3)]
            for sender in senders:
                sender.start()
            # A moment after enough was acknowledged, however busy the machine is: then it is killed under load.
            eventually(lambda wanted=number * 200: len(acknowledged) > wanted, 60)
            time.sleep(moments.uniform(0.1, 0.8))
            process.kill()
            stop.set()
            for sender in senders:
                sender.join()
        last = Process(workspace)
        started.append(last)
        folder = workspace / ".appfleet" / "segments"
        eventually(lambda: not list(folder.glob("[!.]*")), 60)
        found = warehouse.frame_of("SELECT TraceId, SpanId FROM otel.otel_traces_current")
        rows = list(found.iter_rows())
        assert len(acknowledged) > 200 * kills
        assert acknowledged <= set(rows) <= attempted
        assert len(rows) == len(set(rows))
        assert last.terminate() == 0


def test_it_ends_fast_on_sigterm_and_with_its_starter(workspace: Path, started: list[Process]) -> None:
    with open_warehouse(workspace):
        for end in (Process.terminate, Process.let_go):
            process = Process(workspace)
            started.append(process)
            export(process.grpc, "traces", spans(1).SerializeToString())
            begin = time.monotonic()
            assert end(process) == 0
            assert time.monotonic() - begin < patience(5)


def test_what_the_warehouse_misses_while_it_is_killed_is_loaded_later(
    workspace: Path, started: list[Process]
) -> None:
    """The owner of the warehouse is killed; the intake goes on taking requests and finds or starts the next."""
    first, second = spans(2001, 30, "gap"), spans(2002, 30, "gap")
    with contextlib.ExitStack() as stack:
        stack.enter_context(open_warehouse(workspace))
        process = Process(workspace)
        started.append(process)
        export(process.grpc, "traces", first.SerializeToString())
        os.kill(_owner(workspace), signal.SIGKILL)
        export(process.grpc, "traces", second.SerializeToString())
    folder = workspace / ".appfleet" / "segments"
    eventually(lambda: not list(folder.glob("[!.]*")), 60)
    with open_warehouse(workspace, role="reader") as warehouse:
        found = warehouse.frame_of("SELECT TraceId, SpanId FROM otel.otel_traces_current")
        assert sorted(found.iter_rows()) == sorted(span_ids(first) | span_ids(second))
    assert process.terminate() == 0


def _owner(workspace: Path) -> int:
    import json

    return int(json.loads((workspace / ".appfleet" / "owner.json").read_text())["pid"])
