"""``appfleet grants``: gives readers of a server their rights, or prints the statements that would.

Which rights there are lives in ``sql.grants``.
"""

from __future__ import annotations

from models.errors import ConfigurationError
from models.settings import Settings
from sql.grants import Accounts, grants
from sql.opening import credentials, open_warehouse


def granted(settings: Settings, plan: bool) -> list[str]:
    """The statements of all grants of a workspace's server, run unless only planned.

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
    with open_warehouse(settings.root) as warehouse:
        views = warehouse.frame("queries/ledger/team_views")
        teams = warehouse.frame("queries/identities/teams")["team"].unique().sort().to_list()
        texts = grants(accounts, views, teams)
        if not plan:
            for text in texts:
                warehouse.execute_text(text)
    return texts
