"""The day two passes are of: every midnight adds a day to what is published of bills, so that only two passes of one day can
be asked to say the same. Nothing of the clock itself is faked here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

_AHEAD = timedelta(minutes=1)
"""Time that what comes may take at most."""


def passed_today(workspace: Path, run_again: Callable[[], object]) -> None:
    """Makes the last pass of a workspace one of the day it is and stays for the next minute: where it was of another day it
    is run again, and a midnight that is near is waited for."""
    lock = workspace / ".appfleet" / "leases" / "pass.lock"
    last = datetime.fromtimestamp(lock.stat().st_mtime, UTC)
    now = datetime.now(UTC)
    if (soon := now + _AHEAD).date() != now.date():
        midnight = soon.replace(hour=0, minute=0, second=0, microsecond=0)
        time.sleep((midnight - now).total_seconds() + 1)
    if last.date() != datetime.now(UTC).date():
        run_again()
