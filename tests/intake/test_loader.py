"""What the loader of segments does when it is not the segment that is at fault."""

from __future__ import annotations

import errno
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest

from models.errors import DiskFull
from pipelines.ingest.intake import loader
from pipelines.ingest.intake.journal import Journal, refused_segments
from pipelines.ingest.intake.limits import Limits
from pipelines.ingest.intake.loader import Loader
from pipelines.ingest.telemetry import ObjectLoad


class Answering:
    """A warehouse that answers."""

    def execute(self, *_: object, **__: object) -> None:
        """Does nothing."""


@pytest.mark.parametrize(
    "error", [DiskFull("the warehouse"), OSError(errno.ENOSPC, "No space left on device")]
)
def test_a_full_disk_sets_no_segment_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(loader, "_FIRST_PAUSE", 0.0)
    monkeypatch.setattr(loader, "_LONGEST_PAUSE", 0.0)
    tries = 3 * loader._ATTEMPTS
    loaded = threading.Event()
    asked: list[str] = []

    def load(*_: object, object_name: str, **__: object) -> ObjectLoad:
        asked.append(object_name)
        if len(asked) <= tries:
            raise error
        loaded.set()
        return ObjectLoad("loaded")

    journal = Journal(tmp_path / "segments", Limits(seal_seconds=0.01, commit_seconds=0.0))
    journal.start()
    journal.append("traces", "protobuf_delimited", b"\x0a\x00").result(10)
    running = Loader(journal, "traces", lambda: nullcontext(Answering()), load)  # type: ignore[arg-type,return-value]
    running.start()
    assert loaded.wait(20), running.last_problem
    running.end_by(0.0)
    running.join()
    journal.close()
    assert set(asked) == {asked[0]}, "it is tried again whole, never halved"
    assert refused_segments(tmp_path / "segments") == []
