"""What a pass did, step by step, and which steps it takes. How a step is run is not known here."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import ConfigurationError
from pipelines.steps import STEPS


@dataclass(frozen=True)
class StepReport:
    """What one step did."""

    step: str
    seconds: float
    rows: int
    published: int
    unchanged: int
    refused: tuple[str, ...]
    held: tuple[str, ...]
    notes: tuple[str, ...]
    standing: tuple[str, ...] = ()
    """Every note that holds; ``notes`` are those of them that are news."""
    failed: str | None = None
    exit_code: int = 0


@dataclass(frozen=True)
class PassReport:
    """What a pass did, step by step."""

    steps: tuple[StepReport, ...]
    seconds: float

    @property
    def refused(self) -> tuple[str, ...]:
        """Sentences of everything refused."""
        return tuple(sentence for step in self.steps for sentence in step.refused)

    @property
    def held(self) -> tuple[str, ...]:
        """Sentences of every delivery that waits for a person."""
        return tuple(sentence for step in self.steps for sentence in step.held)

    @property
    def failed(self) -> tuple[str, ...]:
        """Sentences of every step that failed."""
        return tuple(f"{step.step}: {step.failed}" for step in self.steps if step.failed)

    @property
    def exit_code(self) -> int:
        """0 done, 3 input was refused or waits for a person; the error's own where a step failed, 1 or 2."""
        return max((step.exit_code for step in self.steps), default=0) or (
            3 if self.refused or self.held else 0
        )


def steps_named(only: str | None) -> list[str]:
    """The steps of ``--only``, in the order they run.

    Raises:
        ConfigurationError: a name is not a step.
    """
    if only is None:
        return list(STEPS)
    names = {name.strip() for name in only.split(",") if name.strip()}
    if not names:
        raise ConfigurationError(f"--only: names no step; the steps are {', '.join(STEPS)}")
    unknown = sorted(names - set(STEPS))
    if unknown:
        raise ConfigurationError(f"--only: {unknown[0]} is not a step; the steps are {', '.join(STEPS)}")
    return [step for step in STEPS if step in names]
