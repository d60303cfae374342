"""`make bench`: how fast each part is, and whether the targets of the design are met.

Only measures and prints: a table of all figures, one of the targets, and a line of JSON; nothing here asserts. ``--full``
uses the sizes of the targets. What a measurement is lives in ``bench.measure``, the bounds in ``bench.targets``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from bench.compute import bench_anomalies, bench_growth, bench_slo
from bench.context import FULL, TINY, Bench, Sizes
from bench.elsewhere import bench_server
from bench.ingest import (
    bench_attribution,
    bench_billing,
    bench_live,
    bench_restated,
    bench_spans,
    bench_traces,
)
from bench.measure import PeakMemory, memory_line, print_lines
from bench.served import bench_commands, bench_pages, bench_pass

PARTS: dict[str, Callable[[Bench], None]] = {
    "billing": bench_billing,
    "attribution": bench_attribution,
    "server": bench_server,
    "restated": bench_restated,
    "spans": bench_spans,
    "traces": bench_traces,
    "live": bench_live,
    "slo": bench_slo,
    "anomalies": bench_anomalies,
    "growth": bench_growth,
    "pass": bench_pass,
    "commands": bench_commands,
    "pages": bench_pages,
}


def main() -> int:
    """Measures each part, prints everything, and returns how many parts failed."""
    options = _options()
    started = time.monotonic()
    root = Path(tempfile.mkdtemp(prefix="appfleet-bench-"))
    bench = Bench(FULL if options.full else TINY if options.tiny else Sizes(), root)
    failed = []
    try:
        with PeakMemory() as memory:
            for part in options.only:
                if not _ran(part, bench):
                    failed.append(part)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    bench.lines.append(memory_line("peak memory: all but the engine", memory.beside))
    bench.lines.append(memory_line("peak memory: the largest child, the engine", memory.engine))
    took = f"{time.monotonic() - started:.0f} s in all"
    print_lines(bench.lines, options.only, took, options.markdown)
    if failed:
        print(f"failed, and not measured to the end: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--full", action="store_true", help="the sizes of the targets")
    sizes.add_argument("--tiny", action="store_true", help="whether every part runs; shows little")
    parser.add_argument(
        "--markdown", action="store_true", help="tables as docs/benchmarks.md has them, no JSON"
    )
    parser.add_argument("--only", type=_parts, default=list(PARTS), help=f"some of {', '.join(PARTS)}")
    return parser.parse_args()


def _parts(text: str) -> list[str]:
    unknown = sorted(set(text.split(",")) - set(PARTS))
    if unknown:
        raise argparse.ArgumentTypeError(f"no part {', '.join(unknown)}: there are {', '.join(PARTS)}")
    return text.split(",")


def _ran(part: str, bench: Bench) -> bool:
    """Runs a part; one that fails does not cost what the others measure, and what it made goes at its end."""
    started = time.monotonic()
    print(f"{part} ...", file=sys.stderr, flush=True)
    try:
        PARTS[part](bench)
    except Exception:  # whatever it is, it is told
        traceback.print_exc()
        return False
    finally:
        bench.tidy()
        print(f"{part}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
