"""`appfleet simulate --live`: where live traffic is sent, and what is said of it. What is played is ``simulate.live``."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from models.errors import AppfleetError
from pipelines.simulate.live import LiveTraffic, fleet_of, play
from sql.workspace import load_settings

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
SEND_SECONDS = 10.0
_EXPORTERS_LOG = "opentelemetry.exporter.otlp.proto.grpc.exporter"


def play_fleet(workspace: Path, seconds: float, say: Callable[[str], None]) -> None:
    """Plays the traffic of a simulated workspace to its own intake, or to the one the environment names.

    Raises:
        ConfigurationError: the workspace was not simulated, or its settings cannot be read.
        AppfleetError: not every span was taken.
    """
    fleet = fleet_of(workspace)
    settings = load_settings(workspace)
    endpoint = os.environ.get(ENDPOINT) or f"http://127.0.0.1:{settings.ports.otlp_grpc}"
    traffic = LiveTraffic(fleet, datetime.now(UTC), seconds)
    planted = traffic.incident
    say(
        f"plays to {endpoint} for {seconds:.0f} s; from {planted.begins:%H:%M:%S} to {planted.ends:%H:%M:%S} UTC version "
        f"{planted.version} of {planted.app_id} fails on {planted.route}"
    )
    logging.getLogger(_EXPORTERS_LOG).setLevel(logging.CRITICAL)  # what was not taken is said once, below
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=SEND_SECONDS)

    def send(spans: Sequence[ReadableSpan]) -> bool:
        return exporter.export(spans) is SpanExportResult.SUCCESS

    try:
        counts = play(traffic, send, seconds, lambda: datetime.now(UTC), time.sleep)
    finally:
        exporter.shutdown()
    say(f"played {counts.requests} requests, {counts.bad} of them failed")
    if counts.refused_spans:
        raise AppfleetError(
            f"{counts.refused_spans} spans were not taken at {endpoint}: is `appfleet up` running on this workspace?"
        )
