"""OTLP exporters of one process, chosen by arguments and OTEL_* variables, and kept quiet.

A sender that reaches nobody says so once; the SDK's own repetition of it is turned off here.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 5
_GRPC_PORT = 4317
_HTTP, _GRPC = "http/protobuf", "grpc"

_REPETITIVE = (
    "opentelemetry.exporter",
    "opentelemetry.sdk._shared_internal",
    "opentelemetry.sdk.metrics._internal.export",
)
"""Loggers of the SDK that repeat a failed export or a full queue for as long as it lasts."""

_log = logging.getLogger("otel")


class Notice:
    """Says once, whichever signal notices first, that telemetry does not arrive."""

    def __init__(self, app_id: str) -> None:
        self._app_id = app_id
        self._lock = threading.Lock()
        self._given = False

    def failed(self) -> None:
        """An export failed."""
        with self._lock:
            first, self._given = not self._given, True
        if first:
            _log.warning(
                "telemetry of %s does not reach its receiver: check OTEL_EXPORTER_OTLP_ENDPOINT; "
                "the app goes on without it, and this is not said again",
                self._app_id,
            )


class Watched:
    """An exporter whose failures are noticed and never raised."""

    def __init__(self, exporter: Any, notice: Notice) -> None:
        self._exporter = exporter
        self._notice = notice

    def export(self, batch: Any, *arguments: Any, **options: Any) -> Any:
        """Exports a batch; what goes wrong is noticed."""
        try:
            result = self._exporter.export(batch, *arguments, **options)
        except Exception:
            self._notice.failed()
            return None
        if result.name != "SUCCESS":
            self._notice.failed()
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exporter, name)


def exporter(signal: str, endpoint: str | None, protocol: str | None, notice: Notice) -> Watched | None:
    """The exporter of ``traces``, ``metrics`` or ``logs``; None where OTEL_<SIGNAL>_EXPORTER is ``none``."""
    if os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip().lower() == "none":
        return None
    for name in _REPETITIVE:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL + 1)
    target = _with_scheme(endpoint) if endpoint else None
    known = _variable("ENDPOINT", signal)
    chosen = protocol or _variable("PROTOCOL", signal) or _protocol_of(target or known)
    options: dict[str, Any] = {"endpoint": target}
    if not _variable("TIMEOUT", signal):
        options["timeout"] = _TIMEOUT_SECONDS
    if chosen == _GRPC:
        return Watched(_grpc_exporter(signal)(**options), notice)
    if target:
        options["endpoint"] = f"{target.rstrip('/')}/v1/{signal}"
    return Watched(_http_exporter(signal)(**options), notice)


def _variable(name: str, signal: str) -> str | None:
    """OTEL_EXPORTER_OTLP_<SIGNAL>_<NAME>, else the one for all signals."""
    own = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}")
    return own or os.environ.get(f"OTEL_EXPORTER_OTLP_{name}")


def _with_scheme(endpoint: str) -> str:
    return endpoint if "://" in endpoint else f"http://{endpoint}"


def _protocol_of(endpoint: str | None) -> str:
    """gRPC on its own port, HTTP else: it survives a fork and needs no channel."""
    return _GRPC if endpoint and urlsplit(_with_scheme(endpoint)).port == _GRPC_PORT else _HTTP


def _http_exporter(signal: str) -> Any:
    """Imported only when chosen: each protocol costs an app some 100 ms of start."""
    if signal == "traces":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter
    if signal == "metrics":
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        return OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    return OTLPLogExporter


def _grpc_exporter(signal: str) -> Any:
    if signal == "traces":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter
    if signal == "metrics":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

        return OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

    return OTLPLogExporter
