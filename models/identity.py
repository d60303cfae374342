"""Which app a distinct identity of the bill belongs to: the attribution rules, in order, with their evidence.

The first rule that applies wins and is kept with what of it decided and how sure that is. Who owns the app when is joined
here and decided in ``models.ownership``. Shared-cost splits (rule 4) are not here: they begin where ``by_nobody`` ends.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from models.errors import ModelError
from models.ownership import FIRST_MOMENT, LAST_MOMENT, SPAN, crossed, merged, unbroken
from models.resource_evidence import Named, named_resources, too_old_from
from models.schemas import MOMENT, SCHEMAS
from models.tag_rules import TagRules
from models.tags import chosen_values, coverage, normalised, tag_table

RULE_VERSION = "2"
"""Edition of the rules, named on every statement for people; what is stale is told by fingerprints, not by it."""

UNALLOCATED = "unallocated"
"""App of what nobody owns: explicit, never a dropped row."""

UNASSIGNED = "unassigned"
"""Team of what no team is known for."""

AMBIGUOUS = "ambiguous"
"""Basis of what stays unallocated because telemetry names it for several apps."""

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

_ANSWER = pl.Schema(
    {
        "place": pl.UInt32(),
        "app_id": pl.String(),
        "attribution_rule": pl.String(),
        "basis": pl.String(),
        "confidence": pl.Float64(),
        "evidence": pl.String(),
        "spans": pl.UInt64(),
        "first_seen": MOMENT,
        "last_seen": MOMENT,
    }
)
_OWNER = ("team", "cost_center")


@dataclass(frozen=True)
class TagKeys:
    """Tag keys that name app, team and environment, in the order they are tried."""

    app: Sequence[str]
    team: Sequence[str]
    environment: Sequence[str]

    @property
    def roles(self) -> dict[str, Sequence[str]]:
        """The first key of each, which coverage is shown by, with all that will do."""
        return {keys[0].strip().lower(): keys for keys in (self.app, self.team, self.environment) if keys}


@dataclass(frozen=True)
class Evidence:
    """What the rules may look at beside the identities.

    apps: columns of ``core_apps``. teams: columns of ``core_teams``. resources: ``resource_evidence.NAMED`` as seen in
    telemetry. rules: of the workspace, on tags. services: ``x_IdentityHash, service_name``, where the rules ask for them. days:
    how long telemetry names a resource after it last did; None: for ever.
    """

    tags: TagKeys
    apps: pl.DataFrame
    teams: pl.DataFrame
    resources: pl.DataFrame
    rules: TagRules = field(default_factory=TagRules)
    services: pl.DataFrame | None = None
    days: int | None = None


@dataclass(frozen=True)
class Case:
    """What every rule is given: the evidence, the confidence of each, every row's tags, and what telemetry names."""

    evidence: Evidence
    confidence: Mapping[str, float]
    tags: pl.DataFrame
    named: Named


Rule = Callable[[pl.DataFrame, Case], pl.DataFrame]


def attribute(identities: pl.DataFrame, evidence: Evidence, confidence: Mapping[str, float]) -> pl.DataFrame:
    """Lines per identity, one for each time it has another owner: app, team, environment, rule, confidence and evidence.

    Args:
        identities: ``IDENTITY_COLUMNS``; ``tags`` a map of text to text; one row per hash. Where ``evidence.days`` limits telemetry,
            ``first_charge`` and ``last_charge`` too.
        evidence: registry, teams, telemetry resources, the configured tag keys and rules.
        confidence: rule -> confidence (``models/policy/attribution.yaml``).

    Returns:
        Columns of ``core_identities`` without ``batch_id``, sorted by hash, service and moment. Where rules give the services
        of one identity different answers each has lines of its own, beside those of every other service.

    Raises:
        ModelError: a column is missing, or a hash stands for two identities.
    """
    missing = [name for name in IDENTITY_COLUMNS if name not in identities.columns]
    if missing:
        raise ModelError(f"identities lack {', '.join(missing)}")
    if identities["x_IdentityHash"].n_unique() != identities.height:
        raise ModelError("two identities share one hash: the rows cannot be told apart")
    rows = _with_services(identities, evidence)
    named = named_resources(rows, evidence.resources, evidence.days)
    case = Case(evidence, confidence, tag_table(rows, evidence.rules), named)
    told = _told(rows, _first_answers(rows, case, RULES), case)
    owned = _one_answer(told).join(_owners(told, evidence), on="place")
    if evidence.days is not None:
        owned = _until_too_old(rows, told, owned, case, evidence.days)
    return (
        owned.with_columns(valid_from=pl.col("holds_from").dt.date())
        .select(pl.col(name).cast(kind) for name, kind in SCHEMAS["core_identities"].items())
        .sort("x_IdentityHash", "service_name", "holds_from")
    )


def _first_answers(rows: pl.DataFrame, case: Case, rules: Sequence[Rule]) -> pl.DataFrame:
    """``_ANSWER`` of every row, by the first rule that answers."""
    open_ = rows
    answers = []
    for rule in rules:
        answer = rule(open_, case).select(pl.col(name).cast(kind) for name, kind in _ANSWER.items())
        answers.append(answer)
        open_ = open_.join(answer, on="place", how="anti")
    return pl.concat(answers)


def _until_too_old(
    rows: pl.DataFrame, told: pl.DataFrame, owned: pl.DataFrame, case: Case, days: int
) -> pl.DataFrame:
    """The lines, those by telemetry cut where it is too old for charges there are; from then on the later rules answer."""
    ended = (
        told.filter(pl.col("last_seen") > FIRST_MOMENT)
        .select("place", ends=too_old_from(days).cast(MOMENT))
        .join(rows.select("place", "last_charge"), on="place")
        .filter(pl.col("ends") <= pl.col("last_charge"))
        .select("place", "ends")
    )
    if ended.is_empty():
        return owned
    later = rows.join(ended, on="place", how="semi")
    after = _told(later, _first_answers(later, case, RULES[RULES.index(by_telemetry) + 1 :]), case)
    following = (
        after.join(_owners(after, case.evidence), on="place")
        .join(ended, on="place")
        .sort("place", "holds_from")
        .with_columns(holds_from=pl.max_horizontal("holds_from", "ends"))
        .unique(["place", "holds_from"], keep="last", maintain_order=True)
    )
    lines = owned.join(ended, on="place", how="left")
    before = lines.filter(pl.col("ends").is_null() | (pl.col("holds_from") < pl.col("ends")))
    # a row for a service that says the same as the one for any service was left out, and so it stays
    said = following.join(owned, on="place", how="semi")
    return pl.concat([before, said.select(before.columns)]).drop("ends")


def _told(rows: pl.DataFrame, answers: pl.DataFrame, case: Case) -> pl.DataFrame:
    """Answers with the identity of each, its tags of team and environment, and what it is covered by."""
    keys, rules = case.evidence.tags, case.evidence.rules
    return (
        rows.select("place", "x_IdentityHash", "service_name")
        .join(answers, on="place")
        .join(
            chosen_values(case.tags, keys.team, rules).select("place", team_tag="value"),
            on="place",
            how="left",
        )
        .join(
            chosen_values(case.tags, keys.environment, rules).select("place", environment="value"),
            on="place",
            how="left",
        )
        .join(coverage(rows, case.tags, keys.roles, rules), on="place", how="left")
        .with_columns(pl.col("environment").fill_null(""))
    )


def by_app_tag(identities: pl.DataFrame, case: Case) -> pl.DataFrame:
    """Rule 1: a configured tag of the bill names the app."""
    return _by_tag(identities, case, case.tags.filter(pl.col("rule") == "")).select(
        "place",
        app_id="value",
        attribution_rule=pl.lit("app_tag"),
        basis=pl.lit("app_tag"),
        confidence=pl.lit(case.confidence["app_tag"]),
        evidence=pl.format("tag {}", "key"),
        **_unseen(),
    )


def by_virtual_tag(identities: pl.DataFrame, case: Case) -> pl.DataFrame:
    """Rule 1, where the bill has no such tag: a rule of the workspace gives it."""
    return _by_tag(identities, case, case.tags.filter(pl.col("rule") != "")).select(
        "place",
        app_id="value",
        attribution_rule=pl.lit("virtual_tag"),
        basis=pl.format("virtual_tag {}", "rule"),
        confidence=pl.lit(case.confidence["virtual_tag"]),
        evidence=pl.format("virtual tag {}, rule {}", "key", "rule"),
        **_unseen(),
    )


def by_registered_resource(identities: pl.DataFrame, case: Case) -> pl.DataFrame:
    """Rule 2: the registry lists the resource, for exactly one app."""
    listed = (
        case.evidence.apps.select("app_id", resource="resource_ids")
        .explode("resource", empty_as_null=True)
        .select("app_id", resource=normalised(pl.col("resource")))
        .drop_nulls()
        .unique()
    )
    once = listed.filter(pl.len().over("resource") == 1)
    return (
        identities.select("place", resource=normalised(pl.col("resource_id")))
        .drop_nulls()
        .join(once, on="resource")
        .select(
            "place",
            "app_id",
            attribution_rule=pl.lit("resource_id"),
            basis=pl.lit("resource_id_registry"),
            confidence=pl.lit(case.confidence["resource_id_registry"]),
            evidence=pl.format("resource {}", "resource"),
            **_unseen(),
        )
    )


def by_telemetry(identities: pl.DataFrame, case: Case) -> pl.DataFrame:
    """Rule 2, where the registry is silent: the telemetry of exactly one app names the resource."""
    return (
        identities.select("place")
        .join(case.named.answers, on="place")
        .select(
            "place",
            "app_id",
            "confidence",
            "spans",
            "first_seen",
            "last_seen",
            attribution_rule=pl.lit("resource_id"),
            basis="attribute",
            evidence=pl.format("{} {}", "attribute", "value"),
        )
    )


def by_pattern(identities: pl.DataFrame, case: Case) -> pl.DataFrame:
    """Rule 3: a name, resource group, project or account pattern of the registry, the most specific first.

    Patterns are shell globs, compared normalised. One that two apps share decides nothing.
    """
    patterns = _patterns(case.evidence.apps)
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
            open_.select("place", value=normalised(pl.col(column)))
            .join(found_frame, on="value")
            .select(
                "place",
                "app_id",
                attribution_rule=pl.lit("pattern"),
                basis=pl.lit(f"pattern {kind}"),
                confidence=pl.lit(case.confidence["pattern"]),
                evidence=pl.format(kind + " {}", "pattern"),
                **_unseen(),
            )
        )
        answers.append(answer)
        open_ = open_.join(answer, on="place", how="anti")
    return pl.concat(answers) if answers else pl.DataFrame(schema=_ANSWER)


def by_nobody(identities: pl.DataFrame, case: Case) -> pl.DataFrame:
    """Rule 5: what is left belongs to the explicit app ``unallocated``; where several apps name it, that is said."""
    return (
        identities.select("place")
        .join(case.named.ambiguous, on="place", how="left")
        .select(
            "place",
            app_id=pl.lit(UNALLOCATED),
            attribution_rule=pl.lit(UNALLOCATED),
            basis=pl.when(pl.col("evidence").is_null())
            .then(pl.lit(UNALLOCATED))
            .otherwise(pl.lit(AMBIGUOUS)),
            confidence=pl.lit(case.confidence[UNALLOCATED]),
            evidence=pl.col("evidence").fill_null(""),
            **_unseen(),
        )
    )


RULES: tuple[Rule, ...] = (
    by_app_tag,
    by_virtual_tag,
    by_registered_resource,
    by_telemetry,
    by_pattern,
    by_nobody,
)
"""The rules in the order they are tried; the last always answers."""


def _unseen() -> dict[str, pl.Expr]:
    """What a rule says of telemetry that does not look at it."""
    never = pl.lit(FIRST_MOMENT, MOMENT)
    return {"spans": pl.lit(0, pl.UInt64), "first_seen": never, "last_seen": never}


def _by_tag(identities: pl.DataFrame, case: Case, tags: pl.DataFrame) -> pl.DataFrame:
    """``place, value, key, rule`` of those identities whose tags among ``tags`` name an app."""
    return chosen_values(tags, case.evidence.tags.app, case.evidence.rules).join(
        identities.select("place"), on="place", how="semi"
    )


def _with_services(identities: pl.DataFrame, evidence: Evidence) -> pl.DataFrame:
    """The identities by ``place``, each once for any service and once for every service that rules may tell apart."""
    rows = identities.with_columns(service_name=pl.lit(""))
    if evidence.services is not None and evidence.rules.asks_services:
        each = identities.join(evidence.services.filter(pl.col("service_name") != ""), on="x_IdentityHash")
        rows = pl.concat([rows, each.select(rows.columns)]).sort("x_IdentityHash", "service_name")
    return rows.with_row_index("place")


def _one_answer(told: pl.DataFrame) -> pl.DataFrame:
    """The rows without those of a service that say what the row for any service says."""
    said = [name for name in told.columns if name not in ("place", "service_name")]
    general = told.filter(pl.col("service_name") == "")
    own = told.filter(pl.col("service_name") != "").join(
        general.select(said), on=said, how="anti", nulls_equal=True
    )
    return pl.concat([general, own])


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


def _owners(told: pl.DataFrame, evidence: Evidence) -> pl.DataFrame:
    """``place``, ``_OWNER`` and ``SPAN``: the registry's team, else the team tag where that team is known, and its cost centre."""
    apps, teams = evidence.apps, evidence.teams
    known = teams.select(normalised(pl.col("team")).alias("team_tag"), tagged=pl.col("team")).unique(
        "team_tag"
    )
    with_tag = (
        told.join(known, on="team_tag", how="left")
        if teams.height
        else told.with_columns(tagged=pl.col("team_tag"))
    )
    registered = pl.when(pl.col("registered") != UNASSIGNED).then(pl.col("registered"))
    lines = with_tag.select(
        "place",
        "app_id",
        "tagged",
        holds_from=pl.lit(FIRST_MOMENT, MOMENT),
        holds_to=pl.lit(LAST_MOMENT, MOMENT),
    )
    teams_of_apps = unbroken(apps.select("app_id", *SPAN, registered="team"), "app_id", ["registered"])
    by_team = crossed(lines, teams_of_apps, "app_id").select(
        "place", *SPAN, team=pl.coalesce(registered, "tagged", pl.lit(UNASSIGNED))
    )
    centers = crossed(
        by_team, unbroken(teams.select("team", "cost_center", *SPAN), "team", ["cost_center"]), "team"
    )
    return merged(centers.with_columns(pl.col("cost_center").fill_null("")), "place", _OWNER)
