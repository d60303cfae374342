"""Which messages of an object are not as they should be, and the object with them put right.

A cheap look at the bytes suspects; ``messages`` puts a suspect right; where the engine cannot read a file for a
reason nobody suspected, halving finds the messages. What is readable is the engine's verdict.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np

from models.redaction import Redaction
from pipelines.ingest.telemetry.deep import CUT, flattened_json, flattened_protobuf
from pipelines.ingest.telemetry.frames import Bytes, Encoding, Frame, fields, varint_bytes
from pipelines.ingest.telemetry.messages import UNREADABLE, Mended, mended_json, mended_protobuf
from pipelines.ingest.telemetry.policy import load_policy
from pipelines.ingest.telemetry.shapes import OLD_SCOPES, members
from pipelines.ingest.telemetry.signals import READERS
from pipelines.ingest.telemetry.spool import SpooledMessages, frames_of, mapped

_BARE = (b"NaN", b"Infinity")
_DOUBLE, _METRICS = b"ouble", b"etrics"
"""In the names of members that are numbers (``doubleValue``, ``as_double``), and of those that hold others."""
_OLD_TAG = varint_bytes(OLD_SCOPES << 3 | 2)
_LONGEST_TIME = 19
"""Digits of a time of this century in nanoseconds, and of the largest number of 63 bits, which begins with 9."""
_DOUBLINGS = (1, 2, 4, 8, 3)
"""Runs of 1 digit become such of 2, 4, 8, 16 and 19."""
_LOOK_BYTES, _LOOK_OVERLAP = 1 << 17, 32
_LONG_NUMBER = re.compile(rb'[\s:\[,"+-]?\d+[\s\]},"]')
"""A number by what stands around it: digits inside an id in hex are none."""
_COUNT_NAMES = (b'"flags"', b'"scale"', b'"offset"', b'"droppedAttributesCount"')
"""Members of metrics that the engine reads with 32 bits."""
_LONG_COUNT = re.compile(rb'\s*:\s*"?\s*[-+]?\d{10}')
_SNAKE_NAME = re.compile(rb'_[a-z_]*"\s*:')
"""The end of a member's name in snake_case: attributes' keys are values, and what is quoted inside text is escaped."""
_EMPTY_TEXT = re.compile(rb'""(?<!Id":"")(?<!State":"")(?<!name":"")(?<!gValue":"")(?<!unit":"")(?<!Url":"")')
"""Empty text, without what commonly is."""
_MEMBER_BEFORE = re.compile(rb'"(\w+)"\s*:\s*\Z')
_ITEM_BEFORE = re.compile(rb"[\[,]\s*\Z")
_LONGEST_NAME = 64
_MESSAGE_TAG = 0x0A
_PIECE_BYTES = 1 << 20
"""A piece the engine cannot read is halved no further than this before its messages are put right one by one."""

_SUBJECTS = 50
"""Subjects of repairs told apart in one object."""


@dataclass(frozen=True)
class SetAside:
    """A message, or a record of it, that does not count: its message's number in the object, why and how it begins."""

    position: int
    reason: str
    detail: str
    first_bytes: str
    records: int = 1


@dataclass
class Findings:
    """What was done to the messages of an object: set aside, and repaired by (subject, reason) with an example."""

    hide: Redaction
    set_aside: list[SetAside] = field(default_factory=list)
    repairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    """Numbers of messages of which nothing counts."""

    @property
    def rejected(self) -> int:
        """Records and messages set aside."""
        return sum(one.records for one in self.set_aside)

    def beginning(self, message: bytes) -> str:
        """The beginning of a message as it may be shown: hidden first, cut then, so that nothing is cut in half."""
        text = message[: 20 * load_policy().first_bytes].decode("utf-8", "backslashreplace")
        return self.hide.shown(text)[: load_policy().first_bytes]

    def add(self, number: int, message: bytes, done: Mended) -> None:
        """Notes what was done to one message."""
        first_bytes = self.beginning(message)
        for one in done.rejects:
            self.set_aside.append(
                SetAside(
                    number,
                    one.reason,
                    self.hide.shown(f"message {number}: {one.detail}")[:400],
                    first_bytes,
                    one.records,
                )
            )
        if done.content is None:
            self.lost.add(number)
            return
        for key, count in done.repairs.items():
            subject, reason = key
            known = key in self.repairs or len(self.repairs) < _SUBJECTS
            where = key if known else ("(others)", reason)
            self.repairs[where] += count
            example = done.examples.get((subject, reason), "")
            self.examples.setdefault(where, self.hide.shown(f"{subject} {example}")[len(subject) + 1 :])


def suspects(data: Bytes, encoding: Encoding, frames: Sequence[Frame]) -> list[int]:
    """Messages, by index, that the engine would misread in silence: only their bytes are looked at, quickly."""
    if encoding == "json":
        odd = (
            _oddly_named,
            _with_older_names,
            _with_empty_numbers,
            _with_bare_numbers,
            _with_long_numbers,
            _with_long_counts,
        )
        return sorted({index for look in odd for index in look(data, frames)})
    return list(_oddly_shaped(data, frames))


def _oddly_named(data: Bytes, frames: Sequence[Frame]) -> Iterator[int]:
    """JSON messages without the two members every one of a signal has, or not in UTF-8."""
    pairs = [(b'"%s"' % one.key, b'"%s"' % one.scopes_key) for one in READERS.values()]
    for index, frame in enumerate(frames):
        for place, (resources, scopes) in enumerate(pairs):
            at = data.find(resources, frame.start, frame.end)
            if at >= 0 and data.find(scopes, at, frame.end) >= 0:
                if place:
                    pairs.insert(0, pairs.pop(place))
                break
        else:
            yield index
            continue
        line = data[frame.start : frame.end]
        if not line.isascii():
            try:
                line.decode()
            except UnicodeDecodeError:
                yield index


def _with_older_names(data: Bytes, frames: Sequence[Frame]) -> Iterator[int]:
    """JSON messages with a member in snake_case, which the engine would skip, wherever it stands."""
    names = _snake_names()
    starts = [frame.start for frame in frames]
    for found in _SNAKE_NAME.finditer(data):
        before = bytes(data[max(0, found.start() - _LONGEST_NAME) : found.end()])
        if before[before.rfind(b'"', 0, before.rfind(b'"')) + 1 : before.rfind(b'"')] in names:
            yield bisect_right(starts, found.start()) - 1


@cache
def _snake_names() -> frozenset[bytes]:
    return frozenset(name.encode() for name, _ in members() if "_" in name)


def _with_empty_numbers(data: Bytes, frames: Sequence[Frame]) -> Iterator[int]:
    """JSON messages with empty text where a number or an enum stands: the engine reads 0."""
    numbers = _number_names()
    starts = [frame.start for frame in frames]
    for found in _EMPTY_TEXT.finditer(data):
        before = bytes(data[max(0, found.start() - _LONGEST_NAME) : found.start()])
        member = _MEMBER_BEFORE.search(before)
        if member[1] in numbers if member else _ITEM_BEFORE.search(before):
            yield bisect_right(starts, found.start()) - 1


@cache
def _number_names() -> frozenset[bytes]:
    return frozenset(name.encode() for name, one in members() if one.is_number)


def _with_bare_numbers(data: Bytes, frames: Sequence[Frame]) -> Iterator[int]:
    """JSON messages that may hold NaN as a number; where no member is one the engine refuses it, which is noticed."""
    of_metrics = any(data.find(_METRICS, one.start, min(one.end, one.start + 40)) >= 0 for one in frames)
    if not of_metrics and data.find(_DOUBLE) < 0:
        return
    starts = [frame.start for frame in frames]
    for token in _BARE:
        at = data.find(token)
        while at >= 0:
            index = bisect_right(starts, at) - 1
            yield index
            at = data.find(token, frames[index].end)


def _with_long_numbers(data: Bytes, frames: Sequence[Frame]) -> Iterator[int]:
    """JSON messages with a whole number of more than 64 bits, as far as its length tells: the engine keeps the last 64."""
    if not frames:
        return
    starts = [frame.start for frame in frames]
    begin, stop = frames[0].start, frames[-1].end
    for start in range(begin, stop, _LOOK_BYTES):
        overlap = min(_LOOK_OVERLAP, start - begin)
        for at in _long_numbers(data[start - overlap : start + _LOOK_BYTES + _LOOK_OVERLAP]):
            yield bisect_right(starts, start - overlap + at) - 1


def _long_numbers(piece: bytes) -> Iterator[int]:
    """Where whole numbers of 19 digits from 9, or of more, lie in a piece of JSON."""
    characters = np.frombuffer(piece, np.uint8)
    run = is_digit = (characters - np.uint8(ord("0"))) < 10
    for step in _DOUBLINGS:
        run = run[:-step] & run[step:]
    found = np.flatnonzero(run)
    if not found.size:
        return
    goes_on = np.append(is_digit, False)[found + _LONGEST_TIME]
    is_first = ~is_digit[found - 1] | (found == 0)
    for at in found[is_first & (goes_on | (characters[found] == ord("9")))].tolist():
        if _LONG_NUMBER.match(piece, max(0, at - 1)):
            yield at


def _with_long_counts(data: Bytes, frames: Sequence[Frame]) -> Iterator[int]:
    """JSON messages of metrics with a number of more than 32 bits, as far as its length tells, where 32 are read."""
    if not any(data.find(_METRICS, one.start, min(one.end, one.start + 40)) >= 0 for one in frames):
        return
    starts = [frame.start for frame in frames]
    for name in _COUNT_NAMES:
        at = data.find(name)
        while at >= 0:
            at += len(name)
            if _LONG_COUNT.match(data, at):
                yield bisect_right(starts, at) - 1
            at = data.find(name, at)


def _oddly_shaped(data: Bytes, frames: Sequence[Frame]) -> Iterator[int]:
    """Protobuf messages that begin with no resource, or may have scopes where older senders put them."""
    some_old = data.find(_OLD_TAG) >= 0
    for index, frame in enumerate(frames):
        if frame.end > frame.body and data[frame.body] != _MESSAGE_TAG:
            yield index
        elif some_old and data.find(_OLD_TAG, frame.body, frame.end) >= 0:
            message = bytes(data[frame.body : frame.end])
            if any(
                inner.number == OLD_SCOPES
                for resource in fields(message)
                if resource.wire == 2
                for inner in fields(message, resource)
            ):
                yield index


def put_right(
    spooled: SpooledMessages, target: Path, indexes: Iterable[int], findings: Findings
) -> SpooledMessages:
    """The file with these messages put right, written to ``target``; messages nothing of which can be kept are left out."""
    chosen = set(indexes)
    numbers: list[int] = []
    with mapped(spooled.path) as data, target.open("wb") as file:
        for index, frame in enumerate(frames_of(data, spooled.encoding)):
            number = spooled.number(index)
            content: bytes | None = bytes(data[frame.start : frame.end])
            if index in chosen:
                message = bytes(data[frame.body : frame.end])
                done = mended(message, spooled)
                findings.add(number, message, done)
                if done.content is None:
                    continue
                if done.content != message:
                    content = framed(done.content, spooled.encoding)
            if content:
                numbers.append(number)
                file.write(content if spooled.encoding != "json" else content.rstrip(b"\n") + b"\n")
    return replace(spooled, path=target, messages=numbers)


def flattened(spooled: SpooledMessages, target: Path, findings: Findings) -> SpooledMessages:
    """The file with what a statement does not store as it is put right, written to ``target``: every value that is nested
    deeper than the engine reads becomes its text, text that is not UTF-8 what it can be read as, an enum what it can mean."""
    numbers: list[int] = []
    with mapped(spooled.path) as data, target.open("wb") as file:
        for index, frame in enumerate(frames_of(data, spooled.encoding)):
            number, message = spooled.number(index), bytes(data[frame.body : frame.end])
            if not message.strip():
                continue
            done = _flattened(message, spooled)
            findings.add(number, message, done)
            if done.content is not None:
                numbers.append(number)
                file.write(framed(done.content, spooled.encoding))
                if spooled.encoding == "json":
                    file.write(b"\n")
    return replace(spooled, path=target, messages=numbers)


def _flattened(message: bytes, spooled: SpooledMessages) -> Mended:
    done = mended(message, spooled)
    if done.content is None:
        return done
    flat = _with_flat_values(done.content, spooled)
    return replace(done, content=flat.content, repairs=done.repairs + flat.repairs)


def _with_flat_values(message: bytes, spooled: SpooledMessages) -> Mended:
    if spooled.encoding == "json":
        content, cuts = flattened_json(message)
    else:
        content, cuts = flattened_protobuf(message, spooled.signals[0])
    return Mended(content, repairs=Counter({(key, CUT): count for key, count in cuts.items()}))


def mended(message: bytes, spooled: SpooledMessages) -> Mended:
    """One message of a file, put right."""
    if spooled.encoding == "json":
        return mended_json(message, spooled.signals)
    return mended_protobuf(message, spooled.signals[0])


def framed(message: bytes, encoding: Encoding) -> bytes:
    """A message as it stands in a file of this encoding."""
    if encoding == "protobuf_delimited":
        return varint_bytes(len(message)) + message
    return message


def readable(
    spooled: SpooledMessages, folder: Path, findings: Findings, is_readable: Callable[[SpooledMessages], bool]
) -> SpooledMessages:
    """A file the engine can read in full, of one that it cannot: what is wrong is put right or set aside.

    Halving finds the pieces at fault, so that the others are not touched; in those each message is put right, and
    what is unreadable even then is set aside.
    """
    piece = folder / "piece"
    with mapped(spooled.path) as data:
        frames = frames_of(data, spooled.encoding)

        def whole(low: int, high: int) -> bool:
            with piece.open("wb") as out:
                for frame in frames[low:high]:
                    out.write(data[frame.start : frame.end])
            return is_readable(replace(spooled, path=piece))

        suspected: list[int] = []
        for low, high in _halves(0, len(frames), whole, lambda a, b: _size(frames, a, b) <= _PIECE_BYTES):
            suspected += range(low, high)
    once = put_right(spooled, folder / "repaired", suspected, findings)
    if not once.messages or is_readable(once):
        return once
    spooled = once
    with mapped(spooled.path) as data:
        frames = frames_of(data, spooled.encoding)
        stubborn = [low for low, _ in _halves(0, len(frames), whole, lambda a, b: b - a == 1)]
    for index in stubborn:
        frame = frames[index]
        with mapped(spooled.path) as data:
            message = bytes(data[frame.body : frame.end])
        first_bytes = findings.beginning(message)
        number = spooled.number(index)
        findings.lost.add(number)
        findings.set_aside.append(
            SetAside(number, UNREADABLE, f"message {number}: the engine cannot read it", first_bytes)
        )
    return without(spooled, folder / "good", stubborn)


def without(spooled: SpooledMessages, target: Path, indexes: Sequence[int]) -> SpooledMessages:
    """The file without some of its messages."""
    aside = set(indexes)
    numbers = []
    with mapped(spooled.path) as data, target.open("wb") as file:
        for index, frame in enumerate(frames_of(data, spooled.encoding)):
            if index not in aside:
                numbers.append(spooled.number(index))
                file.write(data[frame.start : frame.end])
    return replace(spooled, path=target, messages=numbers)


def _halves(
    low: int, high: int, whole: Callable[[int, int], bool], small: Callable[[int, int], bool]
) -> Iterator[tuple[int, int]]:
    """Ranges that are small and not whole, found by halving."""
    waiting = [(low, high)]
    while waiting:
        low, high = waiting.pop()
        if low == high or whole(low, high):
            continue
        if high - low == 1 or small(low, high):
            yield low, high
            continue
        middle = (low + high) // 2
        waiting += [(middle, high), (low, middle)]


def _size(frames: Sequence[Frame], low: int, high: int) -> int:
    return frames[high - 1].end - frames[low].start
