"""Tags of a bill as rules see them: keys and values of one spelling, virtual tags beside real ones, and which keys are covered.

Frames in, frames out; a row is told by ``place``. What the rules may say is ``models.tag_rules``, what a tag decides is
``models.identity``.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from models.tag_rules import TagRules, VirtualRule, plain

TAG = "tag"
"""What ``covered`` says of a key the bill itself has."""

VIRTUAL = "virtual: "
"""What stands before the rule of a key that a rule gave."""

COLUMNS = ("place", "name", "key", "value", "rank", "rule")
_PAIRS = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))


def normalised(value: pl.Expr, spaces: str | None = None) -> pl.Expr:
    """Text as it is compared: without surrounding blanks, lower case; empty becomes null."""
    text = value.str.strip_chars().str.to_lowercase()
    if spaces is not None:
        text = text.str.replace_all(r"\s+", spaces)
    return pl.when(text != "").then(text)


def as_compared(text: str, rules: TagRules) -> str:
    """A word of a rule as the tags of a bill are compared with it."""
    words = plain(text)
    return words if rules.spaces is None else rules.spaces.join(words.split())


def tag_table(identities: pl.DataFrame, rules: TagRules) -> pl.DataFrame:
    """Every tag of every row: ``COLUMNS``, sorted by place, name and the order in which spellings count.

    Args:
        identities: ``place``, ``tags`` (a map of text to text) and the columns of ``tag_rules.CONDITIONS``.
        rules: of the workspace.

    Returns:
        ``name`` and ``value`` of one spelling, ``key`` as the bill has it, ``rank`` (0 the key's own name, then its aliases as
        they are listed), ``rule`` empty for a tag of the bill, else what gave the virtual one.
    """
    table = _real_tags(identities, rules)
    for virtual in rules.virtual_tags:
        name = canonical_key(virtual.tag, rules)
        has_it = table.filter(pl.col("name") == name).select("place").unique()
        open_ = identities.join(has_it, on="place", how="anti")
        for rule in virtual.rules:
            fits = open_.join(_fitting(open_, table, rule, rules), on="place", how="semi").select("place")
            if fits.is_empty():
                continue
            open_ = open_.join(fits, on="place", how="anti")
            given = fits.select(
                "place",
                name=pl.lit(name),
                key=pl.lit(name),
                value=pl.lit(_canonical_value(name, rule.value, rules)),
                rank=pl.lit(0, pl.Int64),
                rule=pl.lit(rule.words),
            )
            table = pl.concat([table, given.cast(table.schema)])
    return table.sort("place", "name", "rank", "key")


def canonical_key(key: str, rules: TagRules) -> str:
    """The one spelling of a key."""
    text = as_compared(key, rules)
    return _key_names(rules).get(text, (text, 0))[0]


def chosen_values(table: pl.DataFrame, keys: Sequence[str], rules: TagRules) -> pl.DataFrame:
    """``place, value, key, rule`` of the first of ``keys`` that a row has; of several spellings the exact one, then as ranked."""
    names = [canonical_key(key, rules) for key in keys]
    wanted = pl.DataFrame(
        {"name": names, "exact": list(keys), "order": list(range(len(names)))},
        schema={"name": pl.String, "exact": pl.String, "order": pl.Int64},
    ).unique("name", keep="first", maintain_order=True)
    return (
        table.join(wanted, on="name")
        .sort("place", "order", pl.col("key") != pl.col("exact"), "rank", "key")
        .unique("place", keep="first", maintain_order=True)
        .select("place", "value", "key", "rule")
    )


def coverage(
    identities: pl.DataFrame, table: pl.DataFrame, roles: Mapping[str, Sequence[str]], rules: TagRules
) -> pl.DataFrame:
    """``place, covered``: every key looked for, with ``TAG``, ``VIRTUAL`` and its rule, or nothing.

    ``roles``: name shown -> the keys any of which will do; keys of the rules are shown beside them.
    """
    shown = covered_keys(roles, rules)
    wanted = pl.DataFrame(
        [(label, canonical_key(key, rules)) for label, keys in shown.items() for key in keys],
        schema={"label": pl.String, "name": pl.String},
        orient="row",
    ).unique()
    has = (
        table.join(wanted, on="name")
        .sort("place", "label", pl.col("rule") != "", "name", "rank", "key")
        .unique(["place", "label"], keep="first", maintain_order=True)
        .select(
            "place",
            "label",
            said=pl.when(pl.col("rule") == "").then(pl.lit(TAG)).otherwise(pl.lit(VIRTUAL) + pl.col("rule")),
        )
    )
    labels = pl.DataFrame({"label": sorted(shown)}, schema={"label": pl.String})
    return (
        identities.select("place")
        .join(labels, how="cross")
        .join(has, on=["place", "label"], how="left")
        .sort("place", "label")
        .group_by("place", maintain_order=True)
        .agg(pl.struct(key="label", value=pl.col("said").fill_null("")).alias("covered"))
    )


def covered_keys(roles: Mapping[str, Sequence[str]], rules: TagRules) -> dict[str, Sequence[str]]:
    """Name shown -> keys any of which covers it: the roles, then what the rules name, each once."""
    shown: dict[str, Sequence[str]] = dict(roles)
    known = {canonical_key(key, rules) for keys in roles.values() for key in keys}
    for key in (*rules.coverage, *rules.keys, *(one.tag for one in rules.virtual_tags)):
        name = canonical_key(key, rules)
        if name not in known:
            known.add(name)
            shown[name] = (key,)
    return shown


def matching(values: Iterable[str], pattern: str) -> list[str]:
    """Those of some values, as they are compared, that fit a shell's pattern."""
    wanted = plain(pattern)
    return [value for value in values if fnmatch.fnmatchcase(value, wanted)]


def _real_tags(identities: pl.DataFrame, rules: TagRules) -> pl.DataFrame:
    names = _key_names(rules)
    aliases = pl.DataFrame(
        [(spelling, name, rank) for spelling, (name, rank) in names.items()],
        schema={"spelling": pl.String, "alias_of": pl.String, "alias_rank": pl.Int64},
        orient="row",
    )
    spellings = pl.DataFrame(
        [
            (canonical_key(key, rules), as_compared(spelling, rules), as_compared(value, rules))
            for key, own in rules.values.items()
            for value, others in own.items()
            for spelling in (value, *others)
        ],
        schema={"name": pl.String, "value": pl.String, "value_of": pl.String},
        orient="row",
    ).unique(["name", "value"], keep="first", maintain_order=True)
    return (
        identities.select("place", pl.col("tags").cast(_PAIRS))
        .explode("tags", empty_as_null=True)
        .drop_nulls("tags")
        .unnest("tags")
        .with_columns(
            spelling=normalised(pl.col("key"), rules.spaces), value=normalised(pl.col("value"), rules.spaces)
        )
        .drop_nulls(["spelling", "value"])
        .join(aliases, on="spelling", how="left")
        .with_columns(name=pl.coalesce("alias_of", "spelling"), rank=pl.col("alias_rank").fill_null(0))
        .join(spellings, on=["name", "value"], how="left")
        .with_columns(value=pl.coalesce("value_of", "value"), rule=pl.lit(""))
        .select(COLUMNS)
    )


def _key_names(rules: TagRules) -> dict[str, tuple[str, int]]:
    """Spelling -> the key's name and its rank among the spellings."""
    return {
        as_compared(spelling, rules): (as_compared(key, rules), rank)
        for key, others in rules.keys.items()
        for rank, spelling in reversed([*enumerate((key, *others))])
    }


def _canonical_value(name: str, value: str, rules: TagRules) -> str:
    text = as_compared(value, rules)
    for key, own in rules.values.items():
        if canonical_key(key, rules) == name:
            for canonical, others in own.items():
                if text in {as_compared(one, rules) for one in (canonical, *others)}:
                    return as_compared(canonical, rules)
    return text


def _fitting(open_: pl.DataFrame, table: pl.DataFrame, rule: VirtualRule, rules: TagRules) -> pl.DataFrame:
    """``place`` of the rows that fit every condition of a rule."""
    fits = open_.select("place", *(normalised(pl.col(name)).alias(name) for name in rule.patterns))
    for column, pattern in rule.patterns.items():
        fits = fits.filter(pl.col(column).is_in(matching(fits[column].drop_nulls().unique(), pattern)))
    for key, pattern in rule.tags.items():
        own = table.filter(pl.col("name") == canonical_key(key, rules))
        wanted = matching(own["value"].unique(), as_compared(pattern, rules))
        fits = fits.join(own.filter(pl.col("value").is_in(wanted)).select("place"), on="place", how="semi")
    return fits.select("place")
