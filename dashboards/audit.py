"""Writes the access log without holding up a page: entries are queued here, and a thread spools them.

What cannot be written is counted, and said in the log itself as soon as it can be. What an entry holds is
``sql.access_log``; who may read the log is decided where pages read.
"""

from __future__ import annotations

import atexit
import queue
import sys
import threading
import time
from collections import deque
from pathlib import Path

from models.errors import AppfleetError
from models.people import access_policy
from sql.access_log import AccessEntry, append


class AccessLogWriter:
    """The log of one workspace; ``lost`` is how many entries could not be written and are not said yet."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._waiting: queue.Queue[AccessEntry] = queue.Queue(access_policy().waiting)
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._refused: deque[float] = deque()
        self.lost = 0
        threading.Thread(target=self._keep_writing, name="appfleet-access-log", daemon=True).start()
        atexit.register(self.flush)

    def record(self, entry: AccessEntry) -> None:
        """Takes an entry; returns at once."""
        try:
            self._waiting.put_nowait(entry)
        except queue.Full:
            self._lose(1, "more came at once than can be written")

    def record_answer_refused(self, reason: str) -> None:
        """Notes that a sign-in failed at the provider; of many in a minute the rest is counted alone, as anybody may
        send them."""
        now = time.monotonic()
        with self._lock:
            while self._refused and now - self._refused[0] > 60:
                self._refused.popleft()
            is_kept = len(self._refused) < access_policy().refused_per_minute
            if is_kept:
                self._refused.append(now)
        if is_kept:
            self.record(AccessEntry("refused", reason=reason))
        else:
            self._lose(1, "")

    def flush(self) -> None:
        """Writes what waits."""
        with self._writing:
            entries = []
            while True:
                try:
                    entries.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            lost = self.lost
            if lost:
                entries.append(
                    AccessEntry(
                        "lost", lost=lost, reason=f"{lost:,} entries before this one could not be written"
                    )
                )
            if not entries:
                return
            try:
                written = append(self._workspace, entries)
            except (OSError, AppfleetError) as error:
                self._lose(len(entries) - bool(lost), str(error))
                return
            with self._lock:
                if lost and written == len(entries):
                    self.lost -= lost
            if written < len(entries):
                missing = len(entries) - written - bool(lost)
                self._lose(missing, "what waits for `appfleet run` is as large as it may be")

    def _lose(self, count: int, why: str) -> None:
        with self._lock:
            is_news = not self.lost
            self.lost += count
        if is_news and why:
            sys.stderr.write(f"appfleet: the access log cannot be written: {why}\n")

    def _keep_writing(self) -> None:
        while True:
            time.sleep(access_policy().every_seconds)
            self.flush()


_writers: dict[Path, AccessLogWriter] = {}
_making = threading.Lock()


def log_of(workspace: Path) -> AccessLogWriter:
    """The one writer of a workspace's log in this process."""
    with _making:
        if workspace not in _writers:
            _writers[workspace] = AccessLogWriter(workspace)
        return _writers[workspace]
