"""``python -m tests.mutants [PATH ...] [--sample N] [--seed N] [--minutes N]``: plants, tests, prints what survives."""

from __future__ import annotations

import argparse
import fnmatch
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import yaml

from tests.mutants.mutant import Mutant
from tests.mutants.python_mutants import python_mutants
from tests.mutants.sql_mutants import sql_mutants

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
GOAL = 0.95
"""Share of the faults that change an answer which the tests shall notice."""

TOO_LONG = "it took too long"
"""Said instead of an output; such a fault is neither counted as caught nor as survived."""

_DOES_NOT_RUN = re.compile(
    r"\((SYNTAX_ERROR|UNKNOWN_IDENTIFIER|UNKNOWN_TABLE|NOT_AN_AGGREGATE|ILLEGAL_TYPE_OF_ARGUMENT|TYPE_MISMATCH|NO_COMMON_TYPE"
    r"|NUMBER_OF_ARGUMENTS_DOESNT_MATCH|BAD_ARGUMENTS|ILLEGAL_AGGREGATION|UNKNOWN_FUNCTION|ILLEGAL_COLUMN|AMBIGUOUS_IDENTIFIER)\)"
    r"|(SyntaxError|NameError|ColumnNotFoundError): "
)


def main() -> int:
    """0 where at least ``GOAL`` of the faults planted were noticed, 1 where not."""
    options = _options()
    judges: dict[str, list[str]] = yaml.safe_load((HERE / "tests.yaml").read_text())
    excused = {
        (one["path"], one["before"], one["after"]): one["reason"]
        for one in yaml.safe_load((HERE / "equivalent.yaml").read_text()) or []
    }
    planted = _sampled(_mutants(options.paths or list(judges), judges), options)
    print(f"{len(planted)} faults of seed {options.seed}")
    counts: Counter[str] = Counter()
    deadline = time.monotonic() + options.minutes * 60
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = _copied(Path(folder))
        baseline = sorted({test for one in planted for test in _judges_of(one.path, judges)})
        if _run(copy, baseline, options.timeout * 10)[0]:
            print("the tests fail without any fault: nothing can be said")
            return 2
        for one in planted:
            if time.monotonic() > deadline:
                counts["not reached"] += 1
                continue
            if (one.path, one.before, one.after) in excused:
                counts["equivalent"] += 1
                continue
            what = _judged(copy, one, _judges_of(one.path, judges), options.timeout)
            counts[what] += 1
            if what == "survived":
                print(f"{one.path}:{one.line} {one.kind}\n  - {one.before}\n  + {one.after}", flush=True)
    told = counts["caught"] + counts["survived"]
    print(", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    share = counts["caught"] / told if told else 1.0
    print(f"{share:.1%} of {told} faults that run are noticed; the goal is {GOAL:.0%}")
    return 0 if share >= GOAL else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("paths", nargs="*", help="files or patterns; default: all that tests.yaml names")
    parser.add_argument("--sample", type=int, default=60, help="faults to plant; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="time after which no further fault is planted"
    )
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds a test run may take")
    return parser.parse_args()


def _mutants(patterns: list[str], judges: dict[str, list[str]]) -> list[Mutant]:
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py", "*.sql"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    found: list[Mutant] = []
    for path in sorted(files):
        wanted = any(fnmatch.fnmatch(path, pattern) or path.startswith(f"{pattern}/") for pattern in patterns)
        if wanted and _judges_of(path, judges):
            make = python_mutants if path.endswith(".py") else sql_mutants
            found += make(path, (ROOT / path).read_text(encoding="utf-8"))
    return found


def _judges_of(path: str, judges: dict[str, list[str]]) -> list[str]:
    """Tests of the first pattern that fits a file."""
    return next((tests for pattern, tests in judges.items() if fnmatch.fnmatch(path, pattern)), [])


def _sampled(found: list[Mutant], options: argparse.Namespace) -> list[Mutant]:
    """A sample in which every file has its turn before one has a second."""
    chance = random.Random(options.seed)
    by_file: dict[str, list[Mutant]] = {}
    for one in found:
        by_file.setdefault(one.path, []).append(one)
    for ones in by_file.values():
        chance.shuffle(ones)
    files = sorted(by_file)
    chance.shuffle(files)
    turns = [
        by_file[path].pop()
        for _ in range(max(map(len, by_file.values()), default=0))
        for path in files
        if by_file[path]
    ]
    return turns[: options.sample] if options.sample else turns


def _copied(folder: Path) -> Path:
    copy = folder / ROOT.name
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in files:
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    shared = ROOT.parent / "shared"
    if shared.is_dir():
        (folder / "shared").symlink_to(shared)
    return copy


def _judged(copy: Path, one: Mutant, tests: list[str], timeout: float) -> str:
    path = copy / one.path
    original = path.read_text(encoding="utf-8")
    _write(path, one.text)
    failed, output = _run(copy, tests, timeout)
    _write(path, original)
    if not failed:
        return "survived"
    if output == TOO_LONG:
        return "timed out"
    return "does not run" if _DOES_NOT_RUN.search(output) else "caught"


def _write(path: Path, text: str) -> None:
    """Writes a file as one of another second than before, so that no compiled form of it is taken for this one."""
    later = path.stat().st_mtime + 2
    path.write_text(text, encoding="utf-8")
    os.utime(path, (later, later))


def _run(copy: Path, tests: list[str], timeout: float) -> tuple[bool, str]:
    """Whether the tests fail on the copy, and what they said."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=short", "-p", "no:randomly", *tests]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    process = subprocess.Popen(
        command,
        cwd=copy,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return True, TOO_LONG
    return process.returncode != 0, output


if __name__ == "__main__":
    sys.exit(main())
