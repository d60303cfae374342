"""Which app a distinct identity of the bill belongs to: the attribution rules, in order, with their evidence.

The first rule that applies wins and is kept with its confidence. Shared-cost splits (rule 4) are not here:
they take their place between ``pattern`` and ``unallocated`` in ``RULES``.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from models.errors import ModelError

RULE_VERSION = "1"
"""Edition of the rules, named on every statement for people; what is stale is told by fingerprints, not by it."""

UNALLOCATED = "unallocated"
"""App of what nobody owns: explicit, never a dropped row."""

UNASSIGNED = "unassigned"
"""Team of what no team is known for."""

ALWAYS = date(1970, 1, 1)

IDENTITY_COLUMNS = (
    "x_IdentityHash",
    "tags",
    "resource_id",
    "resource_name",
    "sub_account_id",
    "billing_account_id",
    "resource_group",
)

PATTERN_COLUMNS = {
    "name": "resource_name",
    "resource_group": "resource_group",
    "project": "sub_account_id",
    "account": "billing_account_id",
}
"""Registry pattern -> what of a cost row it is matched with, the most specific first."""

_ANSWER = {
    "x_IdentityHash": pl.UInt64,
    "app_id": pl.String,
    "attribution_rule": pl.String,
    "basis": pl.String,
    "evidence": pl.String,
}


@dataclass(frozen=True)
class TagKeys:
    """Tag keys that name app, team and environment, in the order they are tried."""

    app: Sequence[str]
    team: Sequence[str]
    environment: Sequence[str]


@dataclass(frozen=True)
class Evidence:
    """What the rules may look at beside the identities.

    apps: columns of ``core_apps``. teams: columns of ``core_teams``.
    resources: ``app_id, resource_id, spans`` as seen in telemetry.
    """

    tags: TagKeys
    apps: pl.DataFrame
    teams: pl.DataFrame
    resources: pl.DataFrame


Rule = Callable[[pl.DataFrame, Evidence], pl.DataFrame]


def normalised(value: pl.Expr) -> pl.Expr:
    """An id as it is compared: without surrounding blanks, lower case; empty becomes null."""
    text = value.str.strip_chars().str.to_lowercase()
    return pl.when(text != "").then(text)


def attribute(identities: pl.DataFrame, evidence: Evidence, confidence: Mapping[str, float]) -> pl.DataFrame:
    """One line per identity: its app, team, environment, rule, confidence and evidence.

    Args:
        identities: ``IDENTITY_COLUMNS``; ``tags`` a map of text to text; one row per hash.
        evidence: registry, teams, telemetry resources and the configured tag keys.
        confidence: rule basis -> confidence (``models/policy/attribution.yaml``).

    Returns:
        Columns of ``core_identities`` without ``batch_id``, sorted by hash.

    Raises:
        ModelError: a column is missing, or a hash stands for two identities.
    """
    missing = [name for name in IDENTITY_COLUMNS if name not in identities.columns]
    if missing:
        raise ModelError(f"identities lack {', '.join(missing)}")
    if identities["x_IdentityHash"].n_unique() != identities.height:
        raise ModelError("two identities share one hash: the rows cannot be told apart")
    open_ = identities
    answers = []
    for rule in RULES:
        answer = rule(open_, evidence)
        answers.append(answer)
        open_ = open_.join(answer, on="x_IdentityHash", how="anti")
    answered = pl.concat(answers)
    return (
        answered.join(tag_value(identities, evidence.tags.team, "team_tag"), on="x_IdentityHash", how="left")
        .join(
            tag_value(identities, evidence.tags.environment, "environment"), on="x_IdentityHash", how="left"
        )
        .pipe(_with_owner, evidence)
        .with_columns(
            valid_from=pl.lit(ALWAYS),
            environment=pl.col("environment").fill_null(""),
            confidence=pl.col("basis").replace_strict(dict(confidence), return_dtype=pl.Float64),
        )
        .select(
            "x_IdentityHash",
            "valid_from",
            "app_id",
            "team",
            "cost_center",
            "environment",
            "attribution_rule",
            "confidence",
            "evidence",
        )
        .sort("x_IdentityHash")
    )


def tag_value(identities: pl.DataFrame, keys: Sequence[str], name: str) -> pl.DataFrame:
    """``x_IdentityHash, <name>, <name>_key``: the value of the first configured key a row carries.

    Keys and values are normalised; of several spellings of one key the exact one wins, then text order.
    """
    wanted = pl.DataFrame(
        {
            "wanted": [key.strip().lower() for key in keys],
            "exact": list(keys),
            "place": list(range(len(keys))),
        },
        schema={"wanted": pl.String, "exact": pl.String, "place": pl.Int64},
    ).unique("wanted", keep="first", maintain_order=True)
    return (
        tag_pairs(identities)
        .with_columns(wanted=normalised(pl.col("key")), value=normalised(pl.col("value")))
        .drop_nulls("value")
        .join(wanted, on="wanted")
        .sort("x_IdentityHash", "place", pl.col("key") != pl.col("exact"), "key")
        .unique("x_IdentityHash", keep="first", maintain_order=True)
        .select("x_IdentityHash", pl.col("value").alias(name), pl.col("key").alias(f"{name}_key"))
    )


def tag_pairs(identities: pl.DataFrame) -> pl.DataFrame:
    """``x_IdentityHash, key, value``: every tag of every identity."""
    pairs = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))
    return (
        identities.select("x_IdentityHash", pl.col("tags").cast(pairs))
        .explode("tags", empty_as_null=True)
        .drop_nulls("tags")
        .unnest("tags")
    )


def by_app_tag(identities: pl.DataFrame, evidence: Evidence) -> pl.DataFrame:
    """Rule 1: a configured tag names the app."""
    return tag_value(identities, evidence.tags.app, "app").select(
        "x_IdentityHash",
        app_id="app",
        attribution_rule=pl.lit("app_tag"),
        basis=pl.lit("app_tag"),
        evidence=pl.format("tag {}", "app_key"),
    )


def by_resource_id(identities: pl.DataFrame, evidence: Evidence) -> pl.DataFrame:
    """Rule 2: the resource is listed in the registry, else named by the telemetry of exactly one app."""
    listed = (
        evidence.apps.select("app_id", resource_id="resource_ids")
        .explode("resource_id", empty_as_null=True)
        .select("app_id", resource_id=normalised(pl.col("resource_id")))
        .drop_nulls()
    )
    seen = evidence.resources.select("app_id", resource_id=normalised(pl.col("resource_id"))).drop_nulls()
    owners = pl.concat(
        [
            _named_once(listed).with_columns(basis=pl.lit("resource_id_registry"), place=pl.lit(0)),
            _named_once(seen).with_columns(basis=pl.lit("resource_id_telemetry"), place=pl.lit(1)),
        ]
    )
    return (
        identities.select("x_IdentityHash", resource_id=normalised(pl.col("resource_id")))
        .drop_nulls()
        .join(owners.sort("place").unique("resource_id", keep="first"), on="resource_id")
        .select(
            "x_IdentityHash",
            "app_id",
            attribution_rule=pl.lit("resource_id"),
            basis="basis",
            evidence=pl.format("resource {}", "resource_id"),
        )
    )


def by_pattern(identities: pl.DataFrame, evidence: Evidence) -> pl.DataFrame:
    """Rule 3: a name, resource group, project or account pattern of the registry, the most specific first.

    Patterns are shell globs, compared normalised. One that two apps share decides nothing.
    """
    patterns = _patterns(evidence.apps)
    answers: list[pl.DataFrame] = []
    open_ = identities
    for kind, column in PATTERN_COLUMNS.items():
        owners = patterns.get(kind)
        if not owners:
            continue
        values = open_.select(value=normalised(pl.col(column))).drop_nulls().unique()["value"].to_list()
        matched = [(value, *found) for value in sorted(values) if (found := _match(value, owners))]
        found_frame = pl.DataFrame(
            matched, schema={"value": pl.String, "app_id": pl.String, "pattern": pl.String}, orient="row"
        )
        answer = (
            open_.select("x_IdentityHash", value=normalised(pl.col(column)))
            .join(found_frame, on="value")
            .select(
                "x_IdentityHash",
                "app_id",
                attribution_rule=pl.lit("pattern"),
                basis=pl.lit("pattern"),
                evidence=pl.format(kind + " {}", "pattern"),
            )
        )
        answers.append(answer)
        open_ = open_.join(answer, on="x_IdentityHash", how="anti")
    return pl.concat(answers) if answers else pl.DataFrame(schema=_ANSWER)


def by_nobody(identities: pl.DataFrame, evidence: Evidence) -> pl.DataFrame:
    """Rule 5: what is left belongs to the explicit app ``unallocated``."""
    return identities.select(
        "x_IdentityHash",
        app_id=pl.lit(UNALLOCATED),
        attribution_rule=pl.lit(UNALLOCATED),
        basis=pl.lit(UNALLOCATED),
        evidence=pl.lit(""),
    )


RULES: tuple[Rule, ...] = (by_app_tag, by_resource_id, by_pattern, by_nobody)
"""The rules in the order they are tried; the last always answers."""


def _named_once(owners: pl.DataFrame) -> pl.DataFrame:
    """``resource_id, app_id`` where exactly one app names the resource."""
    return (
        owners.unique()
        .group_by("resource_id")
        .agg(pl.col("app_id").first(), pl.len().alias("apps"))
        .filter(pl.col("apps") == 1)
        .select("resource_id", "app_id")
    )


def _patterns(apps: pl.DataFrame) -> dict[str, dict[str, str]]:
    """Kind -> pattern -> app, without patterns that two apps share."""
    pairs = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))
    lines = (
        apps.select("app_id", pl.col("patterns").cast(pairs))
        .explode("patterns", empty_as_null=True)
        .drop_nulls("patterns")
        .unnest("patterns")
        .select("app_id", kind="key", pattern=normalised(pl.col("value")))
        .drop_nulls()
        .unique()
    )
    single = lines.filter(pl.len().over("kind", "pattern") == 1)
    found: dict[str, dict[str, str]] = {}
    for app_id, kind, pattern in single.iter_rows():
        found.setdefault(kind, {})[pattern] = app_id
    return found


def _match(value: str, owners: Mapping[str, str]) -> tuple[str, str] | None:
    """App and pattern that fit ``value``: the literal one, else the longest glob, then text order."""
    if value in owners:
        return owners[value], value
    globs = [pattern for pattern in owners if fnmatch.fnmatchcase(value, pattern)]
    if not globs:
        return None
    best = min(globs, key=lambda pattern: (-len(pattern), pattern))
    return owners[best], best


def _with_owner(answered: pl.DataFrame, evidence: Evidence) -> pl.DataFrame:
    """Adds ``team`` and ``cost_center``: the registry's, else the team tag where that team is known."""
    apps = evidence.apps.select("app_id", registered=pl.col("team")).unique("app_id", keep="first")
    known = evidence.teams.select(normalised(pl.col("team")).alias("team_tag"), tagged=pl.col("team"))
    with_tag = (
        answered.join(known, on="team_tag", how="left")
        if evidence.teams.height
        else answered.with_columns(tagged=pl.col("team_tag"))
    )
    registered = pl.when(pl.col("registered") != UNASSIGNED).then(pl.col("registered"))
    return (
        with_tag.join(apps, on="app_id", how="left")
        .with_columns(team=pl.coalesce(registered, "tagged", pl.lit(UNASSIGNED)))
        .join(evidence.teams.select("team", "cost_center").unique("team"), on="team", how="left")
        .with_columns(pl.col("cost_center").fill_null(""))
    )
