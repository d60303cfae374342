"""How a process of appfleet writes its log: for people as text, or one JSON object a line where ``APPFLEET_LOG=json``.

Every service and command begins here. Values of secrets are hidden in both forms, whoever wrote them into a message. What is
logged, and when, belongs to who logs.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

FORMAT_VARIABLE = "APPFLEET_LOG"
"""``json`` for lines of JSON; anything else, or nothing, for text."""

HIDDEN = "[hidden]"
LEAST_SECRET = 6
"""Shorter values of the environment are words that may stand anywhere, and no secret worth the name."""

LONGEST_MESSAGE = 16_384

_SECRET_NAME = re.compile(
    r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIAL|HEADERS", re.IGNORECASE
)
_LOCATES = re.compile(r"_(FILE|PATH|DIR|URL|ENDPOINT)$", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"(?P<before>[A-Za-z][\w+.-]*://[^\s/:@]*):(?P<secret>[^\s/@]+)@")
_run: ContextVar[str] = ContextVar("run", default="")
_step: ContextVar[str] = ContextVar("step", default="")

_log = logging.getLogger("appfleet")


@contextmanager
def of_run(run_id: str) -> Iterator[None]:
    """Lines of the block carry the id of a run."""
    token = _run.set(run_id)
    try:
        yield
    finally:
        _run.reset(token)


@contextmanager
def of_step(step: str) -> Iterator[None]:
    """Lines of the block carry the name of a step."""
    token = _step.set(step)
    try:
        yield
    finally:
        _step.reset(token)


def at_work() -> tuple[str, str]:
    """Run and step that this thread is at work on; empty where it is of none."""
    return _run.get(), _step.get()


def is_json(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether lines of JSON are asked for."""
    return environment.get(FORMAT_VARIABLE, "").strip().lower() == "json"


def start_log(text_format: str, level: int = logging.WARNING) -> None:
    """Sets up the log of this process on stderr; as JSON, of everybody's lines, from INFO on.

    Whatever a library sets up later for itself writes JSON too: its formatters are not asked.
    """
    hide = Hiding(os.environ)
    if not is_json():
        handler = logging.StreamHandler()
        handler.setFormatter(TextFormatter(text_format, hide))
        logging.basicConfig(level=level, handlers=[handler])
        return
    formatter = JsonFormatter(hide)

    def as_json(handler: logging.Handler, record: logging.LogRecord) -> str:
        return formatter.format(record)

    setattr(logging.StreamHandler, "format", as_json)  # noqa: B010 (of all handlers, whoever makes them)
    logging.basicConfig(level=min(level, logging.INFO), handlers=[logging.StreamHandler()])
    logging.captureWarnings(True)
    sys.excepthook = _logged
    threading.excepthook = lambda given: _logged(given.exc_type, given.exc_value, given.exc_traceback)


def complain(sentence: str) -> None:
    """Says on stderr why a command ends: as a line of the log where that is JSON, else as ``appfleet: ...``."""
    if is_json():
        _log.error(sentence)
    else:
        sys.stderr.write(f"appfleet: {Hiding(os.environ)(sentence)}\n")


class Hiding:
    """Hides values of secrets in text: those of the environment's variables that are named so, and passwords in addresses."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        found = {
            value
            for name, value in environment.items()
            if _SECRET_NAME.search(name) and not _LOCATES.search(name)
        }
        for value in environment.values():
            found |= {match["secret"] for match in _IN_ADDRESS.finditer(value)}
        known = sorted((value for value in found if len(value) >= LEAST_SECRET), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        return _IN_ADDRESS.sub(rf"\g<before>:{HIDDEN}@", text)


class TextFormatter(logging.Formatter):
    """Lines for people."""

    def __init__(self, text_format: str, hide: Hiding) -> None:
        super().__init__(text_format)
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        """The line, with secrets hidden."""
        return self._hide(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and run, step, trace and error where there are."""

    def __init__(self, hide: Hiding) -> None:
        super().__init__()
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        """The line; a record that cannot be put into words says so."""
        try:
            message = record.getMessage()
        except Exception as unfit:
            message = f"{record.msg!s} ({type(unfit).__name__}: its arguments do not fit)"
        of_dagster = getattr(record, "dagster_meta", None) or {}
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._hide(_sound(message)[:LONGEST_MESSAGE]),
            "run_id": _run.get() or of_dagster.get("run_id"),
            "step": _step.get() or of_dagster.get("step_key"),
            **_trace(),
        }
        kind, error, where = record.exc_info or (None, None, None)
        if kind is not None:
            stack = "".join(traceback.format_exception(kind, error, where))
            line["error"] = {"type": kind.__name__, "stack": self._hide(_sound(stack)[-LONGEST_MESSAGE:])}
        return json.dumps({key: value for key, value in line.items() if value}, ensure_ascii=False)


def _trace() -> dict[str, str]:
    """Trace and span that are open, where the process sends any."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def _sound(text: str) -> str:
    """Text that can be written as UTF-8: file names may hold any bytes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _logged(
    kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
) -> None:
    if kind is None or issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    _log.critical("ended by an error nobody expected", exc_info=(kind, error or kind(), where))
