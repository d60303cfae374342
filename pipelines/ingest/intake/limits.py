"""What one intake takes before it says no, and how a refusal is worded to a sender.

Numbers and answers only: what reads bytes, writes them or loads them lives in the modules beside this one.
"""

from __future__ import annotations

from dataclasses import dataclass

import grpc

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Bounds of one intake; sizes in bytes, times in seconds.

    The cap on an unpacked request is the OpenTelemetry Collector's default (``max_request_body_size``, 20 MiB).
    """

    request_bytes: int = 20 * MIB
    held_bytes: int = 256 * MIB
    waiting_bytes: int = 4096 * MIB
    concurrent_requests: int = 512
    connections: int = 4096
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    idle_seconds: float = 120.0
    commit_seconds: float = 0.002
    seal_seconds: float = 0.5
    longest_seconds: float = 60.0
    heartbeat_seconds: float = 5.0
    segment_bytes: int = 64 * MIB
    retry_seconds: int = 5


class Refused(Exception):
    """A request is not taken; carries the same answer for both protocols.

    ``retry_after`` (seconds) is set where sending the same bytes again later can succeed.
    """

    def __init__(self, status: int, code: grpc.StatusCode, message: str, retry_after: int = 0) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        super().__init__(message)


def malformed(reason: str) -> Refused:
    """The bytes are not what they are said to be; sending them again cannot help."""
    return Refused(400, grpc.StatusCode.INVALID_ARGUMENT, reason)


def too_large(limit: int) -> Refused:
    """The request is larger than one may be; smaller batches help."""
    return Refused(
        413,
        grpc.StatusCode.INVALID_ARGUMENT,
        f"the request is larger than {limit} bytes unpacked: send smaller batches",
    )


def unsupported(reason: str) -> Refused:
    """A content type or encoding this intake does not read."""
    return Refused(415, grpc.StatusCode.UNIMPLEMENTED, reason)


def busy(reason: str, retry_after: int) -> Refused:
    """Nothing was kept; the sender may try again after ``retry_after`` seconds."""
    return Refused(503, grpc.StatusCode.UNAVAILABLE, reason, retry_after)


def exhausted(reason: str, retry_after: int) -> Refused:
    """As ``busy``, where room must be made first: disk or waiting bytes."""
    return Refused(503, grpc.StatusCode.RESOURCE_EXHAUSTED, reason, retry_after)


def unauthenticated() -> Refused:
    """There is no valid token; which of all it lacks is not said, and sending again cannot help."""
    return Refused(
        401, grpc.StatusCode.UNAUTHENTICATED, "a valid bearer token is needed: Authorization: Bearer ..."
    )


def limited(reason: str, retry_after: int) -> Refused:
    """A token's own limit is reached; the sender may try again after ``retry_after`` seconds."""
    return Refused(429, grpc.StatusCode.RESOURCE_EXHAUSTED, reason, retry_after)
