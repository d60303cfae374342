"""The one way a request takes, whichever protocol brought it: count, unpack, hold to its token, examine, append, wait for the
disk.

Runs on the intake's event loop. Nothing here knows gRPC or HTTP; those modules turn ``Refused`` into an answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ParamSpec, TypeVar

from pipelines.ingest.intake.claims import Left, Permit, Unclear, claimed
from pipelines.ingest.intake.examine import Examined, examined
from pipelines.ingest.intake.gate import Bearer
from pipelines.ingest.intake.journal import Journal
from pipelines.ingest.intake.left_out import lines_of, said_of
from pipelines.ingest.intake.limits import Limits, Refused, busy, malformed
from pipelines.ingest.intake.wire import JSON, unpacked
from pipelines.ingest.telemetry.frames import Encoding, Signal

P = ParamSpec("P")
T = TypeVar("T")

_INLINE_BYTES = 16 << 10
"""Packed bodies up to this size are unpacked on the event loop: handing them to a thread costs more."""

_INLINE_EXAMINED_PROTOBUF = 1 << 20
_INLINE_EXAMINED = {JSON: 16 << 10}
"""Requests up to this size are looked at on the event loop, others beside it, so that nobody waits for them."""


@dataclass
class Counters:
    """What an intake has answered since it started."""

    accepted: int = 0
    accepted_bytes: int = 0
    rejected_records: int = 0
    refused: dict[int, int] = field(default_factory=dict)


class Receiver:
    """Takes requests into the journal, within the limits."""

    def __init__(self, journal: Journal, limits: Limits) -> None:
        self.limits = limits
        self.counters = Counters()
        self._journal = journal
        self._requests = 0
        self._held = 0
        self._workers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="intake-work")

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Counts a request among the concurrent ones, and how it ends.

        Raises:
            Refused: there are as many as may be, or the request ended so.
        """
        try:
            if self._requests >= self.limits.concurrent_requests:
                raise busy(f"{self._requests} requests are being answered, which is as many as may", 1)
            self._requests += 1
            try:
                yield
            finally:
                self._requests -= 1
        except Refused as refused:
            counts = self.counters.refused
            counts[refused.status] = counts.get(refused.status, 0) + 1
            raise

    @contextmanager
    def held(self) -> Iterator[MemoryHold]:
        """Memory accounted to one request until it ends."""
        hold = MemoryHold(self)
        try:
            yield hold
        finally:
            self._held -= hold.bytes

    async def take(
        self,
        signal: Signal,
        encoding: Encoding,
        coding: str,
        body: bytes,
        hold: MemoryHold,
        sender: Bearer | None = None,
    ) -> Examined:
        """Returns when the request's bytes are on disk, and what of it will not be kept; an empty request is nothing.

        Raises:
            Refused: malformed, too large, unreadable encoding, or no room for it now.
        """
        limit = min(self.limits.request_bytes, sender.request_bytes) if sender else self.limits.request_bytes
        message = await self._unpacked(coding, body, hold, limit)
        if sender is not None:
            return await self._take_from(sender, signal, encoding, message)
        inline = _INLINE_EXAMINED.get(encoding, _INLINE_EXAMINED_PROTOBUF)
        if len(message) <= inline:
            found = examined(message, signal, encoding, time.time())
        else:
            found = await self._beside(examined, message, signal, encoding, time.time())
        if found.payload:
            await asyncio.wrap_future(self._journal.append(signal, encoding, found.payload, found.is_suspect))
        self._count(found)
        return found

    async def _take_from(
        self, sender: Bearer, signal: Signal, encoding: Encoding, message: bytes
    ) -> Examined:
        """As ``take``, of a sender whose token decides what is let in."""
        sender.bring(len(message))
        now = time.time()
        if len(message) <= _INLINE_EXAMINED.get(encoding, _INLINE_EXAMINED_PROTOBUF):
            found, left = _examined_for(sender.permit, message, signal, encoding, now)
        else:
            found, left = await self._beside(_examined_for, sender.permit, message, signal, encoding, now)
        appends = []
        if found.payload:
            appends.append(self._journal.append(signal, encoding, found.payload, found.is_suspect))
        if left:
            appends.append(self._journal.append("left", JSON, lines_of(left, signal, now)))
        await asyncio.gather(*(asyncio.wrap_future(one) for one in appends))
        self._count(found)
        sender.took(len(message), found.rejected)
        return found

    def _count(self, found: Examined) -> None:
        self.counters.accepted += 1
        self.counters.accepted_bytes += len(found.payload)
        self.counters.rejected_records += found.rejected

    async def _unpacked(self, coding: str, body: bytes, hold: MemoryHold, limit: int) -> bytes:
        if coding == "identity" or len(body) <= _INLINE_BYTES:
            message = unpacked(body, coding, limit)
        else:
            message = await self._beside(unpacked, body, coding, limit)
        if coding != "identity":
            hold.add(len(message))
        return message

    async def _beside(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Runs what takes long in a thread of its own."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._workers, partial(function, *arguments, **named))

    def reserve(self, size: int) -> None:
        """Accounts ``size`` bytes of memory.

        Raises:
            Refused: requests under way hold as many bytes as they may.
        """
        if self._held + size > self.limits.held_bytes:
            raise busy(f"requests under way hold {self._held} bytes, which is as much as may", 1)
        self._held += size


def _examined_for(
    permit: Permit, message: bytes, signal: Signal, encoding: Encoding, received: float
) -> tuple[Examined, tuple[Left, ...]]:
    """What a request holds of what its token lets in, and what is left out.

    Raises:
        Refused: nothing of it can be kept, whoever sent it.
    """
    try:
        let_in = claimed(message, signal, encoding, permit)
    except Unclear:
        examined(message, signal, encoding, received)
        # Whatever could be made of it, whom it speaks for was not seen.
        raise malformed("the body is not an OTLP request whose resources can be told") from None
    found = Examined(b"")
    if let_in.message or not let_in.left:
        found = examined(let_in.message, signal, encoding, received)
        found = replace(found, is_suspect=found.is_suspect or let_in.is_suspect)
    if not let_in.left:
        return found, ()
    records, said = said_of(let_in.left)
    reason = f"{said} are not kept" + (f"; {found.reason}" if found.reason else "")
    return replace(found, rejected=found.rejected + records, reason=reason), let_in.left


class MemoryHold:
    """Bytes of memory one request holds."""

    def __init__(self, receiver: Receiver) -> None:
        self.bytes = 0
        self._receiver = receiver

    def add(self, size: int) -> None:
        """Accounts more bytes to the request.

        Raises:
            Refused: there is no room for them now.
        """
        self._receiver.reserve(size)
        self.bytes += size
