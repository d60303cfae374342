"""Records of Python's ``logging`` as OTLP log records, beside whatever the app does with them.

Attached so that the app's own logging works as if nothing were there: ``basicConfig``, ``dictConfig`` and the
handler of last resort behave as before.
"""

from __future__ import annotations

import logging
import traceback
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_current, get_value
from opentelemetry.sdk._logs import LoggerProvider

_LONGEST_BODY = 32_768
_LONGEST_VALUE = 4_096
_OWN = ("opentelemetry", "otel", "grpc", "urllib3")
"""Loggers an export itself writes to: sending their records would feed on itself."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SEVERITY_TEXTS = {"WARNING": "WARN", "CRITICAL": "FATAL"}


class LogHandler(logging.Handler):
    """Hands every record that reaches the root logger to OpenTelemetry."""

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._provider = provider

    def attach(self) -> None:
        """Hears the root logger from above it, as its parent.

        As one of the root's own handlers it would turn ``logging.basicConfig`` into a call without effect, and
        ``dictConfig`` would remove it.
        """
        above = logging.Logger("otel.root")
        above.addHandler(self)
        above.parent = logging.root.parent
        logging.root.parent = above

    def emit(self, record: logging.LogRecord) -> None:
        """Queues the record; never raises, never blocks, never logs."""
        self._stand_in_for_last_resort(record)
        if record.name.split(".")[0] in _OWN or get_value(_SUPPRESS_INSTRUMENTATION_KEY):
            return
        try:
            self._provider.get_logger(record.name).emit(_translated(record))
        except Exception:  # a record that cannot be put into words is the app's, not the receiver's
            return

    def _stand_in_for_last_resort(self, record: logging.LogRecord) -> None:
        """Python prints warnings to stderr where no handler is found; being found, we do it in its place."""
        last = logging.lastResort
        if last is None or record.levelno < last.level:
            return
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return
            logger = logger.parent
        last.handle(record)


def _translated(record: logging.LogRecord) -> LogRecord:
    return LogRecord(
        timestamp=int(record.created * 1e9),
        observed_timestamp=int(record.created * 1e9),
        context=get_current(),
        severity_number=_severity(record.levelno),
        severity_text=_SEVERITY_TEXTS.get(record.levelname, record.levelname),
        body=record.getMessage()[:_LONGEST_BODY],
        attributes=_attributes(record),
    )


def _severity(level: int) -> SeverityNumber:
    """OTLP has four severities for each of Python's tens: 10 is DEBUG (5), 20 is INFO (9), 50 is FATAL (21)."""
    tens, ones = divmod(max(level, 0), 10)
    return SeverityNumber(min(tens * 4 + 1 + min(ones, 3), SeverityNumber.FATAL4.value))


def _attributes(record: logging.LogRecord) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "code.file.path": record.pathname,
        "code.function.name": record.funcName,
        "code.line.number": record.lineno,
    }
    for key, value in vars(record).items():
        if key not in _STANDARD and value is not None:
            plain = isinstance(value, bool | int | float)
            attributes[key] = value if plain else str(value)[:_LONGEST_VALUE]
    kind, error, _ = record.exc_info or (None, None, None)
    if kind is not None:
        attributes["exception.type"] = kind.__name__
        attributes["exception.message"] = str(error)[:_LONGEST_VALUE]
        attributes["exception.stacktrace"] = "".join(traceback.format_exception(error))[-_LONGEST_BODY:]
    return attributes
