"""What is said about a request before it is answered: whether it is one, and which of its records cannot be kept.

The same code that puts messages right when they are loaded decides here, so that an answer and the load agree.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from pipelines.ingest.intake.faults import Accepted, Faults, json_faults, protobuf_faults
from pipelines.ingest.intake.limits import malformed
from pipelines.ingest.intake.wire import JSON
from pipelines.ingest.telemetry.frames import Encoding, Signal, sniffed_signal
from pipelines.ingest.telemetry.messages import Mended, count_records, mended_json, mended_protobuf
from pipelines.ingest.telemetry.repair import suspects
from pipelines.ingest.telemetry.shapes import REQUESTS
from pipelines.ingest.telemetry.spool import frames_of

_RECORDS = {"traces": "spans", "metrics": "data points", "logs": "log records"}
_KEYS = {"traces": "resourceSpans", "metrics": "resourceMetrics", "logs": "resourceLogs"}


@dataclass(frozen=True)
class Examined:
    """A request as it goes to disk (empty: it holds nothing), and what of it will not be kept.

    ``is_suspect`` is whether it needs to be put right before it is loaded, so that it is kept apart from others.
    """

    payload: bytes
    rejected: int = 0
    reason: str = ""
    is_suspect: bool = False


def examined(message: bytes, signal: Signal, encoding: Encoding, received: float) -> Examined:
    """What a request holds.

    Args:
        received: when it was, in seconds since 1970.

    Raises:
        Refused: nothing of it can be kept: not OTLP, of another signal, or damaged.
    """
    accepted = Accepted.at(received)
    if encoding == JSON:
        return _examined_json(message, signal, accepted)
    return _examined_protobuf(message, signal, accepted) if message else Examined(b"")


def _examined_protobuf(message: bytes, signal: Signal, accepted: Accepted) -> Examined:
    try:
        request = REQUESTS[signal].FromString(message)
        suspect = not request.ListFields() or bool(
            suspects(message, "protobuf", frames_of(message, "protobuf"))
        )
    except DecodeError:
        suspect = True
    if suspect:
        done = mended_protobuf(message, signal)
        if done.content is None:
            raise malformed(_why(message, signal, done))
        kept, faults = done.records.get(signal, 0), protobuf_faults(done.content, signal, accepted)
    else:
        done, faults = Mended(), protobuf_faults(message, signal, accepted)
        kept = count_records(request) if faults else 1
    lost = sum(faults.values())
    if (faults or done.rejects) and kept <= lost and sniffed_signal(message) not in (signal, None):
        raise malformed(_why(message, signal, done))
    return _said(message, signal, done, faults, kept, suspect)


def _examined_json(message: bytes, signal: Signal, accepted: Accepted) -> Examined:
    done = mended_json(message, (signal,), strict=True)
    if done.content is None:
        raise malformed(_why(message, signal, done))
    kept = done.records.get(signal, 0)
    if not kept and not done.rejects:
        return Examined(b"")
    faults = json_faults(done.document, signal, accepted)
    # Inside JSON text a line break is always escaped, so those that are there are only layout.
    line = message.removeprefix(b"\xef\xbb\xbf").replace(b"\n", b" ").replace(b"\r", b" ")
    return _said(line, signal, done, faults, kept, done.is_changed)


def _said(payload: bytes, signal: Signal, done: Mended, faults: Faults, kept: int, suspect: bool) -> Examined:
    found = faults + Counter({one.reason: 0 for one in done.rejects})
    for one in done.rejects:
        found[one.reason] += one.records
    rejected = sum(found.values())
    if not rejected:
        return Examined(payload, is_suspect=suspect)
    words = ", ".join(f"{count} {reason}" for reason, count in sorted(found.items()))
    detail = f" ({done.rejects[0].detail})" if done.rejects else ""
    total = kept + done.rejected
    return Examined(
        payload, rejected, f"{rejected} of {total} {_RECORDS[signal]} are not kept: {words}{detail}", True
    )


def _why(message: bytes, signal: Signal, done: Mended) -> str:
    other = _other_signal(message, signal)
    if other:
        return (
            f"the body is not an OTLP request: it holds {other}, and this is where {signal} are taken; "
            f"send it to /v1/{other}"
        )
    reason = done.rejects[0].detail if done.rejects else "it cannot be read"
    return f"the body is not an OTLP request: {reason}"


def _other_signal(message: bytes, signal: Signal) -> str:
    if message[:1] == b"\x0a":
        found = sniffed_signal(message)
        return found if found and found != signal else ""
    return next(
        (name for name, key in _KEYS.items() if name != signal and b'"%s"' % key.encode() in message), ""
    )
