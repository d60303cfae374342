"""Which errors pass by themselves, and how often what met one is tried again (``policy/retries.yaml``).

Waiting, starting again and telling apart belong to whoever works; nothing here sleeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

from models.errors import DamagedData, LeaseHeld, LeaseLost, MigrationError, StatementRefused, WarehouseError

_NEVER = (StatementRefused, DamagedData, MigrationError)


@dataclass(frozen=True)
class PullRetries:
    """How a provider is asked for a bill: the answers that pass, and seconds."""

    statuses: tuple[int, ...]
    attempts_more: int
    first_wait_seconds: float
    longest_wait_seconds: float
    connect_seconds: float
    read_seconds: float
    reply_seconds: float


@dataclass(frozen=True)
class RetryPolicy:
    """The numbers of ``retries.yaml``; ``codes`` are those of the engine that pass."""

    codes: frozenset[int]
    step_attempts_more: int
    step_first_wait_seconds: int
    run_attempts_more: int
    runs_at_once_sqlite: int
    runs_at_once_postgres: int
    runs_per_source: int
    runs_per_step: int
    look_every_seconds: int
    starts_within_seconds: int
    cancels_within_seconds: int
    runs_at_most_seconds: int
    pull: PullRetries


@cache
def retry_policy() -> RetryPolicy:
    """The package's own numbers."""
    text = resources.files(__package__).joinpath("policy/retries.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    return RetryPolicy(
        codes=frozenset(line["code"] for line in data["transient"]),
        step_attempts_more=data["step"]["attempts_more"],
        step_first_wait_seconds=data["step"]["first_wait_seconds"],
        run_attempts_more=data["run"]["attempts_more"],
        runs_at_once_sqlite=data["runs_at_once"]["sqlite"],
        runs_at_once_postgres=data["runs_at_once"]["postgres"],
        runs_per_source=data["runs_per_source"],
        runs_per_step=data["runs_per_step"],
        **data["watch"],
        pull=PullRetries(**{**data["pull"], "statuses": tuple(data["pull"]["statuses"])}),
    )


def is_transient(error: BaseException) -> bool:
    """Whether an error may pass by itself: a lease somebody holds or that was lost, a warehouse that went away or says so by its code."""
    if isinstance(error, LeaseHeld | LeaseLost):
        return True
    if not isinstance(error, WarehouseError) or isinstance(error, _NEVER):
        return False
    return error.code is None or error.code in retry_policy().codes
