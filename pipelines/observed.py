"""appfleet's own traces and metrics, as of any app it looks at: app ``appfleet``, by the package its apps install.

Off unless ``OTEL_EXPORTER_OTLP_ENDPOINT`` (or the one of a signal) says where they go. A pass and each step of it are spans;
rows and seconds are metrics. Nothing here decides anything, and a collector that is away changes nothing.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from sql.logs import of_run, of_step

if TYPE_CHECKING:  # imported only where telemetry is sent: it costs a command a tenth of a second
    from otel import Instrumentation

APP, OWNER = "appfleet", "platform"
ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)

_log = logging.getLogger("appfleet.steps")


class Counted(Protocol):
    """What a step says it did."""

    @property
    def published(self) -> int:
        """Releases made."""

    @property
    def unchanged(self) -> int:
        """What was current already."""

    @property
    def refused(self) -> tuple[str, ...]:
        """Sentences on what was refused."""

    @property
    def held(self) -> tuple[str, ...]:
        """Sentences on what waits for a person."""


@dataclass
class StepSeen:
    """A step under way: told its outcome when it ends; one that is not told has failed."""

    outcome: str = "failed"
    attributes: Mapping[str, int] | None = None
    rows: int = 0

    def ended(self, done: Counted, rows: int) -> None:
        """The step came to its end: what it published, refused and held, and ``rows`` it worked on."""
        self.rows = rows
        refused, held = len(done.refused), len(done.held)
        self.attributes = {
            "appfleet.rows": rows,
            "appfleet.published": done.published,
            "appfleet.unchanged": done.unchanged,
            "appfleet.refused": refused,
            "appfleet.held": held,
        }
        self.outcome = (
            "refused" if refused else "held" if held else "published" if done.published else "unchanged"
        )


@contextmanager
def a_pass(run_id: str) -> Iterator[None]:
    """A pass of several steps."""
    sends = _sending()
    with of_run(run_id):
        if sends is None:
            yield
            return
        with sends.tracer.start_as_current_span("pass", attributes={"appfleet.run_id": run_id}):
            yield


@contextmanager
def a_step(step: str, run_id: str = "") -> Iterator[StepSeen]:
    """A step, of a pass or of a run of Dagster's; an error that leaves the block is the step's failure and goes on."""
    seen, started, sends = StepSeen(), time.monotonic(), _sending()
    with of_step(step):
        if sends is None:
            try:
                yield seen
            finally:
                _say(step, seen, time.monotonic() - started)
            return
        said: dict[str, Any] = {"appfleet.step": step} | ({"appfleet.run_id": run_id} if run_id else {})
        with sends.tracer.start_as_current_span(
            f"step {step}", attributes=said, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield seen
            finally:
                seconds = time.monotonic() - started
                span.set_attributes({"appfleet.outcome": seen.outcome, **(seen.attributes or {})})
                if seen.outcome == "failed":
                    span.set_status(_error())
                _measure(sends, step, seen, seconds)
                _say(step, seen, seconds)


def _say(step: str, seen: StepSeen, seconds: float) -> None:
    """A line of the log; why a step failed is said by whoever tells people."""
    level = logging.WARNING if seen.outcome == "failed" else logging.INFO
    _log.log(level, "step %s: %s, %d rows, %.3f s", step, seen.outcome, seen.rows, seconds)


@cache
def _sending() -> Instrumentation | None:
    """How this process sends telemetry; None where nothing says where to."""
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return None
    os.environ.setdefault(
        "OTEL_LOGS_EXPORTER", "none"
    )  # traces and metrics: a log may hold what is not for everybody
    from otel import instrument

    return instrument(APP, OWNER)


def _error() -> Any:
    from opentelemetry.trace import Status, StatusCode

    return Status(StatusCode.ERROR)


def _measure(sends: Instrumentation, step: str, seen: StepSeen, seconds: float) -> None:
    of = {"appfleet.step": step, "appfleet.outcome": seen.outcome}
    rows, duration = _instruments(sends)
    rows.add(seen.rows, of)
    duration.record(seconds, of)


@cache
def _instruments(sends: Instrumentation) -> tuple[Any, Any]:
    rows = sends.meter.create_counter("appfleet.step.rows", "{row}", "Rows that steps worked on.")
    duration = sends.meter.create_histogram("appfleet.step.duration", "s", "How long steps took.")
    return rows, duration
