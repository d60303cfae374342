"""A copy of the project in which tests are run again and again: each run is forked from a process that has imported the
libraries, so that it pays for our own modules alone. What is planted there, and what a run says, is not decided here.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

import pytest
from _pytest.runner import runtestprotocol

LIBRARIES = (
    "polars", "numpy", "dagster", "yaml", "zstandard", "clickhouse_connect", "hypothesis", "google.protobuf", "urllib3",
)  # fmt: skip
"""Imported before the fork; one that is not there is left to the tests."""

TOO_LONG = "it took too long"
"""Said instead of an output."""

_DOES_NOT_RUN = re.compile(
    r"\((SYNTAX_ERROR|UNKNOWN_IDENTIFIER|UNKNOWN_TABLE|NOT_AN_AGGREGATE|ILLEGAL_TYPE_OF_ARGUMENT|TYPE_MISMATCH|NO_COMMON_TYPE"
    r"|NUMBER_OF_ARGUMENTS_DOESNT_MATCH|BAD_ARGUMENTS|ILLEGAL_AGGREGATION|UNKNOWN_FUNCTION|ILLEGAL_COLUMN|AMBIGUOUS_IDENTIFIER)\)"
    r"|(SyntaxError|NameError|ColumnNotFoundError): "
    r"|^ImportError while loading conftest",
    re.MULTILINE,
)
_FAILED = re.compile(r"^(?:FAILED|ERROR) (tests/\S+?\.py(?:::.+?)?)(?: - .*)?$", re.MULTILINE)


class Bench:
    """A copy of the project, and the process that tests it; ``close`` ends it."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.copy = root, _copied(root, folder)
        self._sound: dict[str, bool] = {}
        self._killers: dict[str, list[str]] = {}
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, str(self.copy)), daemon=False)
        self._process.start()

    def close(self) -> None:
        """Ends the process."""
        self._pipe.send(None)
        self._process.join(10)

    def judged(self, path: str, text: str, tests: list[str], timeout: float) -> tuple[str, str, str]:
        """What tests say of a file with another text; the output; and which test failed.

        ``caught``, ``survived``, ``does not run``, ``timed out``, or ``unsound``: what failed fails without the fault too.

        Tests that caught faults of this file before run first.
        """
        place = self.copy / path
        original = place.read_text(encoding="utf-8")
        _write(place, text)
        killers = self._killers.setdefault(path, [])
        try:
            failed, output = self.run([*killers, *tests], timeout)
        finally:
            _write(place, original)
        if not failed:
            return "survived", output, ""
        if output == TOO_LONG:
            return "timed out", output, ""
        test = _failed_test(output)
        if not test and _DOES_NOT_RUN.search(output):
            return "does not run", output, test
        if test not in self._sound:
            self._sound[test] = bool(test) and not self.run([test], timeout)[0]
        if not self._sound[test]:
            return "unsound", output, test
        if _DOES_NOT_RUN.search(output):
            return "does not run", output, test
        if "::" in test:
            self._killers[path] = [test, *(one for one in killers if one != test)][:3]
        return "caught", output, test

    def read_again(self, planted: Sequence[tuple[str, str]], module: str, timeout: float) -> list[str]:
        """What one module of tests says of each path and text of a query or statement, its fixtures set up once for all of them.

        Only for queries and statements that no fixture uses. An answer is as of ``judged``; all of a path are unsound where it
        fails as it is.
        """
        originals = {path: (self.copy / path).read_text(encoding="utf-8") for path, _ in planted}
        with tempfile.NamedTemporaryFile("w+", suffix=".json") as told:
            json.dump(planted, told)
            told.flush()
            self.run([module, f"--planted={told.name}"], timeout)
            answers = json.loads(Path(told.name).read_text())
        for path, text in originals.items():
            (self.copy / path).write_text(text, encoding="utf-8")
        return [one if isinstance(one, str) else "unsound" for one in answers]

    def run(self, tests: list[str], timeout: float) -> tuple[bool, str]:
        """Whether tests fail on the copy as it is, and what they said."""
        self._pipe.send((tests, timeout))
        failed, output = self._pipe.recv()
        return bool(failed), str(output)


def _failed_test(output: str) -> str:
    found = _FAILED.search(output)
    return found[1] if found else ""


def _copied(root: Path, folder: Path) -> Path:
    copy = folder / root.name
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in files:
        if (root / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, copy / name)
    shared = root.parent / "shared"
    if shared.is_dir():
        (folder / "shared").symlink_to(shared)
    return copy


def _write(path: Path, text: str) -> None:
    """Writes a file as one of another second than before, so that no compiled form of it is taken for this one."""
    later = path.stat().st_mtime + 2
    path.write_text(text, encoding="utf-8")
    os.utime(path, (later, later))


def _serve(pipe: Connection, copy: str) -> None:
    """Forks a test run for every request until None comes."""
    os.chdir(copy)
    os.environ["PYTHONPATH"] = copy
    ours = str(Path(__file__).resolve().parents[2])
    sys.path[:] = [copy, *(one for one in sys.path if one not in ("", ours, copy))]
    for name in [name for name in sys.modules if name == "tests" or name.startswith("tests.")]:
        del sys.modules[name]
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    while (asked := pipe.recv()) is not None:
        pipe.send(_forked(*asked))


def _forked(tests: list[str], timeout: float) -> tuple[bool, str]:
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if not child:
            _test(tests, said.fileno())
        deadline = time.monotonic() + timeout
        while True:
            ended, code = os.waitpid(child, os.WNOHANG)
            if ended or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, 9)
        if not ended:
            os.waitpid(child, 0)
            return True, TOO_LONG
        said.seek(0)
        return code != 0, said.read().decode(errors="replace")


def _test(tests: list[str], said: int) -> NoReturn:
    """Runs tests in a child of its own session."""
    code = 1
    try:
        os.setsid()
        os.dup2(said, 1)
        os.dup2(said, 2)
        planted = [one.partition("=")[2] for one in tests if one.startswith("--planted=")]
        named = [one for one in tests if not one.startswith("--planted=")]
        plugins = [_Planting(Path(one)) for one in planted]
        code = int(pytest.main(["-q", "-x", "--tb=short", "-rfE", "-p", "no:randomly", *named], plugins))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


class _Planting:
    """Runs the tests of a module for one text of a query or statement after the other; the answers replace the texts in the file."""

    def __init__(self, told: Path) -> None:
        self._told = told

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of the loop over all tests once."""
        asked: list[tuple[str, str]] = json.loads(self._told.read_text())
        texts: dict[str, list[str]] = {}
        for path, text in asked:
            texts.setdefault(path, []).append(text)
        # A test may write what those before it read, so they run as they stand in their module; last those without a name.
        paths = sorted(texts, key=lambda path: self._place(Path(path), session))
        answers = {path: iter(self._answers(Path(path), texts[path], session)) for path in paths}
        self._told.write_text(json.dumps([next(answers[path]) for path, _ in asked]))
        session._setupstate.teardown_exact(None)
        return True

    def _answers(self, path: Path, texts: list[str], session: pytest.Session) -> list[str]:
        items = self._own(path, session) or [one for one in session.items if "[" not in one.nodeid]
        original = path.read_text(encoding="utf-8")
        said = [self._said(items) if items else ""]
        for text in texts if said == ["survived"] else ():
            path.write_text(text, encoding="utf-8")
            said.append(self._said(items))
        path.write_text(original, encoding="utf-8")
        # what a fault left behind may fail the next: then none of them says anything
        is_sound = len(said) > 1 and self._said(items) == "survived"
        return said[1:] if is_sound else ["unsound"] * len(texts)

    def _place(self, path: Path, session: pytest.Session) -> int:
        """Where the first test of a query or statement stands; behind all where none bears its name."""
        own = self._own(path, session)
        return session.items.index(own[0]) if own else len(session.items)

    def _own(self, path: Path, session: pytest.Session) -> list[pytest.Item]:
        """Tests that bear the name of a query or statement."""
        name = path.relative_to("sql").with_suffix("").as_posix().partition("/")[2]
        return [one for one in session.items if one.nodeid.endswith(f"[{name}]")]

    def _said(self, items: list[pytest.Item]) -> str:
        sys.modules["sql.catalog"].statement.cache_clear()
        for item in items:
            # An item that follows itself would not be set up again: another one of its module comes next.
            following = next(one for one in item.session.items if one is not item)
            for report in runtestprotocol(item, log=False, nextitem=following):
                if report.failed:
                    return "does not run" if _DOES_NOT_RUN.search(str(report.longrepr)) else "caught"
        return "survived"
