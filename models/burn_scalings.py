"""Tables of alert windows that others publish, carried over to objectives of any length: the catalogue a workspace picks from.

The numbers are ``policy/burn_scalings.yaml``; what fires by them is ``models.slo``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction

from models.policy import BurnPair, BurnWindows, burn_tables, burn_windows, duration, watermark_policy

DEFAULT = "workbook"
"""What holds where a workspace picks nothing: ``burn_windows.yaml``."""

_MINUTE = timedelta(minutes=1)
_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", _MINUTE))


@dataclass(frozen=True)
class ScaledPair:
    """Two windows of an objective of some days, the factor both must burn faster than, and for how long."""

    severity: str
    long: timedelta
    short: timedelta
    factor: Fraction
    after: timedelta

    def budget_share(self, window_days: int) -> Fraction:
        """Share of the budget that is spent when the long window just burns at the factor."""
        return self.factor * Fraction(self.long // _MINUTE, timedelta(days=window_days) // _MINUTE)


def scalings() -> tuple[str, ...]:
    """Names of the tables."""
    return tuple(burn_tables())


def scaled(name: str, window_days: int) -> tuple[ScaledPair, ...]:
    """Pairs of a table for an objective of some days, as its publisher would have them."""
    table = burn_tables()[name]
    return tuple(_SCALED[table["keeps"]](pair, table["base_days"], window_days) for pair in table["pairs"])


def windows_of(name: str, window_days: int) -> BurnWindows:
    """A table as alerts are judged by it, with our floors: the default's own pairs, else its pairs on whole slices.

    A window that is no whole number of slices is rounded to the nearest one, and its factor stays.
    """
    policy = burn_windows()
    if name == DEFAULT:
        return policy
    return replace(policy, pairs=tuple(_on_slices(pair, window_days) for pair in scaled(name, window_days)))


def _on_slices(pair: ScaledPair, window_days: int) -> BurnPair:
    on = replace(pair, long=_slices(pair.long), short=_slices(pair.short))
    return BurnPair(pair.severity, on.budget_share(window_days), window_name(on.long), window_name(on.short))


def _slices(length: timedelta) -> timedelta:
    one = watermark_policy().slice
    return max(1, _half_up(Fraction(length // _MINUTE, one // _MINUTE))) * one


def window_name(length: timedelta) -> str:
    """Name of a window: ``5m``, ``1h``, ``3d``."""
    unit, whole = next((unit, whole) for unit, whole in _UNITS if not length % whole)
    return f"{length // whole}{unit}"


def _keeps_windows(pair: Mapping[str, str], base_days: int, window_days: int) -> ScaledPair:
    plain = BurnPair(pair["severity"], Fraction(pair["budget_share"]), pair["long"], pair["short"])
    return ScaledPair(
        plain.severity,
        duration(plain.long),
        duration(plain.short),
        plain.factor(window_days),
        timedelta(0),
    )


def _keeps_factors(pair: Mapping[str, str], base_days: int, window_days: int) -> ScaledPair:
    def carried(window: str) -> timedelta:
        return _half_up(Fraction(duration(window) // _MINUTE * window_days, base_days)) * _MINUTE

    return ScaledPair(
        pair["severity"],
        carried(pair["long"]),
        carried(pair["short"]),
        Fraction(pair["factor"]),
        carried(pair["after"]),
    )


_SCALED = {"windows": _keeps_windows, "factors": _keeps_factors}
"""What a table keeps -> how a pair of it is carried over."""


def _half_up(value: Fraction) -> int:
    return int(value + Fraction(1, 2))
