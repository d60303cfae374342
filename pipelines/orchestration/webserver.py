"""Dagster's webserver behind the guard: ``python -m pipelines.orchestration.webserver`` with its own options.

The guard is put around whatever the webserver hands to uvicorn, so nothing of Dagster's inside is needed.
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from dagster_webserver.cli import main as dagster_webserver

from pipelines.orchestration.guard import Guard


def main() -> None:
    """Serves until it is ended; ends with 1 where the webserver no longer serves by uvicorn, unguarded."""
    run, guarded = uvicorn.run, []

    def run_guarded(app: Any, **options: Any) -> None:
        guarded.append(app)
        run(Guard(app), **options)

    uvicorn.run = run_guarded
    dagster_webserver()  # type: ignore[no-untyped-call]
    sys.exit(0 if guarded else 1)


if __name__ == "__main__":
    main()
