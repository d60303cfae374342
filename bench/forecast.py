"""Backtests models.forecast on the synthetic cost benchmark that lies beside the project.

Only measures: no number of the forecast is chosen here, and the seeds come from the caller. An app is counted from its
seventh day on and must have cost on the day of the forecast; one that retires later is an error like any other, and the
same without those is printed beside it, as the benchmark's registry knows them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from datetime import date, timedelta
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from bench.anomaly import BENCHMARK, DEFAULT_SEEDS, loaded
from models import forecast

MONTHS = (date(2025, 10, 1), date(2025, 11, 1), date(2025, 12, 1), date(2026, 1, 1))
ORIGINS = (5, 10, 15, 20, 25)
QUARTER = date(2025, 10, 1), date(2025, 12, 31)
QUARTER_DAYS = (15, 31, 46, 61)
BUDGETS = 3_000
BUDGET_SHARES = 0.7, 1.3
"""A budget is what the quarter will cost times a share drawn from these bounds: more than half run out."""

Floats = npt.NDArray[np.float64]


def main() -> None:
    """Print what was measured on each seed and their mean, and all of it as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=DEFAULT_SEEDS
    )
    options = parser.parse_args()
    if not BENCHMARK.is_file():
        print(f"bench-forecast skipped: the benchmark {BENCHMARK.name} is not beside the project")
        return
    benchmark = loaded(BENCHMARK)
    rows = [measured(benchmark, seed) for seed in options.seeds]
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0] if name != "seed"}
    for name in mean:
        told = "  ".join(f"{row[name]:8.2f}" for row in rows)
        print(f"{name:<44}{told}   mean {mean[name]:8.2f}")
    print(json.dumps({"rows": rows, "mean": mean}))


def measured(benchmark: ModuleType, seed: int) -> dict[str, Any]:
    """Percent of error and coverage, days of the exhaustion date, and seconds for one forecast of every app, of one fleet."""
    data = benchmark.build(seed)
    panel = data["panel"]
    cells = benchmark.to_polars(data).select(
        app_id="app", usage_date=pl.lit(benchmark.START) + pl.duration(days=pl.col.t), cost="cost"
    )
    outcomes = list(_months(benchmark.START, panel, cells))
    found: dict[str, Any] = {"seed": seed}
    for day in ORIGINS:
        found[f"wape_day_{day}"] = _wape([one for one in outcomes if one["day"] == day], "is_counted")
    found["wape_mean"] = float(np.mean([found[f"wape_day_{day}"] for day in ORIGINS]))
    for day in ORIGINS:
        found[f"wape_day_{day}_retirements_known"] = _wape(
            [one for one in outcomes if one["day"] == day], "stays"
        )
    found["wape_mean_retirements_known"] = float(
        np.mean([found[f"wape_day_{day}_retirements_known"] for day in ORIGINS])
    )
    found["portfolio_error"] = 100 * float(np.mean([one["portfolio"] for one in outcomes]))
    found["too_young_share_of_cost"] = 100 * float(np.mean([one["young"] for one in outcomes]))
    for day in ORIGINS:
        found[f"coverage_80_day_{day}"] = _coverage([one for one in outcomes if one["day"] == day])
    found["coverage_80"] = _coverage(outcomes)
    found["coverage_80_fleet"] = 100 * float(np.mean([one["fleet_inside"] for one in outcomes]))
    found["band_share_of_month"] = 100 * float(np.median(np.concatenate([one["width"] for one in outcomes])))
    found |= _budgets(benchmark.START, panel, cells, np.random.default_rng(seed))
    found["seconds_per_forecast"] = float(np.mean([one["seconds"] for one in outcomes]))
    return found


def _months(start: date, panel: Floats, cells: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """What each forecast of a month said and what came, app by app."""
    for month in MONTHS:
        end = (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        first, after = (month - start).days, (end - start).days + 1
        actual = np.nansum(panel[:, first:after], 1)
        for day in ORIGINS:
            origin = first + day
            as_of = start + timedelta(days=origin - 1)
            began = time.perf_counter()
            seen = _ahead(cells, as_of, end)
            so_far = np.nansum(panel[:, first:origin], 1)
            rest = _by_app(seen, seen.expected.sum(1), len(panel))
            low, high = (_by_app(seen, side, len(panel)) for side in _bands(seen))
            seconds = time.perf_counter() - began
            is_live = np.isfinite(panel[:, origin - 1])
            is_counted = is_live & np.isfinite(rest)
            stays = is_counted & np.isfinite(panel[:, after - 1])
            expected = np.where(np.isfinite(rest), so_far + rest, so_far)
            sums = (np.nansum(one[is_counted], axis=0)[None] for one in _windows(seen, len(panel)))
            [fleet_low], [fleet_high] = forecast.band_of(rest[is_counted].sum()[None], *sums)
            fleet_actual = actual[is_counted].sum() - so_far[is_counted].sum()
            yield {
                "day": day,
                "missed": np.abs(actual - expected),
                "actual": actual,
                "is_counted": is_counted,
                "stays": stays,
                "inside": (so_far + low <= actual) & (actual <= so_far + high),
                "width": ((high - low) / np.where(actual > 0, actual, np.nan))[is_counted & (actual > 0)],
                "portfolio": abs((actual - expected)[is_counted].sum()) / actual[is_counted].sum(),
                "young": actual[is_live & ~is_counted].sum() / actual.sum(),
                "fleet_inside": fleet_low <= fleet_actual <= fleet_high,
                "seconds": seconds,
            }


def _ahead(cells: pl.DataFrame, as_of: date, until: date) -> forecast.Ahead:
    known = cells.filter(pl.col("usage_date") <= as_of).with_columns(complete_until=pl.lit(as_of))
    return forecast.ahead(known, as_of, until, ["app_id"])


def _bands(seen: forecast.Ahead) -> tuple[Floats, Floats]:
    return forecast.band_of(seen.expected.sum(1), seen.window_expected, seen.window_actual)


def _by_app(seen: forecast.Ahead, values: Floats, apps: int) -> Floats:
    """Values by the number of their app; NaN of those without."""
    placed = np.full((apps, *values.shape[1:]), np.nan)
    placed[seen.keys["app_id"].to_numpy()] = values
    return placed


def _windows(seen: forecast.Ahead, apps: int) -> tuple[Floats, Floats]:
    return _by_app(seen, seen.window_expected, apps), _by_app(seen, seen.window_actual, apps)


def _wape(outcomes: list[dict[str, Any]], which: str) -> float:
    missed = sum(one["missed"][one[which]].sum() for one in outcomes)
    return 100 * float(missed / sum(one["actual"][one[which]].sum() for one in outcomes))


def _coverage(outcomes: list[dict[str, Any]]) -> float:
    return 100 * float(np.mean(np.concatenate([one["inside"][one["is_counted"]] for one in outcomes])))


def _budgets(start: date, panel: Floats, cells: pl.DataFrame, draw: np.random.Generator) -> dict[str, float]:
    """How often it is known that a quarter's budget runs out, and by how many days the day is missed."""
    first, end = ((day - start).days for day in QUARTER)
    spent = np.nancumsum(panel[:, first : end + 1], 1)
    lived = np.flatnonzero((spent[:, -1] > 0) & np.isfinite(panel[:, first]))
    apps = draw.choice(lived, min(BUDGETS, len(lived)), replace=False)
    amounts = spent[apps, -1] * draw.uniform(*BUDGET_SHARES, len(apps))
    runs_out = _first_day(spent[apps], amounts)
    found = {}
    for day in QUARTER_DAYS:
        as_of = start + timedelta(days=first + day - 1)
        seen = _ahead(cells, as_of, QUARTER[1])
        rest = np.nan_to_num(_by_app(seen, seen.expected, len(panel))[apps])
        path = np.concatenate([spent[apps, :day], spent[apps, day - 1 : day] + np.cumsum(rest, 1)], 1)
        is_open = runs_out >= day
        said, does = (_days[is_open] for _days in (_first_day(path, amounts), runs_out))
        both = (said < path.shape[1]) & (does < path.shape[1])
        found[f"exhaustion_day_{day}_precision"] = 100 * both.sum() / max(1, (said < path.shape[1]).sum())
        found[f"exhaustion_day_{day}_recall"] = 100 * both.sum() / max(1, (does < path.shape[1]).sum())
        missed = np.abs(said - does)[both]
        found[f"exhaustion_day_{day}_days_off_median"] = float(np.median(missed))
        found[f"exhaustion_day_{day}_days_off_p90"] = float(np.quantile(missed, 0.9))
    return found


def _first_day(path: Floats, amounts: Floats) -> npt.NDArray[np.intp]:
    """Place of the first day on which a path reaches an amount; the length of the path where it never does."""
    reached = path >= amounts[:, None]
    days: npt.NDArray[np.intp] = np.where(reached.any(1), reached.argmax(1), path.shape[1])
    return days


if __name__ == "__main__":
    main()
