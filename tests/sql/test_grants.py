"""Rights on a server: SQL the engine parses, each view with teams in it, names that cannot break out of their quotes."""

from __future__ import annotations

import re

import polars as pl
import pytest

from models.errors import ConfigurationError
from models.settings import Settings
from pipelines.commands.grants import granted
from sql.grants import Accounts, grants
from sql.warehouse import Warehouse

TEAMS = ("people", "Ops, unassigned", "o'neill", "a`b", "back\\slash", "<b>")
ACCOUNTS = Accounts("fleet", "pages", "loader")


@pytest.fixture
def views(fresh_warehouse: Warehouse) -> pl.DataFrame:
    """The views there are."""
    return fresh_warehouse.frame("queries/ledger/team_views")


def test_views_are_known_with_their_column_of_teams(fresh_warehouse: Warehouse, views: pl.DataFrame) -> None:
    columns = fresh_warehouse.frame_of(
        "SELECT table, name FROM system.columns WHERE database = currentDatabase()"
    ).rows()
    want = {table: int((table, "team") in columns) for table, _ in columns if table.endswith("_current")}
    assert dict(views.rows()) == want
    assert sum(want.values()) > 5 and 0 in want.values()


@pytest.mark.parametrize("cluster", ["", "main"])
def test_every_grant_is_sql_of_the_names_meant(
    fresh_warehouse: Warehouse, views: pl.DataFrame, cluster: str
) -> None:
    accounts = Accounts("fleet", "pa`ges", "lo'ader", cluster)
    texts = grants(accounts, views, TEAMS)
    assert len(texts) == len(set(texts))
    for text in texts:
        parsed = fresh_warehouse.frame_of("SELECT formatQueryOrNull({asked:String})", asked=text).item()
        assert parsed, text
        assert ("ON CLUSTER" in text) == bool(cluster)
        assert "{{" not in text and "--" not in text


def test_a_team_reads_its_rows_of_views_with_teams_and_nothing_else(views: pl.DataFrame) -> None:
    texts = grants(ACCOUNTS, views, ["people"])
    scoped = set(views.filter(pl.col("has_teams") == 1)["view"])
    of_team = [text for text in texts if "`fleet_team_people`" in text]
    read = {
        found[1] for text in of_team if (found := re.search(r"GRANT SELECT ON `fleet`\.`(\w+)` TO", text))
    }
    rows = {
        found[1]
        for text in of_team
        if (
            found := re.search(r"ROW POLICY .* ON `fleet`\.`(\w+)` FOR SELECT USING team = 'people' TO", text)
        )
    }
    assert read == rows == scoped
    assert not any("`fleet`.*" in text or "otel" in text for text in of_team)
    opened = {
        found[1]
        for text in texts
        if (found := re.search(r"`(\w+)` FOR SELECT USING 1 TO `loader`, `fleet_pages`", text))
    }
    definer = {
        found[1]
        for text in texts
        if (found := re.search(r"`(\w+)` MODIFY SQL SECURITY DEFINER DEFINER = `loader`", text))
    }
    assert opened == definer == scoped, "a view with a policy shows nobody else anything"


def test_the_embedded_warehouse_has_no_accounts(tmp_path: object) -> None:
    with pytest.raises(ConfigurationError, match="has no accounts"):
        granted(Settings(root=tmp_path, catalog=tmp_path, teams=tmp_path), plan=True)  # type: ignore[arg-type]
