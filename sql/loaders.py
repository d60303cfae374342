"""Who may load a warehouse that is a server: folders that joined it, and without shared leases the newest of them alone.

A folder is known by an id in its ``.appfleet``: two workspaces that name one database would otherwise publish over each
other in silence.
"""

from __future__ import annotations

import os
import secrets
import socket
import uuid
from pathlib import Path

from models.errors import ConfigurationError
from sql.leases import POSTGRES_VARIABLE
from sql.state import state_folder
from sql.warehouse import Warehouse

_FILE = "loader"


def may_load(warehouse: Warehouse, workspace: Path, database: str) -> None:
    """Returns when the folder of a workspace may load a server's database.

    Raises:
        ConfigurationError: it never joined, or another joined after it and there are no shared leases.
    """
    joined = warehouse.frame("queries/ledger/loaders").rows(named=True)
    own = str(loader_id(workspace))
    if own not in {row["loader"] for row in joined}:
        raise ConfigurationError(
            f"database {database} is not this workspace's: {_last(joined)} loads it. Choose another database, or run "
            "`appfleet migrate --join` where this folder is of the same workspace"
        )
    if joined[0]["loader"] != own and not os.environ.get(POSTGRES_VARIABLE):
        raise ConfigurationError(
            f"database {database} is loaded by {_last(joined)} now, and two may not load it without shared leases: set "
            f"{POSTGRES_VARIABLE} on both, or run `appfleet migrate --join` to take over here"
        )


def join(warehouse: Warehouse, workspace: Path, database: str, wanted: bool) -> None:
    """Lets the folder of a workspace load a database: the first that comes, and every one that is ``wanted`` to.

    Raises:
        ConfigurationError: another loads it already.
    """
    joined = warehouse.frame("queries/ledger/loaders").rows(named=True)
    own = loader_id(workspace)
    if joined and not wanted:
        may_load(warehouse, workspace, database)
        return
    warehouse.execute("statements/join_loader", loader=own, host=socket.gethostname())


def loader_id(workspace: Path) -> uuid.UUID:
    """The id of a workspace folder as one that loads; made when it is first asked for."""
    path = state_folder(workspace) / _FILE
    try:
        return uuid.UUID(path.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        draft = path.with_name(f".{_FILE}.{secrets.token_hex(4)}")
        draft.write_text(str(uuid.uuid4()), encoding="ascii")
        try:
            os.link(draft, path)  # the first of two that come at once wins
        except FileExistsError:
            pass
        draft.unlink()
        return uuid.UUID(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: the id of this folder cannot be read ({error})") from None


def _last(joined: list[dict[str, object]]) -> str:
    return f"a folder on {joined[0]['host']}" if joined else "nobody"
