"""Applies the numbered migrations under ``sql/migrations`` with a checksum and an in-progress state.

A file is idempotent and never edited once released: an edited one is refused by its checksum. What differs from
one kind of warehouse to the next stands in the files as ``{{word}}`` and is filled from a table here; values are
bound, never filled. Nothing here knows what a table means.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from models.errors import MigrationError
from sql.catalog import split_statements, statement, statements
from sql.warehouse import Warehouse

SINGLE_NODE: Mapping[str, str] = {
    "merge_tree": "MergeTree",
    "replacing_merge_tree": "ReplacingMergeTree",
    "otel": "otel",
}
"""Words of a warehouse on one node: the engines of its tables and the database of telemetry."""

_WORD = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


@dataclass(frozen=True)
class Migration:
    """One numbered file as it is written; its checksum does not depend on what its words are filled with."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        """sha256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations() -> list[Migration]:
    """All migrations in the order of their numbers."""
    return [Migration(name.split("/")[1], statement(name)) for name in statements("migrations")]


def filled(text: str, words: Mapping[str, str]) -> str:
    """``text`` with every ``{{word}}`` replaced by what stands for it in this kind of warehouse.

    Raises:
        MigrationError: a word that the table does not have.
    """

    def value(match: re.Match[str]) -> str:
        word = match.group(1)
        if word not in words:
            raise MigrationError(
                f"a migration says {{{{{word}}}}}, which is none of {', '.join(sorted(words))}: "
                "name it in the words of sql/migrate.py"
            )
        return words[word]

    return _WORD.sub(value, text)


def migrate(warehouse: Warehouse, words: Mapping[str, str] = SINGLE_NODE) -> list[str]:
    """Applies what is missing and returns the names applied; one left in progress is applied again.

    Raises:
        MigrationError: an applied file was edited, or the warehouse is newer than this code.
    """
    warehouse.execute_text(filled(statement("statements/create_schema_migrations"), words))
    recorded = {
        row["name"]: row for row in warehouse.frame("queries/ledger/migrations").iter_rows(named=True)
    }
    known = {one.name for one in migrations()}
    newer = sorted(set(recorded) - known)
    if newer:
        raise MigrationError(
            f"the warehouse has migration {newer[0]}, which this version does not know: update appfleet"
        )
    applied = []
    for one in migrations():
        row = recorded.get(one.name)
        if row and row["state"] == "completed":
            if row["checksum"] != one.checksum:
                raise MigrationError(
                    f"migration {one.name} was edited after it was applied: restore the file"
                )
            continue
        _record(warehouse, one, "in_progress")
        for text in split_statements(one.text):
            warehouse.execute_text(filled(text, words))
        _record(warehouse, one, "completed")
        applied.append(one.name)
    return applied


def _record(warehouse: Warehouse, migration: Migration, state: str) -> None:
    warehouse.execute(
        "statements/record_migration", name=migration.name, checksum=migration.checksum, state=state
    )
