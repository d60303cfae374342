"""Finds the messages of an object that the engine cannot read, by halving, and writes the others beside it.

Runs only when a whole read has failed. What is readable is the engine's verdict; nothing is decoded here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from models.errors import ObjectRefused, WarehouseError
from pipelines.ingest.telemetry.frames import Bytes, Frame
from pipelines.ingest.telemetry.policy import load_policy
from pipelines.ingest.telemetry.spool import Spooled, frames_of, mapped

_UNREADABLE_CODES = frozenset({6, 25, 26, 27, 32, 33, 72, 117, 128, 130, 131, 190, 306, 349, 436, 444, 467})
"""Codes the engine gives for bytes it cannot parse (ClickHouse, src/Common/ErrorCodes.cpp)."""


@dataclass(frozen=True)
class BrokenMessage:
    """A message set aside: its number in the object from 1, where it lies and how it begins."""

    position: int
    detail: str
    first_bytes: str


def is_unreadable(error: WarehouseError) -> bool:
    """Whether the engine failed because of the bytes it read, not for a reason of its own."""
    return error.code in _UNREADABLE_CODES


def repaired(
    spooled: Spooled, folder: Path, object_name: str, is_readable: Callable[[Spooled], bool]
) -> tuple[Spooled, list[BrokenMessage]]:
    """A file with the readable messages of ``spooled``, and the others.

    Raises:
        ObjectRefused: no message, or too few of them, can be read.
    """
    cap = load_policy().broken_messages
    piece = folder / "piece"
    with mapped(spooled.path) as data:
        frames = frames_of(data, spooled.encoding)
        broken: list[int] = []

        def halve(low: int, high: int) -> None:
            if len(broken) > cap:
                return
            _copy(data, frames[low:high], piece)
            if is_readable(replace(spooled, path=piece)):
                return
            if high - low == 1:
                broken.append(low)
                return
            middle = (low + high) // 2
            halve(low, middle)
            halve(middle, high)

        halve(0, len(frames))
        if len(broken) == len(frames):
            raise ObjectRefused(object_name, "no message in it can be read: not OTLP, or damaged")
        if len(broken) > cap:
            raise ObjectRefused(
                object_name, f"more than {cap} of its {len(frames)} messages cannot be read: deliver it again"
            )
        good = folder / "good"
        aside = set(broken)
        _copy(data, [frame for index, frame in enumerate(frames) if index not in aside], good)
        return replace(spooled, path=good), [_broken(data, index, frames[index]) for index in broken]


def _copy(data: Bytes, frames: list[Frame], target: Path) -> None:
    with target.open("wb") as out:
        for frame in frames:
            out.write(data[frame.start : frame.end])


def _broken(data: Bytes, index: int, frame: Frame) -> BrokenMessage:
    beginning = bytes(data[frame.body : min(frame.end, frame.body + load_policy().first_bytes)])
    return BrokenMessage(
        position=index + 1,
        detail=f"bytes {frame.start} to {frame.end}",
        first_bytes=beginning.decode("utf-8", "backslashreplace")[: load_policy().first_bytes],
    )
