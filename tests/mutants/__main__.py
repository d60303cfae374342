"""``python -m tests.mutants [PATH ...] [--sample N] [--seed N] [--minutes N]``: plants, tests, prints what survives."""

from __future__ import annotations

import argparse
import fnmatch
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from tests.mutants.bench import Bench
from tests.mutants.mutant import Mutant
from tests.mutants.python_mutants import python_planters
from tests.mutants.sql_mutants import sql_mutants

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
GOAL = 0.95
"""Share of the faults that change an answer which the tests shall notice."""


class Judges(NamedTuple):
    """Tests that judge a file: ``reading`` is a module that asks a query over and over with its fixtures set up once."""

    reading: str
    tests: list[str]


def main() -> int:
    """0 where at least ``GOAL`` of the faults planted were noticed, 1 where not."""
    options = _options()
    judges = judges_by_pattern()
    excused = yaml.safe_load((HERE / "equivalent.yaml").read_text())
    planted = list(_sampled(_files(options.paths, judges), options))
    print(f"{len(planted)} faults of seed {options.seed}")
    run = _Run(planted, excused, judges, options.timeout, time.monotonic() + options.minutes * 60)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        threads = [
            threading.Thread(target=run.work, args=(Path(folder) / str(number),))
            for number in range(options.workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return run.report()


class _Run:
    """What was found so far, by area; several threads work on it, a file at a time."""

    def __init__(
        self,
        planted: list[Mutant],
        excused: Sequence[Mapping[str, str]],
        judges: dict[str, Judges],
        timeout: float,
        deadline: float,
    ) -> None:
        self._by_path: dict[str, list[Mutant]] = {}
        for one in planted:
            self._by_path.setdefault(one.path, []).append(one)
        self._excused, self._judges = excused, judges
        self._timeout, self._deadline = timeout, deadline
        self._lock = threading.Lock()
        self.counts: dict[str, Counter[str]] = {}

    def work(self, folder: Path) -> None:
        """Judges files until none is left."""
        folder.mkdir(parents=True)
        bench = Bench(ROOT, folder)
        try:
            while True:
                with self._lock:
                    if not self._by_path:
                        return
                    mutants = self._next()
                self._judge(bench, mutants)
        finally:
            bench.close()

    def _next(self) -> list[Mutant]:
        """Mutants of one file, or of all that one module reads with its fixtures set up once."""
        path = next(iter(self._by_path))
        reading = judges_of(path, self._judges).reading
        same = [one for one in self._by_path if judges_of(one, self._judges).reading == reading]
        return [one for each in (same if reading else [path]) for one in self._by_path.pop(each)]

    def _judge(self, bench: Bench, mutants: list[Mutant]) -> None:
        reading = judges_of(mutants[0].path, self._judges).reading
        open_ = []
        for one in mutants:
            if any(is_excused(one, line) for line in self._excused):
                self._tell(one, "equivalent")
            else:
                open_.append(one)
        if reading and open_ and time.monotonic() < self._deadline:
            planted = [(one.path, one.text) for one in open_]
            said = bench.read_again(planted, reading, 2 * self._timeout + len(open_))
            left = []
            for one, what in zip(open_, said, strict=True):
                if what == "survived" and judges_of(one.path, self._judges).tests:
                    left.append(one)
                else:
                    self._tell(one, what)
            open_ = left
        for one in open_:
            if time.monotonic() > self._deadline:
                self._tell(one, "not reached")
            else:
                tests = judges_of(one.path, self._judges).tests
                what, _, test = bench.judged(one.path, one.text, tests, self._timeout)
                self._tell(one, what, test)

    def _tell(self, one: Mutant, what: str, test: str = "") -> None:
        with self._lock:
            self.counts.setdefault(one.path.rpartition("/")[0], Counter())[what] += 1
            if what in ("survived", "unsound"):
                said = f" {what}: {test}" if what == "unsound" else ""
                print(
                    f"{one.path}:{one.line} {one.kind}{said}\n  - {one.before}\n  + {one.after}", flush=True
                )

    def report(self) -> int:
        """Prints the counts by area and in all."""
        for area, counts in sorted(self.counts.items()):
            print(f"{area}: " + ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
        total = sum(self.counts.values(), Counter())
        told = total["caught"] + total["survived"]
        print("in all: " + ", ".join(f"{count} {what}" for what, count in sorted(total.items())))
        share = total["caught"] / told if told else 1.0
        print(f"{share:.1%} of {told} faults that run are noticed; the goal is {GOAL:.0%}")
        if total["unsound"]:
            print("unsound: those tests fail without any fault, so they say nothing")
            return 2
        return 0 if share >= GOAL else 1


def is_excused(one: Mutant, line: Mapping[str, str]) -> bool:
    """Whether a line of ``equivalent.yaml`` means a mutant: by its whole lines, or by the one word that changed ``after`` a text."""
    if not fnmatch.fnmatch(one.path, line["path"]):
        return False
    if "before" in line:
        return (one.before, one.after) == (line["before"], line["after"])
    same = len(os.path.commonprefix([one.before, one.after]))
    start = same - len(re.search(r"\w*$", one.before[:same])[0])  # type: ignore[index]
    before, after = re.match(r"\w*", one.before[start:]), re.match(r"\w*", one.after[start:])
    assert before and after
    return (
        (before[0], after[0]) == (str(line["word"]), str(line["becomes"]))
        and one.before[start + before.end() :] == one.after[start + after.end() :]
        and re.search(f"(?:{line['behind']})$", one.before[:start]) is not None
    )


def judges_by_pattern() -> dict[str, Judges]:
    """``tests.yaml``: pattern -> tests; a module behind ``reading`` is asked first."""
    listed = yaml.safe_load((HERE / "tests.yaml").read_text())
    return {
        pattern: Judges(said.get("reading", ""), said.get("tests", []))
        if isinstance(said, dict)
        else Judges("", said)
        for pattern, said in listed.items()
    }


def judges_of(path: str, judges: dict[str, Judges]) -> Judges:
    """Tests of the first pattern that fits a file."""
    fitting = (one for pattern, one in judges.items() if fnmatch.fnmatch(path, pattern))
    return next(fitting, Judges("", []))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("paths", nargs="*", help="files or patterns; default: all that tests.yaml names")
    parser.add_argument("--sample", type=int, default=60, help="faults to plant; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="time after which no further fault is planted"
    )
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds a test run may take")
    parser.add_argument("--workers", type=int, default=2, help="copies that are tested side by side")
    return parser.parse_args()


def _files(patterns: list[str], judges: dict[str, Judges]) -> list[str]:
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py", "*.sql"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return [
        path
        for path in sorted(files)
        if judges_of(path, judges) != Judges("", [])
        and (
            not patterns
            or any(fnmatch.fnmatch(path, pattern) or path.startswith(f"{pattern}/") for pattern in patterns)
        )
    ]


def _sampled(files: list[str], options: argparse.Namespace) -> Iterator[Mutant]:
    """A sample in which every file has its turn before one has a second; no more is made than is taken."""
    chance = random.Random(options.seed)
    files = list(files)
    chance.shuffle(files)
    turns = {path: _shuffled(path, random.Random(f"{options.seed} {path}")) for path in files}
    left = options.sample or sys.maxsize
    while turns:
        for path in list(turns):
            found = next(turns[path], None)
            if found is None:
                del turns[path]
            else:
                yield found
                left -= 1
            if not left:
                return


def _shuffled(path: str, chance: random.Random) -> Iterator[Mutant]:
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".sql"):
        found = list(sql_mutants(path, text))
        chance.shuffle(found)
        yield from found
        return
    planters = python_planters(path, text)
    chance.shuffle(planters)
    yield from (one for plant in planters if (one := plant()))


if __name__ == "__main__":
    sys.exit(main())
