"""Spellings of tags and virtual ones, against loops over plain dicts that share nothing with the model."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest

from models.errors import ConfigurationError
from models.settings import Settings, SettingsPath, parse_settings
from models.tag_rules import TagRules, VirtualRule, VirtualTag
from models.tags import chosen_values, coverage, tag_table

PAIRS = pl.List(pl.Struct({"key": pl.String, "value": pl.String}))
COLUMNS = (
    "resource_id",
    "resource_name",
    "sub_account_id",
    "billing_account_id",
    "resource_group",
    "service_name",
)

RULES = TagRules(
    keys={"app_id": ("application", "App Name"), "cost center": ("CC",)},
    values={"app_id": {"checkout": ("checkout api", "CHK")}, "Application": {"pay": ("payments",)}},
    spaces="-",
    virtual_tags=(
        VirtualTag(
            "unit",
            (
                VirtualRule(value="Web", account="31*", tags={"Tier": "f?ont*"}),
                VirtualRule(value="Back", name="rest of 31", account="31*"),
                VirtualRule(value="Store", service="amazon s3"),
            ),
        ),
        VirtualTag("app_id", (VirtualRule(value="CHK", name="by unit", tags={"unit": "web"}),)),
    ),
    coverage=("tier",),
)


def rows(*given: dict[str, object]) -> pl.DataFrame:
    """Identities by place; what is not given is empty."""
    return pl.DataFrame(
        [
            {
                "place": place,
                "tags": [{"key": key, "value": value} for key, value in dict(row.get("tags", {})).items()],  # type: ignore[call-overload]
                **{name: row.get(name, "") for name in COLUMNS},
            }
            for place, row in enumerate(given)
        ],
        schema={"place": pl.UInt32, "tags": PAIRS, **dict.fromkeys(COLUMNS, pl.String)},
    )


def told(table: pl.DataFrame) -> dict[int, dict[str, tuple[str, str]]]:
    """Place -> key -> value and the rule that gave it, the first of each key."""
    found: dict[int, dict[str, tuple[str, str]]] = {}
    for place, name, _, value, _, rule in table.iter_rows():
        found.setdefault(place, {}).setdefault(name, (value, rule))
    return found


def test_keys_and_values_have_one_spelling() -> None:
    table = tag_table(
        rows(
            {"tags": {" APPLICATION ": "Checkout  API", "tier": " Front End "}},
            {"tags": {"app  name": "chk"}},
            {"tags": {"App_ID": "Payments", "cc": "0012", "x": " "}},
            {"tags": {"": "y"}},
        ),
        RULES,
    )
    assert told(table) == {
        0: {"app_id": ("checkout", ""), "tier": ("front-end", "")},
        1: {"app_id": ("checkout", "")},
        2: {"app_id": ("pay", ""), "cost-center": ("0012", "")},
    }


def test_of_several_spellings_the_exact_one_counts_then_the_order_they_are_listed_in() -> None:
    given = rows(
        {"tags": {"app name": "c", "application": "b", "APP_ID": "a"}},
        {"tags": {"app name": "c", "application": "b"}},
        {"tags": {"app name": "c", "project": "d"}},
        {"tags": {"project": "d"}},
    )
    table = tag_table(given, RULES)
    for keys, want in (
        (["app_id", "project"], ["a", "b", "c", "d"]),
        (["project", "app_id"], ["a", "b", "d", "d"]),
        (["App Name"], ["a", "b", "c"]),
        (["app name"], ["c", "c", "c"]),
    ):
        assert chosen_values(table, keys, RULES)["value"].to_list() == want, keys


def test_the_first_rule_that_fits_gives_a_virtual_tag_where_the_bill_has_none() -> None:
    given = rows(
        {"billing_account_id": "3177", "tags": {"tier": "Front-End"}},  # both of the rule's conditions
        {"billing_account_id": "3177", "tags": {"tier": "back"}},
        {"billing_account_id": "9", "service_name": "Amazon S3", "tags": {}},
        {"billing_account_id": "3177", "tags": {"tier": "front-end", "UNIT": "own", "application": "mine"}},
        {"billing_account_id": "9", "tags": {}},
    )
    found = told(tag_table(given, RULES))
    assert [found.get(place, {}).get("unit") for place in range(5)] == [
        ("web", "Web"),
        ("back", "rest of 31"),
        ("store", "Store"),
        ("own", ""),
        None,
    ]
    # a later tag sees what an earlier one gave, and gives the spelling that stands for its value
    assert [found.get(place, {}).get("app_id") for place in range(5)] == [
        ("checkout", "by unit"),
        None,
        None,
        ("mine", ""),
        None,
    ]


def test_every_key_looked_for_is_covered_by_a_tag_a_rule_or_nothing() -> None:
    given = rows(
        {"billing_account_id": "3177", "tags": {"tier": "front"}},
        {"tags": {"team": "x", "owner": ""}},
        {"tags": {}},
    )
    roles = {"app_id": ["app_id", "app"], "team": ["team", "owner"]}
    covered = coverage(given, tag_table(given, RULES), roles, RULES)
    assert [{one["key"]: one["value"] for one in row} for row in covered["covered"].to_list()] == [
        {"app_id": "virtual: by unit", "team": "", "tier": "tag", "cost-center": "", "unit": "virtual: Web"},
        {"app_id": "", "team": "tag", "tier": "", "cost-center": "", "unit": ""},
        {"app_id": "", "team": "", "tier": "", "cost-center": "", "unit": ""},
    ]


def test_the_order_of_rows_changes_nothing() -> None:
    chance = random.Random(4)
    words = ("Checkout", " chk ", "payments", "Front End", "x", "")
    keys = ("app_id", "APPLICATION", "app name", "tier", "Unit", "cc")
    given = rows(
        *(
            {
                "tags": {key: chance.choice(words) for key in chance.sample(keys, chance.randrange(4))},
                "billing_account_id": chance.choice(("31", "319", "40")),
                "service_name": chance.choice(("Amazon S3", "EC2")),
            }
            for _ in range(60)
        )
    )
    want = told(tag_table(given, RULES))
    assert len(want) > 40
    for seed in range(3):
        assert told(tag_table(given.sample(fraction=1, shuffle=True, seed=seed), RULES)) == want


def parsed(attribution: str) -> Settings:
    def locate(name: str) -> SettingsPath:
        return SettingsPath(Path("/w") / name, "file")

    return parse_settings(f"catalog: c\nattribution:\n{attribution}", "appfleet.yaml", Path("/w"), locate)


def test_rules_are_read_from_the_settings() -> None:
    rules = parsed(
        """\
  keys: {app_id: [application]}
  values: {environment: {production: [prod, prd]}}
  spaces: "-"
  virtual_tags:
    - tag: team
      rules:
        - {value: web, project: "web-*", tags: {tier: front}}
  coverage: [cost_center]
"""
    ).attribution
    assert rules == TagRules(
        keys={"app_id": ("application",)},
        values={"environment": {"production": ("prod", "prd")}},
        spaces="-",
        virtual_tags=(
            VirtualTag("team", (VirtualRule(value="web", project="web-*", tags={"tier": "front"}),)),
        ),
        coverage=("cost_center",),
    )
    assert not rules.asks_services and RULES.asks_services
    assert Settings(Path("/w"), Path("/c"), Path("/t")).attribution == TagRules()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("  keys: {a: [x], b: [' X ']}\n", "line 3: attribution.keys.b[0] is 'X', which stands for 'a' already"),
        ("  keys:\n    a: [b]\n    b: []\n", "line 4: attribution.keys.a[0] is 'b', which stands for 'b' already"),
        ("  keys: {a: [], A: []}\n", "line 3: attribution.keys.A is the same as 'a'; remove one of them"),
        ("  values: {k: {a: [x], b: [x]}}\n", "line 3: attribution.values.k.b[0] is 'x', which stands for 'a' already"),
        ("  spaces: '~'\n", "line 3: attribution.spaces is '~'; it can be a blank, -, _, . or nothing"),
        ("  alias: {}\n", "line 3: attribution.alias is not a known key; known here: coverage, keys, spaces, values, virtual_tags"),
        ("  virtual_tags:\n    - {tag: team, rules: []}\n",
         "line 4: attribution.virtual_tags[0].rules has no rule, so it never gives a value; add one or remove the tag"),
        ("  virtual_tags:\n    - tag: team\n      rules:\n        - {value: a}\n",
         "line 6: attribution.virtual_tags[0].rules[0] has no condition, so it would fit everything; name one of account, project, "
         "resource_group, resource, resource_id, service, tags"),
        ("  virtual_tags:\n    - tag: team\n      rules:\n        - {value: a, account: 1}\n",
         "line 6: attribution.virtual_tags[0].rules[0].account must be text"),
        ("  virtual_tags:\n    - tag: team\n      rules:\n        - {account: '1'}\n", "line 6: attribution.virtual_tags[0].rules[0].value is missing"),
        ("  virtual_tags:\n    - tag: team\n      rules:\n        - {value: a, account: '1'}\n        - {value: a, account: '2'}\n",
         "line 7: attribution.virtual_tags[0].rules[1] is 'a' like a rule before it; give it a name of its own"),
        ("  virtual_tags:\n    - {tag: t, rules: [{value: a, account: '1'}]}\n    - {tag: T, rules: [{value: a, account: '1'}]}\n",
         "line 5: attribution.virtual_tags[1].tag is 'T', which has rules before; write them into one list"),
        ("  virtual_tags:\n    - {tag: t, rules: [{value: a, region: '1'}]}\n",
         "line 4: attribution.virtual_tags[0].rules[0].region is not a known key; known here: account, name, project, resource, "
         "resource_group, resource_id, service, tags, value"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_one_sentence_with_its_line_and_key(text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parsed(text)
    assert str(raised.value) == f"appfleet.yaml, {sentence}"
