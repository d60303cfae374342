"""Where Dagster keeps what it knows of a workspace, and the settings it is given: data of ``models/policy/retries.yaml``.

Dagster is not imported: its import takes longer than a pass that changes nothing. No secret is written: the file names
the variable that holds the address of Postgres.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import yaml

from models.errors import ConfigurationError
from models.retries import retry_policy
from models.settings import Settings
from sql.leases import POSTGRES_VARIABLE
from sql.state import state_folder

STORAGE_VARIABLE = "APPFLEET_DAGSTER_STORAGE_URL"
"""The address of Postgres as Dagster needs it, with the driver's name; set by us for Dagster's processes."""

SOURCE_TAG = "appfleet/source"
"""Run tag: the source a run of a bill is about; without it, all of them."""

_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg2://")
_DRIVER = "postgresql+psycopg2://"


def has_postgres(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether Dagster's history is in Postgres, for several machines, and not in SQLite."""
    return bool(environment.get(POSTGRES_VARIABLE))


def history_folder(root: Path) -> Path:
    """Folder of the workspace for what is known of Dagster's history: another one for another history."""
    return state_folder(root, "dagster-postgres" if has_postgres() else "dagster")


def dagster_home(settings: Settings) -> Path:
    """Dagster's folder inside the workspace, with its settings written."""
    home = history_folder(settings.root)
    _write(home / "dagster.yaml", instance_settings(settings, has_postgres()))
    # Its presence tells the webserver that somebody has seen what it asks a first visitor: to leave an e-mail address.
    (home / ".nux").mkdir(exist_ok=True)
    (home / ".nux" / "nux.yaml").write_text("seen: 1\n", encoding="utf-8")
    return home


def enter_history(settings: Settings, environment: MutableMapping[str, str] = os.environ) -> None:
    """Sets the variables by which Dagster's processes find the history of a workspace.

    Raises:
        ConfigurationError: the address of Postgres is none.
    """
    environment["DAGSTER_HOME"] = str(dagster_home(settings))
    environment["DAGSTER_DISABLE_TELEMETRY"] = "yes"
    if has_postgres(environment):
        environment[STORAGE_VARIABLE] = _with_driver(environment[POSTGRES_VARIABLE])


def instance_settings(settings: Settings, in_postgres: bool) -> dict[str, Any]:
    """What ``dagster.yaml`` says."""
    policy = retry_policy()
    usual = policy.runs_at_once_postgres if in_postgres else policy.runs_at_once_sqlite
    said: dict[str, Any] = {
        "telemetry": {"enabled": False},
        "concurrency": {
            "runs": {
                "max_concurrent_runs": settings.dagster.runs_at_once or usual,
                "tag_concurrency_limits": [
                    {
                        "key": SOURCE_TAG,
                        "value": {"applyLimitPerUniqueValue": True},
                        "limit": policy.runs_per_source,
                    }
                ],
            },
            "pools": {"default_limit": policy.runs_per_step, "granularity": "run"},
        },
        # A worker that ended is noticed by the code server that started it; its run is started again.
        "run_retries": {
            "enabled": True,
            "max_retries": policy.run_attempts_more,
            "retry_on_asset_or_op_failure": False,
        },
        "run_monitoring": {
            "enabled": True,
            "poll_interval_seconds": policy.look_every_seconds,
            "start_timeout_seconds": policy.starts_within_seconds,
            "cancel_timeout_seconds": policy.cancels_within_seconds,
            "max_runtime_seconds": policy.runs_at_most_seconds,
        },
        # A schedule that counts a new bill holds up no other.
        "schedules": {"use_threads": True, "num_workers": 2},
        # Looks at the newest minutes are thousands a day, and what they found is published.
        "retention": {"sensor": {"purge_after_days": {"skipped": 1}}},
        # What a step prints is nothing; keeping it costs two processes a step.
        "compute_logs": {
            "module": "dagster.core.storage.noop_compute_log_manager",
            "class": "NoOpComputeLogManager",
        },
    }
    if in_postgres:
        said["storage"] = {"postgres": {"postgres_url": {"env": STORAGE_VARIABLE}}}
    return said


def _with_driver(address: str) -> str:
    scheme = next((one for one in _SCHEMES if address.startswith(one)), None)
    if scheme is None:
        raise ConfigurationError(
            f"{POSTGRES_VARIABLE} is no address of Postgres: write postgresql://USER:PASSWORD@HOST:5432/DATABASE"
        )
    return _DRIVER + address.removeprefix(scheme)


def _write(path: Path, said: Mapping[str, Any]) -> None:
    """Replaces the file as a whole: another process may read it now."""
    text = "# Written by appfleet, anew by each command.\n" + yaml.safe_dump(dict(said), sort_keys=False)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
