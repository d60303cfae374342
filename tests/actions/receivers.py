"""Receivers of this machine, as messages about alerts meet them: one that takes them, and each way not to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """An HTTP server; the path says how it behaves, and what came is kept by path."""

    port: int = 0
    came: dict[str, list[tuple[str, dict[str, Any]]]] = field(default_factory=dict)
    types: dict[str, list[str]] = field(default_factory=dict)
    behaves: dict[str, str] = field(default_factory=dict)
    arrived: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)

    def keys(self, path: str) -> list[str]:
        """Keys of the messages that came to a path."""
        return [key for key, _ in self.came.get(path, [])]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Serves until the end."""
    seen = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size) or b"{}")
            path = self.path.strip("/")
            seen.came.setdefault(path, []).append((self.headers.get("Idempotency-Key", ""), body))
            seen.types.setdefault(path, []).append(self.headers.get("Content-Type", ""))
            seen.arrived.set()
            behaves = seen.behaves.get(path, "takes")
            if behaves == "hangs":
                seen.let_go.wait(20)
            elif behaves == "drips":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                for _ in range(200):
                    if seen.let_go.is_set():
                        return
                    self.wfile.write(b"x")
                    time.sleep(0.1)
            status = {"fails": 500, "redirects": 302}.get(behaves, 200)
            self.send_response(status)
            if behaves == "redirects":
                self.send_header("Location", f"http://127.0.0.1:{seen.port}/inside")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                pass  # the sender was ended, as some tests do

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    seen.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield seen
    finally:
        seen.let_go.set()
        server.shutdown()
        server.server_close()
