"""``appfleet grants``: gives readers of a server their rights, or prints the statements that would.

Which rights there are lives in ``sql.grants``.
"""

from __future__ import annotations

import polars as pl

from models.errors import ConfigurationError, WarehouseError
from models.settings import ServerWarehouse, Settings
from sql.grants import Accounts, grants, writer_grants
from sql.opening import connected, credentials, open_warehouse
from sql.warehouse import Warehouse

NOT_READ = "-- views and teams cannot be read yet: once `appfleet migrate` and a pass ran, this prints their rights too"


def granted(settings: Settings, plan: bool) -> list[str]:
    """The statements of all grants of a workspace's server, run unless only planned.

    A plan is for whoever administers the server: it begins with what the writer itself needs, and is printed as far as it
    is known where that user may not read or write yet.

    Raises:
        ConfigurationError: the warehouse is the embedded one, or credentials are not in the environment.
        WarehouseError: the server cannot be reached, or its user may not give rights.
    """
    server = settings.warehouse
    if server is None:
        raise ConfigurationError(
            "the embedded warehouse has no accounts: name a server as `warehouse.url`, or let people read by the pages"
        )
    accounts = Accounts(
        server.database, credentials("reader")[0], credentials("writer")[0], server.cluster or ""
    )
    if plan:
        return [*writer_grants(accounts), *_as_far_as_known(settings, server, accounts)]
    with open_warehouse(settings.root) as warehouse:
        texts = grants(accounts, *_views_and_teams(warehouse))
        for text in texts:
            warehouse.execute_text(text)
    return texts


def _views_and_teams(warehouse: Warehouse) -> tuple[pl.DataFrame, list[str]]:
    views = warehouse.frame("queries/ledger/team_views")
    return views, warehouse.frame("queries/identities/teams")["team"].unique().sort().to_list()


def _as_far_as_known(settings: Settings, server: ServerWarehouse, accounts: Accounts) -> list[str]:
    with connected(settings.root, server, in_database=False, to_write=False):
        pass  # whatever else is wrong with it is said
    try:
        with connected(settings.root, server, to_write=False) as warehouse:
            return grants(accounts, *_views_and_teams(warehouse))
    except WarehouseError as error:
        if error.code is None:
            raise
        return [*grants(accounts, pl.DataFrame({"view": [], "has_teams": []}), ()), NOT_READ]
