"""Dagster's webserver behind the guard: ``python -m pipelines.orchestration.webserver --code PLACE`` and its own options.

The guard and the health paths are put around whatever the webserver hands to uvicorn, so nothing of Dagster's inside is
needed.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import dagster as dg
import uvicorn
from dagster_webserver.cli import main as dagster_webserver

from pipelines.orchestration.guard import Guard
from pipelines.orchestration.log import begin_log
from pipelines.orchestration.needs import code_missing, history_missing
from sql.probe import Health
from sql.workspace import load_settings, named_workspace


def main() -> None:
    """Serves until it is ended; ends with 1 where the webserver no longer serves by uvicorn, unguarded."""
    begin_log()
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--code", required=True, help="socket or host:port of the code server")
    given, options_of_dagster = parser.parse_known_args()
    run, guarded = uvicorn.run, []
    url = load_settings(named_workspace()).dagster.url
    instance = dg.DagsterInstance.get()

    def missing() -> list[str]:
        return [*history_missing(instance), *code_missing(given.code)]

    def run_guarded(app: Any, **options: Any) -> None:
        guarded.append(app)
        run(Health(Guard(app, url), missing), **options)

    uvicorn.run = run_guarded
    sys.argv = ["dagster-webserver", *options_of_dagster]
    dagster_webserver()  # type: ignore[no-untyped-call]
    sys.exit(0 if guarded else 1)


if __name__ == "__main__":
    main()
