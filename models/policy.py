"""The numbers decisions rest on, read from the YAML files beside this module, each with its source cited there.

They are data of the package, not of a workspace: nothing here reads what a user wrote. How a number is used
belongs to the model that uses it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Any

import yaml

_MINUTE = timedelta(minutes=1)
_UNITS = {"m": _MINUTE, "h": timedelta(hours=1), "d": timedelta(days=1)}


@dataclass(frozen=True)
class Objective:
    """One service level objective by occurrences: the share of events that must be good."""

    name: str
    target: Decimal
    threshold_ms: int | None = None

    @property
    def budget(self) -> Decimal:
        """Share of events that may be bad."""
        return 1 - self.target


@dataclass(frozen=True)
class Objectives:
    """Objectives over one rolling window."""

    window_days: int
    lines: tuple[Objective, ...]

    @property
    def latency_threshold_ns(self) -> int:
        """Duration from which on a request is too slow, in the nanoseconds of a span."""
        [threshold] = {one.threshold_ms for one in self.lines if one.threshold_ms is not None}
        return threshold * 1_000_000


@dataclass(frozen=True)
class BurnPair:
    """Two windows that must both burn faster than a factor; window names are ``5m``, ``1h``, ``3d``."""

    severity: str
    budget_share: Decimal
    long: str
    short: str

    def factor(self, window_days: int) -> Fraction:
        """Burn rate that spends ``budget_share`` of the budget of ``window_days`` within the long window."""
        long_windows = Fraction(timedelta(days=window_days) // _MINUTE, duration(self.long) // _MINUTE)
        return Fraction(self.budget_share) * long_windows


@dataclass(frozen=True)
class BurnWindows:
    """The pairs, worst first, and the bad events a long window needs before anything fires."""

    pairs: tuple[BurnPair, ...]
    least_bad_events: int

    @property
    def severities(self) -> tuple[str, ...]:
        """Distinct severities, worst first."""
        return tuple(dict.fromkeys(pair.severity for pair in self.pairs))


def duration(window: str) -> timedelta:
    """Length of a window name: ``5m``, ``1h`` or ``3d``."""
    return int(window[:-1]) * _UNITS[window[-1]]


@cache
def slo_defaults() -> Objectives:
    """Objectives of every app without configuration (``slo_defaults.yaml``)."""
    data = _document("slo_defaults")
    lines = (
        Objective(one["name"], Decimal(one["target"]), one.get("threshold_ms")) for one in data["objectives"]
    )
    return Objectives(data["window_days"], tuple(lines))


@cache
def burn_windows() -> BurnWindows:
    """The burn-rate pairs of the SRE workbook (``burn_windows.yaml``)."""
    data = _document("burn_windows")
    pairs = tuple(
        BurnPair(one["severity"], Decimal(one["budget_share"]), one["long"], one["short"])
        for one in data["pairs"]
    )
    return BurnWindows(pairs, data["least_bad_events"])


@cache
def attribution_confidence() -> dict[str, float]:
    """How sure each attribution rule is, 0 to 1 (``attribution.yaml``)."""
    return dict(_document("attribution")["confidence"])


@cache
def policy_sha256() -> str:
    """Digest of every policy file: an answer computed under other numbers is not current."""
    digest = hashlib.sha256()
    for file in sorted((resources.files("models") / "policy").iterdir(), key=lambda one: one.name):
        if file.is_file():
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _document(name: str) -> Any:
    text = (resources.files("models") / "policy" / f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)
