"""How a step of Dagster is tried again: what passes by itself after a wait, everything else at once not.

Which errors pass is data of ``models.retries``. A run whose worker ended is Dagster's own to start again, by the settings
of ``pipelines.orchestration.instance``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from models.errors import AppfleetError
from models.retries import is_transient, retry_policy


def step_retries() -> dg.RetryPolicy:
    """How often and after which waits a step is done again."""
    policy = retry_policy()
    return dg.RetryPolicy(
        max_retries=policy.step_attempts_more,
        delay=policy.step_first_wait_seconds,
        backoff=dg.Backoff.EXPONENTIAL,
        jitter=dg.Jitter.PLUS_MINUS,
    )


@contextmanager
def only_what_passes_again() -> Iterator[None]:
    """Lets out what may pass by itself as it is; anything else as a failure that is not tried again."""
    try:
        yield
    except dg.Failure:
        raise
    except Exception as error:
        if is_transient(error):
            raise
        said = str(error) if isinstance(error, AppfleetError) else f"{type(error).__name__}: {error}"
        raise dg.Failure(said, allow_retries=False) from error
