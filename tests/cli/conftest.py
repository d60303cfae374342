"""The command as a user has it: a process of its own, its exit code, and what it said."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sql.opening import open_warehouse
from tests.conftest import python_path
from tests.preloaded import run_command

COMMAND = (sys.executable, "-m", "pipelines.commands.cli")
SECONDS = 200.0
EXACT_JSON = {"output_format_json_array_of_rows": 1, "output_format_json_quote_decimals": 1}


@dataclass(frozen=True)
class Answer:
    """What a command left: exit code and its two streams."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything it said."""
        return self.out + self.err


def environment(**more: str) -> dict[str, str]:
    """Ours without what would reach a real cloud, with the project importable."""
    own = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("APPFLEET_WAREHOUSE_") or not name.startswith(("AWS_", "APPFLEET_"))
    }
    return {**own, "PYTHONPATH": python_path(), **more}


def appfleet(
    workspace: Path | None, *arguments: str, code: int | None = 0, anew: bool = False, **variables: str
) -> Answer:
    """Runs ``appfleet``; fails unless it ends with ``code`` and without a traceback.

    ``anew`` starts Python for it, which imports only what this command does, under a hash seed of its own.
    """
    named = ["-w", str(workspace)] if workspace else []
    words, env = [*arguments, *named], environment(**variables)
    if anew:
        done = subprocess.run(
            [*COMMAND, *words], env=env, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        answer = Answer(done.returncode, done.stdout, done.stderr)
    else:
        answer = Answer(*run_command(words, env, SECONDS))
    assert "Traceback" not in answer.said, answer.said
    assert code is None or answer.code == code, f"{answer.code}: {answer.said}"
    return answer


def rows(workspace: Path, statement: str) -> list[dict[str, Any]]:
    """What a reader of the warehouse is answered, without a process of its own; decimals are text, exact."""
    with open_warehouse(workspace, role="reader") as warehouse:
        return json.loads(warehouse.text(statement, "JSONEachRow", EXACT_JSON))


def make_workspace(folder: Path, **settings: Any) -> Path:
    """A workspace whose ``appfleet.yaml`` holds ``settings``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "appfleet.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    return folder


def csv_text(header: list[str], lines: list[dict[str, str]]) -> str:
    """A CSV file of these rows."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


@contextmanager
def owned(workspace: Path) -> Iterator[Path]:
    """Keeps one owner of the warehouse running, so that each command need not start its own."""
    with open_warehouse(workspace, role="reader"):
        yield workspace
