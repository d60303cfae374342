"""What each OTLP signal is read with: its message, its statements and the tables it feeds."""

from __future__ import annotations

from dataclasses import dataclass

from sql import otlp_files


@dataclass(frozen=True)
class Target:
    """One table of a signal: the statement that fills it and the structure that statement reads."""

    table: str
    statement: str
    structure: str


@dataclass(frozen=True)
class SignalReader:
    """How one signal is surveyed, loaded and its rejected records listed."""

    name: str
    key: bytes
    scopes_key: bytes
    message: str
    survey: str
    rejects: str
    survey_structure: str
    rejects_structure: str
    targets: tuple[Target, ...]


READERS = {
    "traces": SignalReader(
        name="traces",
        key=b"resourceSpans",
        scopes_key=b"scopeSpans",
        message="Traces",
        survey="ingest/otlp_traces_survey",
        rejects="ingest/otlp_traces_rejects",
        survey_structure=otlp_files.TRACES_SURVEY,
        rejects_structure=otlp_files.TRACES_REJECTS,
        targets=(Target("otel_traces", "ingest/otlp_traces", otlp_files.TRACES),),
    ),
    "metrics": SignalReader(
        name="metrics",
        key=b"resourceMetrics",
        scopes_key=b"scopeMetrics",
        message="Metrics",
        survey="ingest/otlp_metrics_survey",
        rejects="ingest/otlp_metrics_rejects",
        survey_structure=otlp_files.METRICS_SURVEY,
        rejects_structure=otlp_files.METRICS_REJECTS,
        targets=tuple(
            Target(f"otel_metrics_{kind}", f"ingest/otlp_metrics_{kind}", structure)
            for kind, structure in otlp_files.METRICS.items()
        ),
    ),
    "logs": SignalReader(
        name="logs",
        key=b"resourceLogs",
        scopes_key=b"scopeLogs",
        message="Logs",
        survey="ingest/otlp_logs_survey",
        rejects="ingest/otlp_logs_rejects",
        survey_structure=otlp_files.LOGS_SURVEY,
        rejects_structure=otlp_files.LOGS_REJECTS,
        targets=(Target("otel_logs", "ingest/otlp_logs", otlp_files.LOGS),),
    ),
}
"""By name of the signal."""
