"""``instrument``: providers, resource and shutdown of one app's telemetry.

Where the bytes go lives in ``otel.exporters``, how log records get there in ``otel.log_handler``.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import cast

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from otel.exporters import Notice, Watched, exporter
from otel.log_handler import LogHandler

SHUTDOWN_SECONDS = 1.5
"""Longest an app's exit waits for its last telemetry."""

_EXPORT_DELAY_MILLIS = 1000
_LONGEST_ATTRIBUTE = 4096

_log = logging.getLogger("otel")
_lock = threading.Lock()
_running: Instrumentation | None = None


class Instrumentation:
    """Telemetry of this process: what an app uses to measure itself, and how it ends.

    ``tracer`` and ``meter`` are OpenTelemetry's, ``logger`` is a standard ``logging.Logger`` named as the app.
    """

    def __init__(self, app_id: str, tracer: trace.Tracer, meter: metrics.Meter) -> None:
        self.app_id = app_id
        self.tracer = tracer
        self.meter = meter
        self.logger = logging.getLogger(app_id)
        if self.logger.level == logging.NOTSET:
            self.logger.setLevel(logging.INFO)
        self._ending = threading.Event()
        self._shutdowns: list[Callable[[], None]] = []
        self._enders: list[threading.Thread] = []
        self._end_quickly: list[Callable[[], None]] = []

    def shutdown(self, timeout: float = SHUTDOWN_SECONDS) -> bool:
        """Sends what is waiting and ends, within ``timeout`` seconds; true where all of it was in time.

        Called by itself when the interpreter exits. A second call does nothing.
        """
        deadline = time.monotonic() + timeout
        self._ending.set()
        for thread in self._enders:
            thread.join(max(0.0, deadline - time.monotonic()))
        late = any(thread.is_alive() for thread in self._enders)
        for end in self._end_quickly if late else ():
            _harmless(end)
        return not late

    def _end_with(self, shutdown: Callable[[], None], abort: Callable[[], None]) -> None:
        """Registers one signal's orderly end, and what cuts it short.

        Its thread is started now because an exiting interpreter starts no more; the signals end side by side,
        so that one nobody answers does not take the others' time.
        """

        self._shutdowns.append(shutdown)
        self._end_quickly.append(abort)
        self._enders.append(self._ender(shutdown))

    def _ender(self, shutdown: Callable[[], None]) -> threading.Thread:
        def end() -> None:
            self._ending.wait()
            _harmless(shutdown)

        thread = threading.Thread(target=end, name="otel-shutdown", daemon=True)
        thread.start()
        return thread

    def _in_forked_child(self) -> None:
        """A fork copies no thread: the child gets its own, so that its last telemetry leaves too."""
        self._ending = threading.Event()
        self._enders = [self._ender(shutdown) for shutdown in self._shutdowns]


def instrument(
    app_id: str,
    owner: str | None = None,
    *,
    endpoint: str | None = None,
    environment: str | None = None,
    version: str | None = None,
    protocol: str | None = None,
    attributes: Mapping[str, str] | None = None,
) -> Instrumentation:
    """Starts traces, metrics and logs of this process and returns the handle to them.

    Args:
        app_id: the app's id in the catalogue; also ``service.name`` unless OTEL_SERVICE_NAME says otherwise.
        owner: the team that answers for it, sent as ``owner``.
        endpoint: where an OTLP receiver listens, ``http://host:4318`` or ``http://host:4317``; else
            OTEL_EXPORTER_OTLP_ENDPOINT, else this machine's port 4318.
        environment: sent as ``deployment.environment.name``.
        version: sent as ``service.version``.
        protocol: ``http/protobuf`` or ``grpc``; else OTEL_EXPORTER_OTLP_PROTOCOL, else by the endpoint's port.
        attributes: further resource attributes.

    The OTEL_* environment variables apply wherever no argument says otherwise. A second call returns the
    first one's handle. Nothing is raised once ``app_id`` is a name: where telemetry cannot be set up, one
    warning says so and the handle does nothing.

    Raises:
        ValueError: ``app_id`` is empty.
    """
    global _running
    if not app_id:
        raise ValueError("instrument() needs the app's id: instrument(app_id='orders', owner='team-shop')")
    with _lock:
        if _running is not None:
            if _running.app_id != app_id:
                _log.warning("this process is instrumented as %s already, not as %s", _running.app_id, app_id)
            return _running
        named = {
            "app_id": app_id,
            "owner": owner,
            "deployment.environment.name": environment,
            "service.version": version,
            **(attributes or {}),
        }
        try:
            _running = _started(
                app_id, {key: value for key, value in named.items() if value}, endpoint, protocol
            )
        except Exception as error:  # a mistyped OTEL_* variable must not end the app
            _log.warning("no telemetry of %s: %s", app_id, error)
            _running = _silent(app_id)
        return _running


def _started(
    app_id: str, named: Mapping[str, str], endpoint: str | None, protocol: str | None
) -> Instrumentation:
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return _silent(app_id)
    resource = _resource(app_id, named)
    notice = Notice(app_id)
    exporters = {
        signal: exporter(signal, endpoint, protocol, notice) for signal in ("traces", "metrics", "logs")
    }
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False, span_limits=_span_limits())
    readers = _metric_readers(exporters["metrics"])
    meters = MeterProvider(resource=resource, shutdown_on_exit=False, metric_readers=readers)
    loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
    handle = Instrumentation(app_id, tracers.get_tracer(app_id), meters.get_meter(app_id))
    if spans := exporters["traces"]:
        tracers.add_span_processor(
            BatchSpanProcessor(
                cast(SpanExporter, spans), schedule_delay_millis=_unless_set("OTEL_BSP_SCHEDULE_DELAY")
            )
        )
        handle._end_with(tracers.shutdown, spans.shutdown)
    if points := exporters["metrics"]:
        handle._end_with(meters.shutdown, points.shutdown)
    if records := exporters["logs"]:
        loggers.add_log_record_processor(
            BatchLogRecordProcessor(
                cast(LogRecordExporter, records),
                schedule_delay_millis=_unless_set("OTEL_BLRP_SCHEDULE_DELAY"),
            )
        )
        LogHandler(loggers).attach()
        handle._end_with(loggers.shutdown, records.shutdown)
    _offer_globally(tracers, meters, loggers)
    atexit.register(handle.shutdown)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=handle._in_forked_child)
    return handle


def _silent(app_id: str) -> Instrumentation:
    """A handle whose parts work and send nothing."""
    tracer = trace.NoOpTracerProvider().get_tracer(app_id)
    return Instrumentation(app_id, tracer, metrics.NoOpMeterProvider().get_meter(app_id))


def _resource(app_id: str, named: Mapping[str, str]) -> Resource:
    """What every record says about the app: arguments, then the environment, then defaults."""
    from_environment = OTELResourceDetector().detect().attributes
    defaults = {"service.name": app_id, "service.instance.id": str(uuid.uuid4())}
    missing = {key: value for key, value in defaults.items() if key not in from_environment}
    return Resource.create({**missing, **named})


def _metric_readers(points: Watched | None) -> list[PeriodicExportingMetricReader]:
    return [PeriodicExportingMetricReader(cast(MetricExporter, points))] if points else []


def _span_limits() -> SpanLimits:
    """Attribute values are cut, so that one huge value cannot fill memory; the environment may say otherwise."""
    variables = ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT")
    if any(variable in os.environ for variable in variables):
        return SpanLimits()
    return SpanLimits(max_attribute_length=_LONGEST_ATTRIBUTE)


def _unless_set(variable: str) -> int | None:
    """Our delay between exports, or None for the environment's."""
    return None if variable in os.environ else _EXPORT_DELAY_MILLIS


def _offer_globally(tracers: TracerProvider, meters: MeterProvider, loggers: LoggerProvider) -> None:
    """Libraries' own instrumentation uses the global providers; those an app has set already stay."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(tracers)
    if type(metrics.get_meter_provider()).__name__ == "_ProxyMeterProvider":
        metrics.set_meter_provider(meters)
    if type(_logs.get_logger_provider()).__name__ == "ProxyLoggerProvider":
        _logs.set_logger_provider(loggers)


def _harmless(act: Callable[[], None]) -> None:
    try:
        act()
    except Exception as error:
        _log.debug("while telemetry ended: %s", error)
