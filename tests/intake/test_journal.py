"""What the journal promises: acknowledged bytes are on disk, in order, whatever happened before or after."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from pipelines.ingest.intake.journal import Journal, Segment, refused_segments
from pipelines.ingest.intake.limits import Limits, Refused
from pipelines.ingest.intake.wire import JSON, PROTOBUF, SIGNALS, frame_ends, framed
from pipelines.ingest.telemetry.frames import Signal


def _started(folder: Path, limits: Limits | None = None) -> Journal:
    journal = Journal(folder, limits or Limits(seal_seconds=0.05))
    journal.start()
    return journal


def _sealed(journal: Journal, signal: Signal = "traces") -> Segment:
    segment = journal.next_sealed(signal, 5)
    assert segment is not None
    return segment


def _all_sealed(journal: Journal) -> Iterator[Segment]:
    """Sealed segments one after the other; each is gone or replaced before the next is asked for."""
    for signal in SIGNALS:
        while segment := journal.next_sealed(signal, 0):
            yield segment


def test_appends_are_on_disk_before_they_are_acknowledged(tmp_path: Path) -> None:
    journal = _started(tmp_path, Limits(seal_seconds=60))
    for at in range(5):
        journal.append("traces", PROTOBUF, b"payload %d" % at).result(5)
        (path,) = tmp_path.iterdir()
        expected = b"".join(framed(b"payload %d" % one, PROTOBUF) for one in range(at + 1))
        assert path.suffix == ".open" and path.read_bytes() == expected
    journal.close()


def test_signals_and_encodings_have_segments_of_their_own(tmp_path: Path) -> None:
    journal = _started(tmp_path)
    journal.append("traces", PROTOBUF, b"a").result(5)
    journal.append("logs", PROTOBUF, b"b").result(5)
    journal.append("logs", JSON, b"{}").result(5)
    journal.close()
    found = {}
    for segment in _all_sealed(journal):
        assert segment.name.startswith(segment.kind)
        found[segment.kind, segment.encoding] = segment.path.read_bytes()
        journal.remove(segment)
    assert found == {("traces", PROTOBUF): b"\x01a", ("logs", PROTOBUF): b"\x01b", ("logs", JSON): b"{}\n"}
    assert not list(tmp_path.iterdir()) and journal.waiting_bytes() == 0


def test_many_senders_share_syncs_and_lose_nothing(tmp_path: Path) -> None:
    journal = _started(tmp_path, Limits(seal_seconds=0.01))

    def send(sender: int) -> None:
        for at in range(50):
            journal.append("traces", PROTOBUF, b"%d/%d" % (sender, at)).result(5)

    senders = [threading.Thread(target=send, args=(one,)) for one in range(8)]
    for one in senders:
        one.start()
    for one in senders:
        one.join()
    journal.close()
    data = b""
    for segment in _all_sealed(journal):
        data += segment.path.read_bytes()
        journal.remove(segment)
    expected = [framed(b"%d/%d" % (sender, at), PROTOBUF) for sender in range(8) for at in range(50)]
    assert len(data) == sum(map(len, expected)) and all(one in data for one in expected)


def test_while_one_waits_the_next_grows(tmp_path: Path) -> None:
    journal = _started(tmp_path, Limits(seal_seconds=0.01))
    journal.append("traces", PROTOBUF, b"first").result(5)
    first = _sealed(journal)
    for _ in range(20):
        journal.append("traces", PROTOBUF, b"later").result(5)
    assert len(list(tmp_path.iterdir())) == 2
    journal.remove(first)
    assert _sealed(journal).bytes == 20 * 6
    journal.close()


def test_a_crash_leaves_at_most_a_tail_that_is_cut(tmp_path: Path) -> None:
    name = "traces-20260101T000000.000001Z-00000000-0000-0000-0000-000000000001.otlp"
    whole = framed(b"x" * 300, PROTOBUF) + framed(b"y", PROTOBUF)
    (tmp_path / (name + ".open")).write_bytes(whole + framed(b"z" * 50, PROTOBUF)[:-1])
    empty = name.replace("0001.otlp", "0002.otlp") + ".open"
    (tmp_path / empty).write_bytes(b"\xff")
    older = name.replace("2026", "2025").replace("traces", "logs").replace(".otlp", ".jsonl")
    (tmp_path / older).write_bytes(b"{}\n")
    (tmp_path / "somebody's notes").write_text("are left alone")
    journal = _started(tmp_path)
    assert journal.waiting_bytes() == len(whole) + 3
    first = _sealed(journal, "logs")
    assert (first.name, first.encoding, first.created.year) == (older, JSON, 2025)
    journal.remove(first)
    second = _sealed(journal)
    assert second.name == name and second.path.read_bytes() == whole
    journal.remove(second)
    journal.close()
    assert [path.name for path in tmp_path.iterdir()] == ["somebody's notes"]


def test_too_much_waiting_is_refused_until_something_is_loaded(tmp_path: Path) -> None:
    journal = _started(tmp_path, Limits(seal_seconds=0.01, waiting_bytes=100))
    journal.append("traces", PROTOBUF, b"x" * 80).result(5)
    with pytest.raises(Refused) as refusal:
        journal.append("traces", PROTOBUF, b"x" * 30)
    assert (refusal.value.status, refusal.value.retry_after) == (503, 5)
    journal.remove(_sealed(journal))
    journal.append("traces", PROTOBUF, b"x" * 30).result(5)
    journal.close()


def test_a_full_disk_refuses_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    journal = _started(tmp_path, Limits(seal_seconds=60))
    journal.append("traces", PROTOBUF, b"kept").result(5)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # writes beyond fail, as on a full disk
    try:
        refused: Future[None] = journal.append("traces", PROTOBUF, b"x" * 10_000)
        error = refused.exception(5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert isinstance(error, Refused) and error.status == 503 and error.retry_after
    journal.append("traces", PROTOBUF, b"after").result(5)
    journal.close()
    assert journal.waiting_bytes() == 5 + 6
    first = _sealed(journal)
    assert first.path.read_bytes() == b"\x04kept"
    journal.remove(first)
    assert _sealed(journal).path.read_bytes() == b"\x05after"


def test_halves_hold_the_same_frames(tmp_path: Path) -> None:
    journal = _started(tmp_path)
    data = b"".join(framed(b"%d" % at, PROTOBUF) for at in range(5))
    for at in range(5):
        journal.append("traces", PROTOBUF, b"%d" % at)
    journal.close()
    assert journal.split(_sealed(journal))
    parts = []
    for segment in _all_sealed(journal):
        if not journal.split(segment):
            parts.append(segment.path.read_bytes())
            journal.remove(segment)
    assert b"".join(parts) == data and len(parts) == 5
    assert not list(tmp_path.iterdir()) and journal.waiting_bytes() == 0


def test_a_sender_that_gave_up_frees_its_room(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Limits())
    assert journal.append("traces", PROTOBUF, b"gone").cancel()
    journal.start()
    journal.append("traces", PROTOBUF, b"here").result(5)
    journal.close()
    assert journal.waiting_bytes() == 5
    assert _sealed(journal).path.read_bytes() == b"\x04here"


def test_requests_nothing_of_which_can_be_loaded_are_kept_and_listed(tmp_path: Path) -> None:
    journal = _started(tmp_path / "segments")
    assert refused_segments(tmp_path / "segments") == []
    for payload in (b"good", b"bad", b"fine", b"worse"):
        journal.append("traces", PROTOBUF, payload).result(5)
    journal.close()
    kept = b""
    for segment in _all_sealed(journal):
        ends = frame_ends(segment.path, PROTOBUF)
        content = segment.path.read_bytes()
        numbers = [n for n, end in enumerate(ends, 1) if content[:end].endswith((b"bad", b"worse"))]
        if numbers:
            journal.keep_apart(segment, numbers)
        journal.remove(segment)
    for path in refused_segments(tmp_path / "segments"):
        kept += path.read_bytes()
    assert sorted(kept.split(b"\x05")) == sorted([b"\x03bad", b"worse"])
