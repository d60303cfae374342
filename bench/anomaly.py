"""Scores models.anomaly.detect on the synthetic cost-anomaly benchmark that lies beside the project.

Only measures: no number of the detector is chosen here, and the seeds come from the caller.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from pathlib import Path
from statistics import fmean
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl

from models import anomaly

BENCHMARK = Path(__file__).resolve().parents[2] / "shared" / "bench" / "anomaly_bench.py"
COLUMNS = {
    "precision": "P",
    "recall": "R",
    "f1": "F1",
    "dollar_recall": "dR",
    "false_alarms_per_1k_app_months": "fa",
    "mean_delay_days": "delay",
}
DEFAULT_SEEDS = "20250801"
NORMAL = {"noise": 1.0, "tailp": 0.005}  # the benchmark's own


def main() -> None:
    """Print a line per seed, their mean, and all of it as one line of JSON."""
    options = _options()
    if not BENCHMARK.is_file():
        print(f"bench-anomaly skipped: the benchmark {BENCHMARK.name} is not beside the project")
        return
    benchmark = loaded(BENCHMARK)
    rows = [measured(benchmark, seed, options.noise, options.tailp) for seed in options.seeds]
    mean = {"seed": "mean"} | {name: fmean(row[name] for row in rows) for name in rows[0] if name != "seed"}
    with pl.Config(
        tbl_cols=-1, tbl_rows=-1, tbl_hide_column_data_types=True, float_precision=3, tbl_width_chars=160
    ):
        print(pl.DataFrame([row | {"seed": str(row["seed"])} for row in (*rows, mean)]))
    print(json.dumps({"noise": options.noise, "tailp": options.tailp, "rows": rows, "mean": mean}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=DEFAULT_SEEDS
    )
    parser.add_argument(
        "--noise", type=float, default=NORMAL["noise"], help="factor on the noise of every app"
    )
    parser.add_argument("--tailp", type=float, default=NORMAL["tailp"], help="share of heavy-tailed days")
    return parser.parse_args()


def loaded(path: Path) -> ModuleType:
    """The benchmark as a module, from its file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measured(
    benchmark: ModuleType, seed: int, noise: float = NORMAL["noise"], tailp: float = NORMAL["tailp"]
) -> dict[str, Any]:
    """Scores of the detector on one generated fleet, named as in COLUMNS, and the ``seconds`` it took to judge it."""
    data = benchmark.build(seed, noise=noise, tailp=tailp)
    cells = benchmark.to_polars(data)
    costs = cells.select(
        app_id="app", usage_date=pl.lit(benchmark.START) + pl.duration(days=pl.col.t), cost="cost"
    )
    start = time.perf_counter()
    judged = anomaly.detect(costs)
    seconds = time.perf_counter() - start
    flags = np.zeros(data["panel"].shape, dtype=bool)
    flags[cells["app"], cells["t"]] = judged["is_anomaly"]
    scores = benchmark.score(flags, data)
    return {"seed": seed} | {name: float(scores[key]) for name, key in COLUMNS.items()} | {"seconds": seconds}


if __name__ == "__main__":
    main()
