"""The attribution rules on identities small enough to be right by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pyarrow as pa
import pytest

from models.errors import ModelError
from models.identity import Evidence, TagKeys, attribute
from models.resource_evidence import NAMED
from models.tag_rules import TagRules, VirtualRule, VirtualTag

CONFIDENCE = {
    "app_tag": 1.0,
    "virtual_tag": 0.8,
    "resource_id_registry": 0.95,
    "pattern": 0.7,
    "unallocated": 0.0,
}
KEYS = TagKeys(app=["application", "Project"], team=["team"], environment=["environment", "env"])
BEGINS, ENDS = datetime(1970, 1, 1, tzinfo=UTC), datetime(2149, 6, 6, tzinfo=UTC)
ALWAYS = (
    pl.lit(BEGINS).cast(pl.Datetime("ns", "UTC")).alias("holds_from"),
    pl.lit(ENDS).cast(pl.Datetime("ns", "UTC")).alias("holds_to"),
)
MAP = pa.map_(pa.string(), pa.string())


def identities(
    *rows: tuple[int, dict[str, str], str | None, str | None, str | None, str | None, str | None],
) -> pl.DataFrame:
    names = [
        "x_IdentityHash",
        "tags",
        "resource_id",
        "resource_name",
        "sub_account_id",
        "billing_account_id",
        "resource_group",
    ]
    columns = list(zip(*rows, strict=True))
    arrays = [pa.array(columns[0], pa.uint64()), pa.array([list(tags.items()) for tags in columns[1]], MAP)]
    arrays += [pa.array(column, pa.string()) for column in columns[2:]]
    frame = pl.from_arrow(pa.table(arrays, names=names))
    assert isinstance(frame, pl.DataFrame)
    return frame


def apps(*rows: tuple[str, str, list[str], dict[str, str]]) -> pl.DataFrame:
    table = pa.table(
        {
            "app_id": pa.array([row[0] for row in rows], pa.string()),
            "team": pa.array([row[1] for row in rows], pa.string()),
            "resource_ids": pa.array([row[2] for row in rows], pa.list_(pa.string())),
            "patterns": pa.array([list(row[3].items()) for row in rows], MAP),
        }
    )
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame.with_columns(ALWAYS)


def evidence(
    registry: pl.DataFrame, resources: Sequence[tuple[str, str]] = (), teams: dict[str, str] | None = None
) -> Evidence:
    teams = teams or {}
    return Evidence(
        tags=KEYS,
        apps=registry,
        teams=pl.DataFrame(
            {"team": list(teams), "cost_center": list(teams.values())},
            schema={"team": pl.String, "cost_center": pl.String},
        ).with_columns(ALWAYS),
        resources=pl.DataFrame(
            [(app, "cloud.resource_id", resource, 1, BEGINS, BEGINS) for app, resource in resources],
            schema=NAMED,
            orient="row",
        ),
    )


def answer(frame: pl.DataFrame, hash_: int) -> dict[str, object]:
    return frame.row(by_predicate=pl.col("x_IdentityHash") == hash_, named=True)


def test_the_first_rule_that_applies_wins() -> None:
    rows = identities(
        (1, {"application": " Shop ", "team": "x"}, "res-1", None, None, None, None),
        (2, {"Application": "", "project": "Pay"}, "res-1", None, None, None, None),
        (3, {}, "RES-1", None, None, None, None),
        (4, {}, "res-2", None, None, None, None),
        (5, {}, "res-3", "billing-api-7", None, None, None),
        (6, {}, None, None, None, "acct-9", "rg-blue"),
        (7, {"owner": "nobody"}, None, None, None, "acct-9", None),
        (8, {}, None, None, None, None, None),
    )
    registry = apps(
        ("shop", "alpha", ["res-1"], {"account": "acct-9"}),
        ("billing", "beta", [], {"name": "billing-*", "resource_group": "rg-blue"}),
        ("log", "unassigned", [], {}),
    )
    seen = [("log", "res-2"), ("shop", "res-3"), ("log", "res-3"), ("log", "res-1")]
    result = attribute(
        rows, evidence(registry, seen, {"alpha": "0012", "beta": "0034", "x": "0"}), CONFIDENCE
    )
    got = [
        (r["app_id"], r["attribution_rule"], r["confidence"], r["team"], r["cost_center"])
        for r in result.iter_rows(named=True)
    ]
    assert got == [
        ("shop", "app_tag", 1.0, "alpha", "0012"),  # the registry's team, not the tag's
        ("pay", "app_tag", 1.0, "unassigned", ""),  # an empty tag names nobody
        ("shop", "resource_id", 0.95, "alpha", "0012"),  # the registry before telemetry
        ("log", "resource_id", 0.9, "unassigned", ""),
        ("billing", "pattern", 0.7, "beta", "0034"),  # two apps name res-3: it decides nothing
        ("billing", "pattern", 0.7, "beta", "0034"),  # a resource group is narrower than an account
        ("shop", "pattern", 0.7, "alpha", "0012"),
        ("unallocated", "unallocated", 0.0, "unassigned", ""),
    ]
    assert result["valid_from"].unique().to_list() == [date(1970, 1, 1)]


def test_telemetry_that_is_too_old_names_nothing_from_then_on() -> None:
    """Day 0 is the last day that log names both; 92 days later it does not, and what follows is by pattern or nobody's."""
    day = timedelta(days=1)
    rows = identities(
        (1, {"team": "red"}, "res-1", None, None, None, None),
        (2, {}, "res-2", "shop-1", None, None, None),
        (3, {}, "res-3", None, None, None, None),
        (4, {}, "res-1", None, None, None, "only before"),
        (5, {}, "res-1", None, None, None, "only after"),
        (6, {}, "res-5", None, None, None, None),
    )
    last = datetime(2026, 3, 1, 12, tzinfo=UTC)
    first_charges = [last - 30 * day] * 4 + [last + 92.5 * day, last + 200 * day]
    last_charges = [
        last + 92.5 * day,
        last + 300 * day,
        last + 91 * day,
        last,
        last + 93 * day,
        last + 300 * day,
    ]
    moments = pl.Datetime("ns", "UTC")
    rows = rows.with_columns(
        pl.Series("first_charge", first_charges, moments), pl.Series("last_charge", last_charges, moments)
    )
    registry = apps(("shop", "alpha", [], {"name": "shop-*"}), ("log", "beta", [], {}))
    given = evidence(registry, (), {"alpha": "1", "beta": "2", "red": "3"})
    seen = [
        *(("log", "cloud.resource_id", f"res-{number}", 1, last - day, last) for number in (1, 2, 3, 5)),
        ("new", "cloud.resource_id", "res-5", 1, last + 190 * day, last + 210 * day),
    ]
    given = replace(given, resources=pl.DataFrame(seen, schema=NAMED, orient="row"), days=92)
    told = attribute(rows, given, CONFIDENCE).select(
        "x_IdentityHash", "holds_from", "app_id", "team", "cost_center"
    )
    ends = datetime(2026, 3, 2, tzinfo=UTC) + 92 * day
    assert told.rows() == [
        (1, BEGINS, "log", "beta", "2"),
        (1, ends, "unallocated", "red", "3"),  # the team of the tag, as for everything nobody's
        (2, BEGINS, "log", "beta", "2"),
        (2, ends, "shop", "alpha", "1"),
        (3, BEGINS, "log", "beta", "2"),  # no charge so late
        (4, BEGINS, "log", "beta", "2"),
        (5, BEGINS, "unallocated", "unassigned", ""),
        (6, BEGINS, "new", "unassigned", ""),  # log had the name long before and disputes nothing
    ]
    for_ever = attribute(rows, replace(given, days=None), CONFIDENCE)
    assert for_ever["app_id"].to_list() == ["log"] * 5 + ["unallocated"]


def test_keys_are_tried_in_the_configured_order_and_the_exact_spelling_wins() -> None:
    rows = identities(
        (1, {"Project": "second", "application": "first"}, None, None, None, None, None),
        (2, {" APPLICATION": "loose", "application": "exact"}, None, None, None, None, None),
    )
    result = attribute(rows, evidence(apps()), CONFIDENCE)
    assert result["app_id"].to_list() == ["first", "exact"]


def test_an_unallocated_row_still_has_the_team_of_its_tag() -> None:
    rows = identities(
        (1, {"team": "Alpha", "env": "Prod"}, None, None, None, None, None),
        (2, {"team": "typo"}, None, None, None, None, None),
    )
    result = attribute(rows, evidence(apps(), teams={"alpha": "0012"}), CONFIDENCE)
    first, second = answer(result, 1), answer(result, 2)
    assert (first["app_id"], first["team"], first["cost_center"], first["environment"]) == (
        "unallocated",
        "alpha",
        "0012",
        "prod",
    )
    assert second["team"] == "unassigned"
    without_teams = attribute(rows, evidence(apps()), CONFIDENCE)
    assert answer(without_teams, 2)["team"] == "typo"


def test_a_pattern_two_apps_share_decides_nothing() -> None:
    rows = identities((1, {}, None, None, None, "acct", None))
    registry = apps(("a", "t", [], {"account": "acct"}), ("b", "t", [], {"account": "ACCT "}))
    assert attribute(rows, evidence(registry), CONFIDENCE)["app_id"].to_list() == ["unallocated"]


def test_a_hash_of_two_identities_is_refused() -> None:
    rows = identities((1, {}, "a", None, None, None, None), (1, {}, "b", None, None, None, None))
    with pytest.raises(ModelError, match="share one hash"):
        attribute(rows, evidence(apps()), CONFIDENCE)


def test_a_rule_comes_before_the_next_whatever_else_would_answer() -> None:
    """Each identity could be answered by every later rule with another app."""
    rows = identities(
        (1, {"application": "tagged"}, "res-listed", "n-1", "s-1", "acct-1", "rg-1"),
        (2, {}, "res-listed", "n-1", "s-1", "acct-1", "rg-1"),
        (3, {}, "res-seen", "n-1", "s-1", "acct-1", "rg-1"),
        (4, {}, "res-unknown", "n-1", "s-1", "acct-1", "rg-1"),
        (5, {}, "res-unknown", None, "s-1", "acct-1", "rg-1"),
        (6, {}, "res-unknown", None, "s-1", "acct-1", None),
        (7, {}, "res-unknown", None, None, "acct-1", None),
        (8, {}, "res-unknown", "other", "other", "other", "other"),
    )
    registry = apps(
        ("listed", "t", ["res-listed"], {}),
        ("named", "t", [], {"name": "n-*"}),
        ("grouped", "t", [], {"resource_group": "rg-*"}),
        ("projected", "t", [], {"project": "s-*"}),
        ("accounted", "t", [], {"account": "acct-*"}),
    )
    seen = [("seen", "res-seen"), ("another", "res-listed")]
    result = attribute(rows, evidence(registry, seen), CONFIDENCE)
    assert list(result.select("app_id", "attribution_rule", "evidence").iter_rows()) == [
        ("tagged", "app_tag", "tag application"),
        ("listed", "resource_id", "resource res-listed"),
        ("seen", "resource_id", "cloud.resource_id res-seen"),
        ("named", "pattern", "name n-*"),
        ("grouped", "pattern", "resource_group rg-*"),
        ("projected", "pattern", "project s-*"),
        ("accounted", "pattern", "account acct-*"),
        ("unallocated", "unallocated", ""),
    ]


def test_the_literal_pattern_then_the_longest_glob_then_text_order() -> None:
    rows = identities(
        *(
            (place, {}, None, name, None, None, None)
            for place, name in enumerate(
                ["billing-api", "billing-web", "bill", "ax", "BILLING-API "], start=1
            )
        )
    )
    registry = apps(
        ("short", "t", [], {"name": "bill*"}),
        ("long", "t", [], {"name": "billing-*"}),
        ("literal", "t", [], {"name": "Billing-API"}),
        ("later", "t", [], {"name": "a?"}),
        ("first", "t", [], {"name": "a*"}),
    )
    result = attribute(rows, evidence(registry), CONFIDENCE)
    assert result["app_id"].to_list() == ["literal", "long", "short", "first", "literal"]


def test_a_registered_app_without_a_team_takes_that_of_its_tag() -> None:
    """Where the registry names a team, the tag does not matter."""
    tags = {"application": "log", "team": "Alpha"}
    rows = identities(
        (1, tags, None, None, None, None, None),
        (2, {**tags, "application": "shop"}, None, None, None, None, None),
        (3, {"application": "log", "team": "typo"}, None, None, None, None, None),
    )
    registry = apps(("log", "unassigned", [], {}), ("shop", "beta", [], {}))
    result = attribute(rows, evidence(registry, teams={"alpha": "0012", "beta": "0034"}), CONFIDENCE)
    assert list(result.select("app_id", "team", "cost_center").iter_rows()) == [
        ("log", "alpha", "0012"),
        ("shop", "beta", "0034"),
        ("log", "unassigned", ""),
    ]


TURN = datetime(2026, 5, 10, 14, 30, tzinfo=UTC)
MOMENT = pl.Datetime("ns", "UTC")


def held(frame: pl.DataFrame, since: datetime = BEGINS, until: datetime = ENDS) -> pl.DataFrame:
    """The same lines, for a time."""
    return frame.with_columns(holds_from=pl.lit(since).cast(MOMENT), holds_to=pl.lit(until).cast(MOMENT))


def test_an_owner_or_cost_centre_that_changes_gives_a_line_from_that_moment_on() -> None:
    rows = identities(
        (1, {"application": "shop", "team": "tagged"}, None, None, None, None, None),
        (2, {"application": "stays"}, None, None, None, None, None),
        (3, {"application": "late", "team": "tagged"}, None, None, None, None, None),
    )
    given = evidence(
        pl.concat(
            [
                held(apps(("shop", "alpha", [], {})), until=TURN),
                held(apps(("shop", "beta", [], {})), TURN),
                apps(("stays", "beta", [], {})),
                held(apps(("late", "alpha", [], {})), TURN),
            ]
        ),
        teams={"tagged": "0"},
    )
    later = datetime(2026, 6, 1, tzinfo=UTC)
    centres = pl.DataFrame(
        [("alpha", "1", BEGINS, ENDS), ("beta", "2", BEGINS, later), ("beta", "3", later, ENDS)],
        schema={"team": pl.String, "cost_center": pl.String, "holds_from": MOMENT, "holds_to": MOMENT},
        orient="row",
    )
    given = replace(given, teams=pl.concat([given.teams, centres]))
    result = attribute(rows, given, CONFIDENCE)
    columns = ("x_IdentityHash", "holds_from", "team", "cost_center")
    assert result.select(columns).rows() == [
        (1, BEGINS, "alpha", "1"),
        (1, TURN, "beta", "2"),
        (1, later, "beta", "3"),
        (2, BEGINS, "beta", "2"),
        (2, later, "beta", "3"),
        (3, BEGINS, "tagged", "0"),  # the registry knows nobody yet
        (3, TURN, "alpha", "1"),
    ]
    assert result["valid_from"].to_list() == [one.date() for one in result["holds_from"]]
    shuffled = replace(
        given, apps=given.apps.reverse(), teams=given.teams.sample(fraction=1, shuffle=True, seed=1)
    )
    assert attribute(rows.reverse(), shuffled, CONFIDENCE).equals(result)


def test_what_two_apps_name_is_said_and_a_virtual_tag_comes_before_what_telemetry_says() -> None:
    rows = identities(
        (1, {}, "res-1", None, "p-1", None, None),
        (2, {"tier": "front"}, "res-1", None, None, None, None),
        (3, {}, "res-1", "name-1", None, None, None),
    )
    rules = TagRules(
        virtual_tags=(
            VirtualTag("application", (VirtualRule(value="Web", name="fronts", tags={"tier": "front"}),)),
        )
    )
    given = evidence(apps(("named", "t", [], {"name": "name-*"})), [("a", "res-1"), ("b", "res-1")])
    result = attribute(rows, replace(given, rules=rules), CONFIDENCE)
    assert result.select("app_id", "attribution_rule", "basis", "confidence", "evidence").rows() == [
        ("unallocated", "unallocated", "ambiguous", 0.0, "named by 2 apps, a, b (cloud.resource_id res-1)"),
        ("web", "virtual_tag", "virtual_tag fronts", 0.8, "virtual tag application, rule fronts"),
        ("named", "pattern", "pattern name", 0.7, "name name-*"),
    ]


def test_rules_on_services_answer_apart_only_where_they_differ() -> None:
    rows = identities(
        (1, {}, None, None, None, "acct", None),
        (2, {"application": "own"}, None, None, None, "acct", None),
    )
    rules = TagRules(virtual_tags=(VirtualTag("application", (VirtualRule(value="lake", service="*S3"),)),))
    services = pl.DataFrame(
        {"x_IdentityHash": [1, 1, 2], "service_name": ["Amazon S3", "EC2", "Amazon S3"]},
        schema={"x_IdentityHash": pl.UInt64, "service_name": pl.String},
    )
    result = attribute(rows, replace(evidence(apps()), rules=rules, services=services), CONFIDENCE)
    assert result.select("x_IdentityHash", "service_name", "app_id").rows() == [
        (1, "", "unallocated"),
        (1, "Amazon S3", "lake"),
        (2, "", "own"),
    ]
