"""A micro app of one file: an order service on the standard library, seen by appfleet through one call.

Run it with ``python examples/micro_app.py --port 8099`` and ask for ``/orders``; every tenth order fails, as apps
do. Spans, metrics and log records go to ``--endpoint``, by default the intake that ``appfleet up`` starts.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.trace import SpanKind, Status, StatusCode

from otel import Instrumentation, instrument

FAILS_EVERY = 10


def handler(telemetry: Instrumentation) -> type[BaseHTTPRequestHandler]:
    """The request handler: one SERVER span, one duration and, where it fails, one log record per request."""
    seconds = telemetry.meter.create_histogram("http.server.request.duration", unit="s")
    numbers = itertools.count(1)

    class Orders(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            begin = time.perf_counter()
            route = "/orders" if self.path.startswith("/orders") else "/"
            attributes = {"http.request.method": "GET", "http.route": route}
            with telemetry.tracer.start_as_current_span(
                f"GET {route}", kind=SpanKind.SERVER, attributes=attributes
            ) as span:
                order = next(numbers)
                status = 500 if order % FAILS_EVERY == 0 else 200
                span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    span.set_status(Status(StatusCode.ERROR))
                    telemetry.logger.error("order %d could not be placed", order, extra={"order": order})
                body = f"order {order}\n".encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            elapsed = time.perf_counter() - begin
            seconds.record(elapsed, {**attributes, "http.response.status_code": status})

        def log_message(self, *_: object) -> None:
            """The span says it better than a line on the terminal."""

    return Orders


def main() -> None:
    """Serves until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--app-id", default="micro-orders")
    parser.add_argument("--owner", default="team-shop")
    parser.add_argument("--endpoint", help="OTLP receiver (default: OTEL_EXPORTER_OTLP_ENDPOINT, else :4318)")
    options = parser.parse_args()
    telemetry = instrument(
        app_id=options.app_id,
        owner=options.owner,
        endpoint=options.endpoint,
        environment="demo",
        version="1.0.0",
    )
    server = ThreadingHTTPServer(("127.0.0.1", options.port), handler(telemetry))
    server.daemon_threads = False  # a request that was answered has its span before everything ends
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}/orders", flush=True)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    server.shutdown()
    server.server_close()
    telemetry.shutdown()


if __name__ == "__main__":
    main()
