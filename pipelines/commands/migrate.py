"""``appfleet migrate``: brings the tables of a workspace's warehouse to this version, or prints what is missing.

The embedded warehouse's owner does the same whenever it starts. What a migration is lives in ``sql.migrate``.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.settings import Settings
from sql.migrate import Migration
from sql.opening import schema_applied, schema_missing


def migrated(settings: Settings, join: bool = False) -> Sequence[str]:
    """Names of the migrations that were applied now; with ``join`` this folder loads a server's database from now on.

    Raises:
        WarehouseError: the warehouse cannot be reached, or has tables this version does not build upon.
        ConfigurationError: another workspace loads the database.
    """
    return schema_applied(settings.root, settings.warehouse, join)


def planned(settings: Settings) -> str:
    """The statements that are missing, as a script; empty where nothing is.

    Raises:
        WarehouseError: as ``migrated``.
    """
    missing, form = schema_missing(settings.root, settings.warehouse)
    return "\n\n".join(_script(one, one.statements(form)) for one in missing)


def _script(migration: Migration, texts: Sequence[str]) -> str:
    return "\n\n".join((f"-- {migration.name}", *(f"{text};" for text in texts)))
