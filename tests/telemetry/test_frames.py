"""Where messages end, what they are of, and what of an object is made readable, from the bytes alone: without the engine."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from models.errors import ObjectRefused
from pipelines.ingest.telemetry import policy as policy_module
from pipelines.ingest.telemetry import spool as spool_module
from pipelines.ingest.telemetry.frames import (
    Field,
    Frame,
    delimited_frames,
    fields,
    line_frames,
    sniffed_encoding,
    sniffed_signal,
    varint_bytes,
    write_delimited,
)
from pipelines.ingest.telemetry.load import TelemetryObject
from pipelines.ingest.telemetry.policy import LoadPolicy, load_policy, spool_limits
from pipelines.ingest.telemetry.spool import (
    HEAD_BYTES,
    Content,
    SpooledMessages,
    frames_of,
    spool,
    unpacked_zstd,
)
from tests.telemetry import otlp_messages as otlp

TRACES, LOGS, METRICS = otlp.rich_traces(), otlp.rich_logs(), otlp.rich_metrics()
MESSAGE = TRACES.SerializeToString()
LINE = otlp.as_json(otlp.traces(1))

ENCODINGS: list[tuple[str, bytes, str | None]] = [
    ("a line", LINE, "json"),
    ("a list", b" \n[ {}]", "json"),
    ("an empty object", b"{ }", "json"),
    ("a mark before it", b"\xef\xbb\xbf" + LINE, "json"),
    ("a brace and no name", b"{5: 1}", None),
    ("a control character", b'{"a": "\x01"}', None),
    ("nothing", b"", None),
    ("words", b"some words\n", None),
    ("a message", MESSAGE, "protobuf"),
    ("two messages one after the other", MESSAGE * 2, "protobuf"),
    ("a message that breaks off", MESSAGE[:-9], "protobuf"),
    ("messages with a length before them", otlp.delimited(TRACES, LOGS), "protobuf_delimited"),
    ("messages with four bytes before them", otlp.prefixed(TRACES, LOGS), "protobuf_prefixed"),
    ("one of them that breaks off", otlp.prefixed(TRACES)[:-3], "protobuf_prefixed"),
    ("one with a length that breaks off", otlp.delimited(TRACES)[:-3], "protobuf_delimited"),
    ("a broken line before lines", b"\xff\x00broken\n" + LINE, "json"),
    ("an older line behind a broken one", b'\xff\x00broken\n{"instrumentation": 1}\n', "json"),
    ("a broken message before one", b"\0\0\0\x02\xff\xff" + otlp.prefixed(TRACES), "protobuf_prefixed"),
    ("a broken message before two, and a rest", b"\0\0\0\x02\xff\xff" + otlp.prefixed(TRACES, LOGS) + b"\0\0", "protobuf_prefixed"),
    ("a broken message before one, and a rest", b"\0\0\0\x02\xff\xff" + otlp.prefixed(TRACES) + b"\0\0", None),
    ("a broken one of a length before one", b"\x02\xff\xff" + otlp.delimited(TRACES), "protobuf_delimited"),
    ("zeros", b"\0" * 30, None),
]  # fmt: skip


@pytest.mark.parametrize(("what", "data", "encoding"), ENCODINGS, ids=[one[0] for one in ENCODINGS])
def test_an_encoding_is_known_by_its_bytes(what: str, data: bytes, encoding: str | None) -> None:
    assert sniffed_encoding(data) == encoding


def test_a_signal_is_known_by_its_first_record() -> None:
    for message, signal in (
        (TRACES, "traces"),
        (LOGS, "logs"),
        (METRICS, "metrics"),
        (otlp.traces(1), "traces"),
    ):
        assert sniffed_signal(message.SerializeToString()) == signal
    for kind in range(5):  # each kind of metric alone
        one = otlp.rich_metrics()
        metrics = one.resource_metrics[0].scope_metrics[0].metrics
        keep = metrics[kind]
        bare = type(one)()
        bare.resource_metrics.add().scope_metrics.add().metrics.add().CopyFrom(keep)
        assert sniffed_signal(bare.SerializeToString()) == "metrics"
    late = type(LOGS)()
    late.resource_logs.add().scope_logs.add().log_records.add(observed_time_unix_nano=5)
    assert sniffed_signal(late.SerializeToString()) == "logs"
    ended = type(TRACES)()
    ended.resource_spans.add().scope_spans.add().spans.add(end_time_unix_nano=5)
    assert sniffed_signal(ended.SerializeToString()) == "traces"
    empty = type(TRACES)()
    empty.resource_spans.add()
    assert sniffed_signal(empty.SerializeToString()) is None
    second = type(TRACES)()
    second.resource_spans.add()
    second.resource_spans.add().scope_spans.add()
    second.resource_spans[1].scope_spans.add().spans.add(start_time_unix_nano=1)
    assert sniffed_signal(second.SerializeToString()) == "traces"
    timeless = type(TRACES)()
    spans = timeless.resource_spans.add().scope_spans.add().spans
    spans.add(name="no time")
    spans.add(start_time_unix_nano=1)
    assert sniffed_signal(timeless.SerializeToString()) is None, "the first span of a scope speaks for it"


def test_fields_are_read_until_they_make_no_sense() -> None:
    data = b"\x08\x96\x01" + b"\x11" + b"x" * 8 + b"\x1a\x02hi" + b"\x25" + b"y" * 4
    whole = [Field(1, 0, 1, 3), Field(2, 1, 4, 12), Field(3, 2, 14, 16), Field(4, 5, 17, 21)]
    assert list(fields(data)) == whole
    for cut, count in ((21, 4), (20, 3), (16, 3), (15, 2), (13, 2), (12, 2), (11, 1), (3, 1), (2, 0), (0, 0)):
        assert list(fields(data[:cut])) == whole[:count], cut
    assert list(fields(data + b"\x2b\x08\x01")) == whole, "a group is none of ours"
    assert list(fields(data, Field(9, 2, 12, 16))) == whole[2:3]
    assert list(fields(data, Field(9, 2, 12, 15))) == []
    assert list(fields(b"\xff" * 12)) == []


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**14 - 1, 2**14, 2**32, 2**63 - 1])
def test_a_length_is_written_and_read_again(value: int) -> None:
    assert list(fields(b"\x08" + varint_bytes(value))) == [Field(1, 0, 1, 1 + len(varint_bytes(value)))]
    assert len(varint_bytes(value)) == max(1, -(-value.bit_length() // 7))
    assert varint_bytes(300) == b"\xac\x02"


def test_messages_of_a_stream_end_where_their_lengths_say() -> None:
    data = b"\x02ab" + b"\x00" + b"\x03cde"
    found = [Frame(0, 1, 3), Frame(3, 4, 4), Frame(4, 5, 8)]
    assert delimited_frames(data) == (found, 8)
    assert delimited_frames(data[:-1]) == (found[:2], 4)
    assert delimited_frames(b"") == ([], 0)
    prefixed = b"\0\0\0\x02ab" + b"\0\0\0\0"
    assert delimited_frames(prefixed, 4) == ([Frame(0, 4, 6), Frame(6, 10, 10)], 10)
    assert delimited_frames(prefixed[:-1], 4) == ([Frame(0, 4, 6)], 6)
    target = io.BytesIO()
    write_delimited(prefixed, delimited_frames(prefixed, 4)[0], target)
    assert target.getvalue() == b"\x02ab\x00"
    assert frames_of(data, "protobuf_delimited") == found
    assert frames_of(data[:-1], "protobuf_delimited") == [*found[:2], Frame(4, 4, 7)]
    assert frames_of(prefixed, "protobuf_prefixed") == [Frame(0, 4, 6), Frame(6, 10, 10)]
    assert frames_of(data, "protobuf") == [Frame(0, 0, 8)]
    assert frames_of(b"a\n", "json") == [Frame(0, 0, 2)]


def test_lines_that_are_blank_are_none() -> None:
    data = b"\n a\n \t\r\n\nbc"
    assert line_frames(data) == [Frame(1, 1, 4), Frame(9, 9, 11)]
    assert line_frames(data, 1) == [Frame(1, 1, 4)]
    assert line_frames(b"") == line_frames(b"\n\n") == line_frames(data, 0) == []


class Loaded:
    """Beginnings of objects that were loaded before."""

    def __init__(self, *contents: bytes) -> None:
        self.contents = contents
        self.asked: list[tuple[str, int]] = []

    def lengths(self, head: str, size: int) -> Mapping[int, Collection[str]]:
        self.asked.append((head, size))
        return {len(one): [digest(one)] for one in self.contents if len(one) <= size}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def spooled(tmp_path: Path, content: bytes, **more: Any) -> Content:
    path = tmp_path / "object"
    path.write_bytes(content)
    folder = tmp_path / "made"
    folder.mkdir()
    return spool(path, folder, "object", **more)


def told(part: SpooledMessages) -> tuple[bytes, str, tuple[str, ...], list[int] | None]:
    return (
        part.path.read_bytes(),
        part.encoding,
        part.signals,
        None if part.messages is None else list(part.messages),
    )


def lines(*documents: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in documents)


SPANS, POINTS = {"resourceSpans": []}, {"resource_metrics": []}
TEXT = lines(SPANS)
LAID_OUT = json.dumps(SPANS, indent=1).encode()
BOTH = otlp.delimited(TRACES, LOGS, TRACES)
EMPTY = type(TRACES)()

Told = list[tuple[bytes, str, tuple[str, ...], list[int] | None]]
# Content, options, what is made readable, and bytes left at the end.
SPOOLED: dict[str, tuple[bytes, dict[str, Any], Told, int]] = {
    "lines": (TEXT, {}, [(TEXT, "json", ("traces",), None)], 0),
    "lines of a signal that is known": (TEXT, {"signal": "logs"}, [(TEXT, "json", ("logs",), None)], 0),
    "names in snake_case": (lines(POINTS), {}, [(lines(POINTS), "json", ("metrics",), None)], 0),
    "two signals": (lines(POINTS, SPANS), {}, [(lines(POINTS, SPANS), "json", ("traces", "metrics"), None)], 0),
    "laid out": (LAID_OUT, {}, [(LAID_OUT.replace(b"\n", b" ") + b"\n", "json", ("traces",), None)], 0),
    "a list": (b"[" + LAID_OUT + b",\r\n" + TEXT + b"]", {}, [(LAID_OUT.replace(b"\n", b" ") + b"\n" + TEXT, "json", ("traces",), None)], 0),
    "laid out, with a mark": (b"\xef\xbb\xbf" + LAID_OUT, {}, [(LAID_OUT.replace(b"\n", b" ") + b"\n", "json", ("traces",), None)], 0),
    "laid out, damaged in the middle": (
        LAID_OUT + b"\noops {\n" + TEXT,
        {},
        [(LAID_OUT.replace(b"\n", b" ") + b"\noops {\n" + TEXT, "json", ("traces",), None)],
        0,
    ),
    "a line that goes on": (TEXT + b'{"resource', {"may_grow": True}, [(TEXT, "json", ("traces",), None)], 10),
    "a line that broke off": (TEXT + b'{"resource', {}, [(TEXT + b'{"resource', "json", ("traces",), None)], 0),
    "a whole line without its end": (TEXT[:-1], {"may_grow": True}, [(TEXT[:-1], "json", ("traces",), None)], 0),
    "blanks at the end": (TEXT + b"  ", {"may_grow": True}, [(TEXT + b"  ", "json", ("traces",), None)], 0),
    "nothing but a beginning": (b'{"resourceSpans": [', {"may_grow": True}, [], 19),
    "laid out and going on": (LAID_OUT + b'\n{"res', {"may_grow": True}, [(LAID_OUT.replace(b"\n", b" ") + b"\n", "json", ("traces",), None)], 6),
    "messages of one signal": (otlp.delimited(TRACES, TRACES), {}, [(otlp.delimited(TRACES, TRACES), "protobuf_delimited", ("traces",), None)], 0),
    "one message": (MESSAGE, {}, [(MESSAGE, "protobuf", ("traces",), None)], 0),
    "messages of two signals": (
        BOTH,
        {},
        [
            (otlp.delimited(TRACES, TRACES), "protobuf_delimited", ("traces",), [1, 3]),
            (otlp.delimited(LOGS), "protobuf_delimited", ("logs",), [2]),
        ],
        0,
    ),
    "one that does not say": (
        otlp.delimited(EMPTY, LOGS, TRACES),
        {},
        [
            (otlp.delimited(EMPTY, LOGS), "protobuf_delimited", ("logs",), [1, 2]),
            (otlp.delimited(TRACES), "protobuf_delimited", ("traces",), [3]),
        ],
        0,
    ),
    "four bytes before them": (otlp.prefixed(TRACES, TRACES), {}, [(otlp.delimited(TRACES, TRACES), "protobuf_delimited", ("traces",), [1, 2])], 0),
    "of a signal that is known": (otlp.delimited(EMPTY), {"signal": "logs", "encoding": "protobuf_delimited"}, [(otlp.delimited(EMPTY), "protobuf_delimited", ("logs",), None)], 0),
    "a message that goes on": (
        otlp.prefixed(TRACES) + b"\0\0\0\x09x",
        {"may_grow": True},
        [(otlp.delimited(TRACES), "protobuf_delimited", ("traces",), [1])],
        5,
    ),
    "a message with a length that goes on": (
        otlp.delimited(TRACES, TRACES)[:-1],
        {"may_grow": True},
        [(otlp.delimited(TRACES), "protobuf_delimited", ("traces",), [1])],
        len(otlp.delimited(TRACES)) - 1,
    ),
    "a length that is not all there": (b"\0\0\0\0", {"may_grow": True}, [], 4),
    "packed": (gzip.compress(TEXT), {}, [(TEXT, "json", ("traces",), None)], 0),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOOLED)
def test_what_is_whole_is_made_readable(tmp_path: Path, name: str) -> None:
    content, options, parts, waiting = SPOOLED[name]
    found = spooled(tmp_path, content, **options)
    plain = gzip.decompress(content) if name == "packed" else content
    assert [told(part) for part in found.parts] == parts
    assert (found.bytes, found.waiting, found.already) == (len(plain) - waiting, waiting, 0)
    assert found.sha256 == digest(plain[: found.bytes])
    assert found.head == digest(plain[: found.bytes][:HEAD_BYTES])


REFUSED = {
    "nothing": (b"", {}, "the object is empty: nothing to load"),
    "other JSON": (b'{"some": "json"}\n', {}, "holds no resourceSpans, resourceMetrics or resourceLogs"),
    "other names in snake_case": (b'{"resource_x": "resourceless"}\n', {}, "holds no resourceSpans"),
    "no record": (otlp.delimited(EMPTY) + b"\x02\x0a\x00", {"encoding": "protobuf_delimited"}, "no span, metric or log record"),
    "words": (b"some words", {}, "neither OTLP/JSON nor OTLP Protobuf"),
    "more than a length that grows": (b"\0" * 5, {"may_grow": True}, "neither OTLP/JSON"),
    "a length that does not grow": (b"\0" * 4, {}, "neither OTLP/JSON"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_telemetry_is_refused(tmp_path: Path, name: str) -> None:
    content, options, sentence = REFUSED[name]
    with pytest.raises(ObjectRefused) as refused:
        spooled(tmp_path, content, **options)
    assert sentence in refused.value.reason


def test_what_was_loaded_before_is_not_made_readable_again(tmp_path: Path) -> None:
    more = lines({"resourceLogs": []})
    content = TEXT * 3 + more
    covered = Loaded(TEXT, TEXT * 2, TEXT * 3, b"x" * (len(TEXT) * 2 + 1), b"y" * 9_999)
    found = spooled(tmp_path, content, covered=covered)
    assert [told(part) for part in found.parts] == [(more, "json", ("logs",), None)]
    assert (found.already, found.bytes, found.sha256) == (len(TEXT) * 3, len(content), digest(content))
    assert covered.asked == [(digest(content), len(content))]
    again = spool(tmp_path / "object", tmp_path, "object", covered=Loaded(content))
    assert (again.parts, again.already, again.bytes, again.sha256) == (
        (),
        len(content),
        len(content),
        digest(content),
    )


def test_a_digest_that_is_known_is_not_made_again(tmp_path: Path) -> None:
    assert spooled(tmp_path, TEXT, sha256="known").sha256 == "known"
    for number, (content, options) in enumerate(
        ((TEXT + b'{"', {"may_grow": True}), (gzip.compress(TEXT), {}))
    ):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        assert spooled(folder, content, sha256="known", **options).sha256 == digest(TEXT)


def packed(*messages: bytes) -> bytes:
    """As the collector's file exporter packs: a length and one zstd frame per message."""
    frames = [zstd.compress(one) for one in messages]
    return b"".join(len(one).to_bytes(4, "big") + one for one in frames)


def test_messages_packed_one_by_one_are_unpacked(tmp_path: Path) -> None:
    folders = [tmp_path / f"{number}" for number in range(5)]
    for folder in folders:
        folder.mkdir()
    whole = packed(TEXT.strip(), lines(POINTS).strip())
    found = spooled(folders[0], whole)
    assert [told(part) for part in found.parts] == [
        (TEXT + lines(POINTS), "json", ("traces", "metrics"), None)
    ]
    assert (found.bytes, found.sha256) == (len(whole), digest(whole))
    binary = packed(MESSAGE, LOGS.SerializeToString())
    found = spooled(folders[1], binary)
    assert [told(part)[2:] for part in found.parts] == [(("traces",), [1]), (("logs",), [2])]
    growing = spooled(folders[2], whole[:-1], may_grow=True)
    assert (growing.bytes, growing.waiting) == (
        len(packed(TEXT.strip())),
        len(whole) - 1 - len(packed(TEXT.strip())),
    )
    nothing = spooled(folders[3], packed(TEXT)[:-1], may_grow=True)
    assert (nothing.parts, nothing.bytes) == ((), 0)
    broken = packed(TEXT.strip()) + b"\0\0\0\x03abc"
    (part,) = spooled(folders[4], broken).parts
    assert told(part)[0] == TEXT + b"abc\n"


def test_zstd_is_unpacked_up_to_a_limit() -> None:
    content = zstd.compress(b"a" * 10) + zstd.compress(b"b" * 5)
    assert unpacked_zstd(content, 15) == b"a" * 10 + b"b" * 5
    assert unpacked_zstd(content, 14) is None
    assert unpacked_zstd(b"", 0) == b""
    with pytest.raises(zstd.ZstdError, match="ends early"):
        unpacked_zstd(content[:-2], 99)


def test_a_message_unpacks_to_no_more_than_what_is_left_for_its_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = len(TEXT.strip()) + len(lines(POINTS).strip())
    for number, (limit, is_refused) in enumerate(((room, False), (room - 1, True))):
        limits = replace(spool_limits(), unpacked_bytes=limit)
        monkeypatch.setattr(spool_module, "spool_limits", lambda limits=limits: limits)
        folder = tmp_path / f"{number}"
        folder.mkdir()
        if is_refused:
            with pytest.raises(ObjectRefused, match="zstd bomb: a message unpacks to more than"):
                spooled(folder, packed(TEXT.strip(), lines(POINTS).strip()))
        else:
            spooled(folder, packed(TEXT.strip(), lines(POINTS).strip()))


def test_signals_are_looked_for_in_every_message_where_few_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many messages every n-th is looked at; where none of those says what it is of, all are."""
    monkeypatch.setattr(spool_module, "_SNIFFED_FRAMES", 2)
    (part,) = spooled(tmp_path, otlp.delimited(EMPTY, LOGS, EMPTY, EMPTY)).parts
    assert part.signals == ("logs",)


def test_a_message_has_its_number_in_its_object() -> None:
    path = Path("x")
    assert [SpooledMessages(path, "json", ()).number(place) for place in (0, 4)] == [1, 5]
    assert [SpooledMessages(path, "protobuf", (), [7, 9]).number(place) for place in (0, 1)] == [7, 9]
    assert [SpooledMessages(path, one, ()).family for one in ("json", "protobuf_prefixed")] == [
        "json",
        "protobuf",
    ]  # type: ignore[arg-type]


def of_file(modified_at: datetime) -> TelemetryObject:
    return TelemetryObject.of_file("s", "o", 5, "f", modified_at)


def test_an_object_was_received_when_it_was_written_unless_that_is_no_time() -> None:
    now = datetime.now(UTC)
    old = now - timedelta(days=30)
    assert (of_file(old).received_at, of_file(old).modified_at, of_file(old).may_grow) == (old, old, False)
    for strange in (now + timedelta(hours=1), datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)):
        assert now <= of_file(strange).received_at <= datetime.now(UTC)
    first = datetime(2000, 1, 1, tzinfo=UTC)
    assert of_file(first).received_at == first
    growing = timedelta(seconds=load_policy().growing_seconds)
    assert of_file(now - growing + timedelta(seconds=60)).may_grow
    assert not of_file(now - growing).may_grow


def test_limits_are_those_of_the_policy_file() -> None:
    second = 10**9
    assert load_policy() == LoadPolicy(946_684_800 * second, 4_102_444_800 * second, 4 << 30, 600, 600, 200)
    assert spool_limits().unpacked_bytes == 4 << 30
    assert policy_module._nanoseconds(date(1970, 1, 2)) == 86_400 * second
