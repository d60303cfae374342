"""Opens the warehouse a workspace has: the embedded one, by its owner process, or a ClickHouse server.

Credentials of a server come from the environment. How an owner is found or started is ``sql.local_warehouse.process``'s
business; what forms there are, ``sql.forms``'s.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from models.errors import ConfigurationError, MigrationError, StatementRefused, WarehouseError
from models.settings import FILE_NAME, ServerWarehouse
from sql import forms, loaders
from sql.forms import Form
from sql.leases import POSTGRES_VARIABLE, raise_fence
from sql.loaders import may_load
from sql.local_warehouse import process
from sql.local_warehouse.ownership import Place
from sql.local_warehouse.process import OwnedElsewhere, Role
from sql.migrate import Migration, Recorded, migrate, missing, recorded
from sql.publish import heads
from sql.state import state_folder
from sql.warehouse import Address, Warehouse
from sql.workspace import load_settings

READING = "reading"
"""Folder below ``.appfleet`` of the engine that reads files where a server stores their rows."""

LEAST_VERSION = (26, 9)
"""The oldest ClickHouse that is taken: the version of the engine every test runs on."""

MOST_APART = timedelta(minutes=5)
"""How far a server's clock may be from ours: what is published, and what is old, is told by both."""

_NO_DATABASE = 81
"""Code by which ClickHouse says that there is no such database."""

_NOTHING_THERE = (60, _NO_DATABASE)
"""Codes by which it says that there is no such table, or no such database."""

_LOADERS = "0009_fences"
"""The migration that made the table of who loads."""

_PORTS = {"http": 8123, "https": 8443}


@contextmanager
def open_warehouse(workspace: Path, role: Role = "writer", port: int = 0) -> Iterator[Warehouse]:
    """The warehouse of a workspace, open until the end of the block; ``port`` is where an embedded one is to listen.

    Raises:
        ConfigurationError: the settings are wrong, or the credentials of a server are not in the environment.
        WarehouseError: it cannot be reached, is too old, or has not the schema this version needs.
    """
    server = server_of(workspace)
    if server is None:
        with process.open_warehouse(workspace, role, port) as warehouse:
            yield warehouse
        return
    with ExitStack() as stack:
        try:
            warehouse = stack.enter_context(connected(workspace, server, role))
            applied = _recorded(warehouse)
        except WarehouseError as error:
            if error.code == _NO_DATABASE:
                raise _no_database(server) from error
            if error.code not in _NOTHING_THERE:
                raise
            applied = {}
        _refuse_missing(missing(applied), server)
        if role == "writer":
            may_load(warehouse, workspace, server.database)
        yield warehouse


@contextmanager
def opened_meanwhile(workspace: Path) -> Iterator[None]:
    """An embedded warehouse is open until the end of the block and starts beside the block's beginning; a server runs."""
    if server_of(workspace) is None:
        with process.opened_meanwhile(workspace):
            yield
    else:
        yield


def server_of(workspace: Path) -> ServerWarehouse | None:
    """The server the settings of a workspace name; None where its warehouse is the embedded one."""
    return load_settings(workspace).warehouse if (workspace / FILE_NAME).exists() else None


@contextmanager
def connected(
    workspace: Path,
    server: ServerWarehouse,
    role: Role = "writer",
    in_database: bool = True,
    to_write: bool = True,
) -> Iterator[Warehouse]:
    """A connection to a server, whatever schema it has; files are read by an engine beside us, started when needed.

    Without ``in_database`` names stand for those of no database of ours, which may not be there yet. Without ``to_write``
    a writer's user may be one that may only read: what it lacks is then only printed.

    Raises:
        ConfigurationError: the credentials are not in the environment.
        WarehouseError: it cannot be reached, or is too old.
    """
    user, password = credentials(role)
    address = address_of(server) if in_database else replace(address_of(server), database="")
    with ExitStack() as stack:
        try:
            warehouse = Warehouse.over_http(
                address, user, password, forms.server(server.database), _Engine(workspace, stack)
            )
            stack.callback(warehouse.close)
            warehouse.form = _form_of(warehouse, server, role == "writer" and to_write)
        except StatementRefused as error:
            raise WarehouseError(
                f"the {role}'s user of {server.url} has `readonly = 1`, under which a statement may set nothing, its time zone "
                "neither: give it the rights and the profile that `appfleet grants --plan` lists"
            ) from error
        except WarehouseError as error:
            if error.code is None and error.__cause__:  # the client's, not a sentence of ours
                raise WarehouseError(_why_unreached(server, error)) from error
            raise
        yield warehouse


def _why_unreached(server: ServerWarehouse, error: WarehouseError) -> str:
    """Why a server was not reached, as far as the network tells: by its certificate, by its name, or at all."""
    told, cause = "", error.__cause__
    while cause:
        told, cause = f"{told} {cause}", cause.__cause__ or cause.__context__
    if "CERTIFICATE_VERIFY_FAILED" in told or "certificate verify failed" in told:
        return (
            f"{server.url} shows a certificate that is not trusted: name the file of the authority that signed it as "
            "`warehouse.ca`"
        )
    if "SSL" in told or "TLS" in told:
        return (
            f"{server.url} does not speak TLS as asked: https and its port (8443 by default) belong together"
        )
    if "resolve" in told or "Name or service not known" in told:
        return f"{server.url} has a name that nobody knows here: correct `warehouse.url`"
    return f"{server.url} does not answer: see that the server runs and that this machine may reach it"


class _Engine:
    """The engine that reads files for a server's writer, once it is asked for, until a stack ends."""

    def __init__(self, workspace: Path, stack: ExitStack) -> None:
        self._workspace, self._stack = workspace, stack
        self._lock = threading.Lock()
        self._open: Warehouse | None = None

    def __call__(self) -> Warehouse:
        with self._lock:
            if self._open is None:
                folder = state_folder(self._workspace, READING)
                self._open = self._stack.enter_context(process.open_warehouse(folder))
            return self._open


def address_of(server: ServerWarehouse) -> Address:
    """Where a server's HTTP interface is."""
    parts = urlsplit(server.url)
    return Address(
        parts.hostname or "",
        parts.port or _PORTS[parts.scheme],
        parts.scheme == "https",
        Path(server.ca) if server.ca else None,
        server.database,
    )


def credentials(role: Role) -> tuple[str, str]:
    """User and password of a role, from the environment.

    Raises:
        ConfigurationError: one of them is not there; the sentence names the variable, never a value.
    """
    names = [f"APPFLEET_WAREHOUSE_{role.upper()}_{part}" for part in ("USER", "PASSWORD")]
    for name in names:
        if not os.environ.get(name):
            raise ConfigurationError(
                f"{name} is not set: the settings name a ClickHouse server, whose users and passwords come from the environment"
            )
    return os.environ[names[0]], os.environ[names[1]]


def _form_of(warehouse: Warehouse, server: ServerWarehouse, to_write: bool) -> Form:
    """The form a server has by what it says of itself.

    Raises:
        WarehouseError: it is too old, its clock is another one than ours, or its user may not write.
        ConfigurationError: it has no cluster of the name the settings give.
    """
    (said,) = warehouse.frame("queries/ledger/server_facts", cluster=server.cluster or "").iter_rows(
        named=True
    )
    if tuple(int(one) for one in said["version"].split(".")[:2]) < LEAST_VERSION:
        least = ".".join(map(str, LEAST_VERSION))
        raise WarehouseError(
            f"{server.url} is ClickHouse {said['version']}; appfleet needs {least} or newer: update the server"
        )
    apart = abs(said["clock"] - datetime.now(UTC))
    if apart > MOST_APART:
        raise WarehouseError(
            f"the clock of {server.url} and ours are {apart.total_seconds() / 60:.0f} minutes apart: set both by the same time "
            "server"
        )
    if to_write and said["may_only_read"]:
        raise WarehouseError(
            f"the writer's user of {server.url} may only read: give it the rights `appfleet grants --plan` lists, and no "
            "setting `readonly`"
        )
    if server.cluster is None:
        return forms.cloud(server.database) if said["is_cloud"] else forms.server(server.database)
    if said["is_cloud"]:
        raise ConfigurationError(
            f"{server.url} is ClickHouse Cloud, which has no clusters: remove `warehouse.cluster`"
        )
    if not said["shards"]:
        raise ConfigurationError(
            f"{server.url} knows no cluster {server.cluster!r}: correct `warehouse.cluster` (system.clusters lists them)"
        )
    return forms.cluster(server.database, server.cluster, said["shards"])


def _refuse_missing(wanted: Sequence[Migration], server: ServerWarehouse) -> None:
    if wanted:
        raise MigrationError(
            f"database {server.database} of {server.url} lacks {len(wanted)} migration(s) of this version, from {wanted[0].name} "
            "on: run `appfleet migrate`"
        )


def _no_database(server: ServerWarehouse) -> MigrationError:
    return MigrationError(
        f"{server.url} has no database {server.database}: correct `warehouse.database`, or run `appfleet migrate`, which makes it"
    )


def _recorded(warehouse: Warehouse) -> Mapping[str, Recorded]:
    """What a warehouse says about its migrations: nothing, where it has no table of them or no database."""
    try:
        return recorded(warehouse)
    except WarehouseError as error:
        if error.code not in _NOTHING_THERE:
            raise
        return {}


def schema_missing(workspace: Path, server: ServerWarehouse | None) -> tuple[list[Migration], Form]:
    """The migrations a workspace's warehouse lacks, and its form; nothing is changed.

    An embedded warehouse nobody owns has none where it was never opened; opening it would make it.

    Raises:
        WarehouseError: it cannot be reached, or has tables this version does not build upon.
    """
    if server is None:
        return missing(_recorded_embedded(workspace)), forms.EMBEDDED
    with connected(workspace, server, in_database=False, to_write=False) as warehouse:
        form = warehouse.form
    try:
        with connected(workspace, server, to_write=False) as warehouse:
            return missing(_recorded(warehouse)), form
    except WarehouseError as error:
        if error.code not in _NOTHING_THERE:
            raise
    return missing({}), form


def _recorded_embedded(workspace: Path) -> Mapping[str, Recorded]:
    data = Place(workspace).data
    if not data.is_dir() or not any(data.iterdir()):
        return {}
    try:
        with process.opened_alone(workspace, "--as-it-is") as warehouse:
            return _recorded(warehouse)
    except OwnedElsewhere:
        with process.open_warehouse(workspace) as warehouse:
            return _recorded(warehouse)


def schema_applied(workspace: Path, server: ServerWarehouse | None, join: bool = False) -> list[str]:
    """Applies what a workspace's warehouse lacks, and names it; the first folder that comes to a server loads it, and with
    ``join`` another one too.

    Raises:
        WarehouseError: as ``schema_missing``.
        ConfigurationError: another workspace loads the database.
    """
    if server is None:
        lacked, _ = schema_missing(workspace, None)
        with process.open_warehouse(workspace):  # its owner applies it
            return [one.name for one in lacked]
    with connected(workspace, server, in_database=False) as warehouse:
        warehouse.execute("statements/create_database", database=server.database)
    with connected(workspace, server) as warehouse:
        if _LOADERS in _recorded(warehouse) and not join:
            loaders.join(warehouse, workspace, server.database, wanted=False)
        applied = migrate(warehouse)
        loaders.join(warehouse, workspace, server.database, join)
        if os.environ.get(POSTGRES_VARIABLE):
            raise_fence(max((one.fence for one in heads(warehouse)), default=0))
        return applied


def refuse_unreachable(workspace: Path) -> None:
    """Asks a workspace's warehouse one thing, as a reader; an embedded one that nobody owns is not started for it.

    Raises:
        WarehouseError: it does not answer, or has not the schema this version needs.
        ConfigurationError: the settings are wrong, or the credentials of a server are not in the environment.
    """
    if server_of(workspace) is None:
        process.refuse_unowned(workspace)
    with open_warehouse(workspace, role="reader") as warehouse:
        warehouse.frame("queries/ledger/alive")
