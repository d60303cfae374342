"""Which app the telemetry of a fleet gives a resource of the bill to, and where it names more than one.

Frames in, frames out. Which attributes name a resource, how they are compared with a bill and how sure that is stands in
``policy/resource_attributes.csv``; what telemetry said is ``core_app_resources``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import polars as pl

from models.focus import policy_rows
from models.schemas import MOMENT
from models.tags import normalised

AGAINST = ("resource_id", "resource_tail", "resource_name")
"""What of a bill an attribute can be compared with."""

NAMED = pl.Schema(
    {
        "app_id": pl.String(),
        "attribute": pl.String(),
        "resource_id": pl.String(),
        "spans": pl.UInt64(),
        "first_seen": MOMENT,
        "last_seen": MOMENT,
    }
)
"""Columns of what telemetry names, ``spans`` those and metric points together."""

_SHOWN_APPS = 5


@dataclass(frozen=True)
class ResourceAttribute:
    """One line of ``resource_attributes.csv``; ``order`` is its place there."""

    attribute: str
    first_label: bool
    against: tuple[str, ...]
    confidence: float
    order: int


@dataclass(frozen=True)
class Named:
    """What telemetry decides: ``answers`` (``place, app_id, attribute, value, confidence, spans, first_seen, last_seen``) and
    ``ambiguous`` (``place, evidence``: a sentence on who names the resource)."""

    answers: pl.DataFrame
    ambiguous: pl.DataFrame


@cache
def resource_attributes() -> tuple[ResourceAttribute, ...]:
    """The attributes that name a resource, in the order of their file."""
    return tuple(
        ResourceAttribute(
            row["attribute"],
            row["value"] == "first_label",
            tuple(row["against"].split()),
            float(row["confidence"]),
            order,
        )
        for order, row in enumerate(policy_rows("resource_attributes.csv"))
    )


def named_resources(identities: pl.DataFrame, seen: pl.DataFrame, days: int | None = None) -> Named:
    """The apps whose telemetry names the resources of some identities.

    The surest attribute by which anybody names a resource decides: one app, and it is that app's; several, and it is
    nobody's. A name that several resources of the bill have names none of them.

    Args:
        identities: ``place, resource_id, resource_name`` of every identity of the bill.
        seen: ``NAMED``, of any grain.
        days: how long telemetry names a resource after it last did; None: for ever. What names it too long before the first of
            its charges (``first_charge`` of ``identities``) names nothing.
    """
    keys = _keys(identities)
    shared = (
        keys.group_by("against", "value")
        .agg(pl.col("resource").n_unique().alias("resources"))
        .filter(pl.col("resources") > 1)
    )
    matches = (
        keys.join(_claims(seen), on=["against", "value"])
        .join(shared, on=["against", "value"], how="left")
        .pipe(_young_enough, identities, days)
        .sort("place", "app_id", "order", "against_order")
        .unique(["place", "app_id", "attribute"], keep="first", maintain_order=True)
    )
    surest = matches.filter(pl.col("resources").is_null()).filter(
        pl.col("confidence") == pl.col("confidence").max().over("place")
    )
    alone = pl.col("app_id").n_unique().over("place") == 1
    answers = (
        surest.filter(alone)
        .sort("place", "order", pl.col("spans"), "value", descending=[False, False, True, False])
        .unique("place", keep="first", maintain_order=True)
        .select("place", "app_id", "attribute", "value", "confidence", "spans", "first_seen", "last_seen")
    )
    disputed = surest.filter(~alone).pipe(_disputes)
    alike = (
        matches.filter(pl.col("resources").is_not_null())
        .join(surest, on="place", how="anti")
        .unique("place", keep="first", maintain_order=True)
        .select(
            "place",
            evidence=pl.format(
                "{} resources of the bill are called {} ({})", "resources", "value", "attribute"
            ),
        )
    )
    return Named(answers, pl.concat([disputed, alike]).sort("place"))


def too_old_from(days: int) -> pl.Expr:
    """The midnight (UTC) from which telemetry that named something at ``last_seen`` does not any more: so many whole days after
    the day of it, so that a charge of a day is never cut."""
    return pl.col("last_seen").dt.truncate("1d") + pl.duration(days=days + 1)


def _young_enough(matches: pl.DataFrame, identities: pl.DataFrame, days: int | None) -> pl.DataFrame:
    """The matches without those whose telemetry was too old already when the first charge began."""
    if days is None:
        return matches
    return (
        matches.join(identities.select("place", "first_charge"), on="place")
        .filter(too_old_from(days) > pl.col("first_charge"))
        .drop("first_charge")
    )


def _keys(identities: pl.DataFrame) -> pl.DataFrame:
    """``place, against, value, resource``: everything a resource can be named by; ``resource`` tells resources apart."""
    texts = identities.select(
        "place",
        resource_id=normalised(pl.col("resource_id")),
        resource_name=normalised(pl.col("resource_name")),
    ).with_columns(
        resource_tail=normalised(pl.col("resource_id").str.extract(r"([^/:]+)/*$")),
        resource=pl.coalesce("resource_id", pl.lit("name ") + pl.col("resource_name")),
    )
    return (
        texts.unpivot(AGAINST, index=["place", "resource"], variable_name="against", value_name="value")
        .drop_nulls("value")
        .select("place", "against", "value", "resource")
    )


def _claims(seen: pl.DataFrame) -> pl.DataFrame:
    """What each app says, per attribute and what of the bill it is compared with, added up."""
    lines = [
        (one.attribute, one.first_label, one.confidence, one.order, one.against)
        for one in resource_attributes()
    ]
    known = pl.DataFrame(
        lines,
        schema={
            "attribute": pl.String, "first_label": pl.Boolean, "confidence": pl.Float64, "order": pl.Int64,
            "against": pl.List(pl.String),
        },
        orient="row",
    )  # fmt: skip
    said = normalised(pl.col("resource_id"))
    label = pl.when(said.str.contains(r"^[0-9.:]+$")).then(said).otherwise(said.str.split(".").list.first())
    return (
        seen.join(known, on="attribute")
        .with_columns(value=pl.when("first_label").then(label).otherwise(said))
        .drop_nulls("value")
        .group_by("app_id", "attribute", "value", "confidence", "order", "against")
        .agg(pl.col("spans").sum(), pl.col("first_seen").min(), pl.col("last_seen").max())
        .with_columns(against_order=pl.col("against").list.eval(pl.element().cum_count()))
        .explode("against", "against_order")
    )


def _disputes(surest: pl.DataFrame) -> pl.DataFrame:
    """``place, evidence`` of resources that several apps name equally sure."""
    return (
        surest.sort("place", "app_id", "order")
        .group_by("place", maintain_order=True)
        .agg(
            pl.col("app_id").unique(maintain_order=True),
            pl.format("{} {}", "attribute", "value").first().alias("by"),
        )
        .select(
            "place",
            evidence=pl.format(
                "named by {} apps, {}{} ({})",
                pl.col("app_id").list.len(),
                pl.col("app_id").list.head(_SHOWN_APPS).list.join(", "),
                pl.when(pl.col("app_id").list.len() > _SHOWN_APPS)
                .then(pl.lit(", ..."))
                .otherwise(pl.lit("")),
                "by",
            ),
        )
    )
