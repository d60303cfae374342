"""What every computed answer was made by: policies, columns, SQL and code. Its digest is part of each fingerprint, so that
whatever changes one of them is computed again by itself.

Code counts as it is written, comments too: telling them apart takes longer than everything else of a pass that finds
nothing new. What was computed from belongs to the caller's own parts of a fingerprint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from models.policy import policy_sha256
from models.schemas import SCHEMAS
from sql.catalog import statement, statements

DECIDING_CODE = ("models", "pipelines.compute")
"""Packages whose code decides answers."""

SERVING = frozenset(
    {
        "app",
        "collection",
        "coverage",
        "damage",
        "dashboards",
        "doctor",
        "explain",
        "finance",
        "fleet",
        "ledger",
        "oncall",
        "summary",
        "team",
        "worth_shown",
    }
)
"""Folders of queries that only show what was computed."""


@cache
def rules_sha256() -> str:
    """Digest of policy files, columns of computed tables, SQL that computes and code that decides."""
    digest = hashlib.sha256()
    for name, text in (*_policies(), *_layouts(), *_sql(), *_code()):
        digest.update(f"{name}\0{text}\0".encode())
    return digest.hexdigest()


def _policies() -> Iterator[tuple[str, str]]:
    yield "policies", policy_sha256()


def _layouts() -> Iterator[tuple[str, str]]:
    for table, schema in SCHEMAS.items():
        yield table, repr(list(schema.items()))


def _sql() -> Iterator[tuple[str, str]]:
    for folder in ("migrations", "statements", "queries"):
        for name in statements(folder):
            if not (folder == "queries" and name.split("/")[1] in SERVING):
                yield name, statement(name)


def _code() -> Iterator[tuple[str, str]]:
    for package in DECIDING_CODE:
        yield from _modules(resources.files(package), package)


def _modules(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for child in sorted(folder.iterdir(), key=lambda one: one.name):
        if child.is_dir():
            yield from _modules(child, f"{prefix}.{child.name}")
        elif child.name.endswith(".py"):
            yield f"{prefix}.{child.name}", child.read_text(encoding="utf-8")
