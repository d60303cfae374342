"""Applies the numbered migrations under ``sql/migrations`` with a checksum and an in-progress state.

A file is idempotent and never edited once released: an edited one is refused by its checksum. What differs from
one kind of warehouse to the next stands in the files as ``{{word}}``, which the form of the warehouse fills. Nothing here
knows what a table means.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.errors import MigrationError
from sql.catalog import split_statements, statement, statements
from sql.forms import Form

if TYPE_CHECKING:  # whoever only asks whether something is missing needs no client
    from sql.warehouse import Warehouse

TABLE_OF_MIGRATIONS = "statements/create_schema_migrations"

FIRST_VERSION: Mapping[str, str] = {
    "0001_ledger": "87016534f59d0b4cf1de6959fe836db176ce392490dc4b98a42ab5afeffef6ad",
    "0002_raw_focus_costs": "a268c2168143d411660f5eb34fa77beabe42ec27236b21466e1f2cce3d104eeb",
    "0003_otel": "38774fbf713d3b39990b6532f97adebf2cf7be1b51efae642e0890c49a735777",
    "0004_core_and_marts": "d8019c73ca44659ee29f59440b99055df2e0c125d536bec0eea83417e3eaf0b2",
    "0005_raw_focus_costs_current": "17994b663b5e540ea5fe13b4e25c16a9b2ae8e1bc0311a20e62a0835e9a57b12",
    "0006_cost_days_index": "d92a323f172a261a52582fd62bf51186ae972b4759bf48b02bb3b71fcc13043a",
}
"""Checksums of the migrations of version 0.1, whose tables later versions do not build upon."""


@dataclass(frozen=True)
class Migration:
    """One numbered file as it is written; its checksum does not depend on what its words are filled with."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        """sha256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statements(self, form: Form) -> list[str]:
        """Its statements as a kind of warehouse is asked them."""
        own = (text for text in split_statements(self.text) if form.creates(text))
        return [text for one in own for text in form.texts(one)]


def migrations() -> list[Migration]:
    """All migrations in the order of their numbers."""
    return [Migration(name.split("/")[1], statement(name)) for name in statements("migrations")]


@dataclass(frozen=True)
class Recorded:
    """What a warehouse says about a migration: the checksum it was applied with, and ``in_progress`` or ``completed``."""

    checksum: str
    state: str


RECORDED = "queries/ledger/migrations"
"""The statement whose rows ``is_complete`` judges."""


def is_complete(applied: Mapping[str, Recorded]) -> bool:
    """Whether exactly the migrations of this version were applied, each to its end: ``migrate`` would do nothing."""
    return applied == {one.name: Recorded(one.checksum, "completed") for one in migrations()}


def recorded(warehouse: Warehouse) -> dict[str, Recorded]:
    """Name -> last state of every migration a warehouse has seen."""
    frame = warehouse.frame(RECORDED)
    return {row["name"]: Recorded(row["checksum"], row["state"]) for row in frame.iter_rows(named=True)}


def is_first_version(applied: Mapping[str, Recorded]) -> bool:
    """Whether a file of version 0.1 was applied that is another one now."""
    now = {one.name: one.checksum for one in migrations()}
    return any(
        name in applied and applied[name].checksum == checksum != now.get(name)
        for name, checksum in FIRST_VERSION.items()
    )


def migrate(warehouse: Warehouse) -> list[str]:
    """Applies what is missing and returns the names applied; one left in progress is applied again.

    Raises:
        MigrationError: an applied file was edited, or the warehouse is of version 0.1 or newer than this code.
    """
    warehouse.execute(TABLE_OF_MIGRATIONS)
    wanted = missing(recorded(warehouse))
    for one in wanted:
        _record(warehouse, one, "in_progress")
        for text in one.statements(warehouse.form):
            warehouse.execute_text(text)
        _record(warehouse, one, "completed")
    if wanted:  # which may have made a view anew
        _comment_views(warehouse)
    return [one.name for one in wanted]


def missing(applied_before: Mapping[str, Recorded]) -> list[Migration]:
    """The migrations that are still to be applied to a warehouse that has seen these, in their order.

    Raises:
        MigrationError: as ``migrate``.
    """
    if is_first_version(applied_before):
        raise MigrationError(
            "this warehouse was made by appfleet 0.1, whose tables this version does not read: run `appfleet renew`, which "
            "keeps it aside, carries its live telemetry into a new one and leaves bills and files to the next `appfleet run`"
        )
    known = {one.name for one in migrations()}
    newer = sorted(set(applied_before) - known)
    if newer:
        raise MigrationError(
            f"the warehouse has migration {newer[0]}, which this version does not know: update appfleet"
        )
    wanted = []
    for one in migrations():
        before = applied_before.get(one.name)
        if before is None or before.state != "completed":
            wanted.append(one)
        elif before.checksum != one.checksum:
            raise MigrationError(f"migration {one.name} was edited after it was applied: restore the file")
    return wanted


def _comment_views(warehouse: Warehouse) -> None:
    """Gives each column of a view the comment of the column it shows, as far as it has none of its own."""
    comments = warehouse.frame(
        "queries/ledger/view_comments", telemetry_database=warehouse.form.telemetry_database
    )
    for text in comments["statement"]:
        warehouse.execute_text(text)


def _record(warehouse: Warehouse, migration: Migration, state: str) -> None:
    warehouse.execute(
        "statements/record_migration", name=migration.name, checksum=migration.checksum, state=state
    )
