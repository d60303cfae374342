"""Applies the numbered migrations under ``sql/migrations`` with a checksum and an in-progress state.

A file is idempotent and never edited once released: an edited one is refused by its checksum. Nothing here
knows what a table means.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from models.errors import MigrationError
from sql.catalog import split_statements, statement, statements
from sql.warehouse import Warehouse


@dataclass(frozen=True)
class Migration:
    """One numbered file."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        """sha256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations() -> list[Migration]:
    """All migrations in the order of their numbers."""
    return [Migration(name.split("/")[1], statement(name)) for name in statements("migrations")]


def migrate(warehouse: Warehouse) -> list[str]:
    """Applies what is missing and returns the names applied; one left in progress is applied again.

    Raises:
        MigrationError: an applied file was edited, or the warehouse is newer than this code.
    """
    warehouse.execute("statements/create_schema_migrations")
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
            warehouse.execute_text(text)
        _record(warehouse, one, "completed")
        applied.append(one.name)
    return applied


def _record(warehouse: Warehouse, migration: Migration, state: str) -> None:
    warehouse.execute(
        "statements/record_migration", name=migration.name, checksum=migration.checksum, state=state
    )
