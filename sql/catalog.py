"""Finds the .sql files of this package and reads their headers.

A statement is named by its path below ``sql/`` without the ending (``queries/fleet/apps``). Its header is
a block of ``--`` lines naming purpose, parameters and columns; nothing is ever formatted into its text.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from models.errors import WarehouseError

STATEMENT_MARK = "-- statement"
_SHARED = re.compile(r"^ *-- shared: (\S+)$", re.MULTILINE)


def _root() -> Traversable:
    return resources.files("sql")


@cache
def statement(name: str) -> str:
    """Text of ``sql/<name>.sql``; a line ``-- shared: <name>`` stands for the text of that file, which may share others.

    Raises:
        WarehouseError: no such file.
    """
    return _SHARED.sub(lambda mark: statement(mark[1]), _text(name))


def _text(name: str) -> str:
    path = _root().joinpath(*f"{name}.sql".split("/"))
    if not path.is_file():
        raise WarehouseError(f"there is no statement named {name} under sql/")
    return path.read_text(encoding="utf-8").strip().rstrip(";")


def statements(folder: str) -> list[str]:
    """Names of all statements below ``sql/<folder>``, sorted."""
    found: list[str] = []

    def walk(node: Traversable, prefix: str) -> None:
        for child in node.iterdir():
            if child.is_dir():
                walk(child, f"{prefix}{child.name}/")
            elif child.name.endswith(".sql"):
                found.append(f"{prefix}{child.name[:-4]}")

    walk(_root().joinpath(folder), f"{folder}/")
    return sorted(found)


def split_statements(text: str) -> list[str]:
    """The statements of a migration file, cut at lines that read ``-- statement``."""
    parts = [[]]  # type: list[list[str]]
    for line in text.splitlines():
        if line.strip() == STATEMENT_MARK:
            parts.append([])
        else:
            parts[-1].append(line)
    cleaned = ("\n".join(part).strip().rstrip(";") for part in parts[1:])
    return [part for part in cleaned if part]
