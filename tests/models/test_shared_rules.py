"""Rules of ``rules.yaml``: what is refused is named by file, line and key; rules in a circle or out of order are named."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ConfigurationError
from models.policy import shared_cost_policy
from models.shared_rules import KEEP, Rules, is_measured, kinds, shared_rules
from models.yaml_reader import documents


def rules(lines: str, version: str = '"1"') -> Rules:
    [document] = documents(f"version: {version}\nrules:\n{lines}", "rules.yaml")
    return shared_rules(document)


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_has_a_confidence_and_can_be_written(kind: str) -> None:
    more = ", fallback: keep" if is_measured(kind) else ", shares: {a: 1}" if kind == "fixed" else ""
    [rule] = rules(f"  - {{name: one, split: {kind}{more}}}\n").lines
    assert rule.split == kind
    assert 0 <= shared_cost_policy().confidence[kind] <= 1


def test_a_rule_reads_as_it_is_written() -> None:
    [rule] = rules(
        "  - name: cluster\n"
        "    take: {app: [Platform, Data], service: EKS*, class: none, tags: {Env: [prod, stage]}}\n"
        "    to: {teams: [red, blue], except: legacy-*}\n"
        "    split: requests\n"
        "    fallback: even\n"
        "    minimum: 0.001\n"
        "    tiers: [{up_to: 10.5, rate: 1}, {rate: 0.25}]\n"
        "    over: month\n"
        "    from: 2026-02-01\n"
        "    until: 2026-03-31\n"
    ).lines
    assert rule.take_apps == ("data", "platform")
    assert rule.take == {"service": ("eks*",), "class": ("none",)}
    assert rule.take_tags == {"env": ("prod", "stage")}
    assert rule.minimum == Fraction(1, 1000)
    assert rule.tiers == ((Fraction(21, 2), Fraction(1)), (None, Fraction(1, 4)))
    assert [rule.holds_on(date(2026, month, 1)) for month in (1, 2, 3, 4)] == [False, True, True, False]
    app = {"app_id": "x", "team": "Red", "system": "", "lifecycle": ""}
    assert rule.fits(app)
    for other in (
        {"team": "green"},
        {"app_id": "platform"},
        {"app_id": "legacy-1"},
        {"app_id": "unallocated"},
    ):
        assert not rule.fits({**app, **other})
    charge = {"app_id": "data", "service_name": "eks fargate", "charge_class": ""}
    assert rule.takes(charge, {"env": "PROD"})
    for other, tags in (
        ({"app_id": "unallocated"}, {"env": "prod"}),
        ({"service_name": "ec2"}, {"env": "prod"}),
        ({"charge_class": "Correction"}, {"env": "prod"}),
        ({}, {"env": "dev"}),
        ({}, {}),
    ):
        assert not rule.takes({**charge, **other}, tags)


def test_apps_are_told_by_their_tags_and_how_critical_they_are() -> None:
    [rule] = rules(
        "  - name: guard\n"
        "    to: {criticalities: [Critical, high], tags: {Tier: gold*, legacy: none}}\n"
        "    split: even\n"
    ).lines
    app = {"app_id": "x", "criticality": "high", "tags": ["tier=Gold=1", "zone=a"]}
    assert rule.fits(app)
    for other in (
        {"criticality": "low"},
        {"criticality": ""},
        {"tags": ["tier=silver"]},
        {"tags": []},
        {"tags": ["legacy=true", "tier=gold"]},
    ):
        assert not rule.fits({**app, **other})


BAD = [
    (
        "  - name: a\n    split: even\n    to:\n      criticalities: [high, hihg]\n",
        6,
        "rules[0].to.criticalities is 'hihg'; it can be critical, high, medium, low, none",
    ),
    ("  - {name: a, split: even, to: {tags: {}}}\n", 3, "rules[0].to.tags names no tag"),
    (
        "  - name: a\n    split: even\n    to:\n      tags:\n        env: x\n        ENV: y\n",
        8,
        "rules[0].to.tags.ENV names a tag twice",
    ),
    ("  - {name: a, split: even, to: {tags: {env: []}}}\n", 3, "rules[0].to.tags.env names nothing"),
    ("  - {name: a, split: even, to: {tags: prod}}\n", 3, "rules[0].to.tags must be a mapping"),
    ("  - {split: even}\n", 3, "rules[0].name is missing"),
    ("  - {name: A b, split: even}\n", 3, "rules[0].name is 'A b'; use small letters"),
    ("  - {name: a}\n", 3, "rules[0].split is missing"),
    ("  - {name: a, split: evenly}\n", 3, "rules[0].split is 'evenly'; it can be even, fixed"),
    ("  - {name: a, split: even, weight: 1}\n", 3, "rules[0].weight is not a known key"),
    ("  - {name: a, split: even, take: {sku: x}}\n", 3, "rules[0].take.sku is not a known key"),
    ("  - {name: a, split: even, take: {app: 'plat*'}}\n", 3, "rules[0].take.app is 'plat*'; name each app"),
    ("  - {name: a, split: even, take: {service: []}}\n", 3, "rules[0].take.service names nothing"),
    ("  - {name: a, split: fixed}\n", 3, "rules[0].shares has no share above zero"),
    ("  - {name: a, split: fixed, shares: {x: 0, y: 0.0}}\n", 3, "rules[0].shares has no share above zero"),
    ("  - {name: a, split: fixed, shares: {x: -1, y: -2}}\n", 3, "rules[0].shares.x is -1, below zero"),
    ("  - {name: a, split: fixed, shares: {x: 1, X: 2}}\n", 3, "rules[0].shares.X names an app twice"),
    (
        "  - {name: a, split: fixed, shares: {x: .nan}}\n",
        3,
        "rules[0].shares.x is '.nan'; it must be a number",
    ),
    ("  - {name: a, split: fixed, shares: {x: 1e3}}\n", 3, "rules[0].shares.x is '1e3'; it must be a number"),
    ("  - {name: a, split: requests}\n", 3, "rules[0].fallback is missing: say what holds"),
    ("  - {name: a, split: direct_cost, fallback: direct_cost}\n", 3, "rules[0].fallback is 'direct_cost'"),
    ("  - {name: a, split: even, fallback: keep}\n", 3, "rules[0].fallback has no use where split is even"),
    ("  - {name: a, split: keep, to: {apps: x}}\n", 3, "rules[0].to has no use where split is keep"),
    ("  - {name: a, split: even, minimum: 1}\n", 3, "rules[0].minimum must be a share below 1"),
    (
        "  - {name: a, split: requests, fallback: even, capacity: 0}\n",
        3,
        "rules[0].capacity must be above zero",
    ),
    (
        "  - {name: a, split: requests, fallback: even, capacity: 1, minimum: 0.1}\n",
        3,
        "rules[0].capacity cannot be told beside tiers or a minimum",
    ),
    (
        "  - {name: a, split: requests, fallback: even, tiers: [{rate: 0}]}\n",
        3,
        "rules[0].tiers have no rate above zero",
    ),
    (
        "  - name: a\n    split: requests\n    fallback: even\n    tiers:\n      - {up_to: 5, rate: 1}\n      - {up_to: 5, rate: 1}\n      - {rate: 1}\n",
        8,
        "rules[0].tiers[1].up_to must be above that of the tier before",
    ),
    (
        "  - {name: a, split: requests, fallback: even, tiers: [{rate: 1}, {rate: 2}]}\n",
        3,
        "rules[0].tiers[0].up_to must be given in every tier but the last",
    ),
    ("  - {name: a, split: requests, fallback: even, over: week}\n", 3, "rules[0].over is 'week'; it can be"),
    ("  - {name: a, split: even, from: 2026-02-30}\n", 3, "rules[0].from is '2026-02-30'"),
    (
        "  - {name: a, split: even, from: 2026-02-02, until: 2026-02-01}\n",
        3,
        "rules[0].until is 2026-02-01, before",
    ),
    (
        "  - {name: a, split: even}\n  - {name: a, split: even, from: 2026-01-01}\n",
        4,
        "the rule a holds twice on one day, by rules.yaml, line 3 too",
    ),
]


@pytest.mark.parametrize(("lines", "line", "sentence"), BAD)
def test_a_wrong_rule_is_named_by_line_and_key(lines: str, line: int, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        rules(lines)
    assert str(refused.value).startswith(f"rules.yaml, line {line}: {sentence}")
    assert refused.value.exit_code == 2


def test_rules_without_a_version_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="line 1: version is missing"):
        shared_rules(documents("rules: []", "rules.yaml")[0])
    with pytest.raises(ConfigurationError, match="version must be text of at most 64"):
        rules("", '"a\\x1bb"')
    assert shared_rules(documents("# nothing yet\n---\n", "rules.yaml")[0]) == Rules()


@settings(max_examples=20, deadline=None)
@given(st.permutations(["a", "b", "c", "d"]), st.integers(2, 4))
def test_rules_in_a_circle_are_named_in_their_order(names: list[str], length: int) -> None:
    """Each rule takes from one platform app and gives to the next, the last to the first."""
    ring = names[:length]
    lines = "".join(
        f"  - {{name: {name}, split: even, take: {{app: on-{name}}}, to: {{apps: on-{ring[(place + 1) % length]}}}}}\n"
        for place, name in enumerate(ring)
    )
    with pytest.raises(ConfigurationError) as refused:
        rules(lines)
    assert f"in a circle: {' -> '.join([*ring, ring[0]])};" in str(refused.value)


def test_a_rule_that_gives_to_what_one_before_it_takes_from_is_refused_unless_they_never_meet() -> None:
    late = "  - {name: late, split: even, to: {apps: platform}%s}\n"
    early = "  - {name: early, split: even, take: {app: platform}, to: {apps: [x, y]}%s}\n"
    with pytest.raises(
        ConfigurationError, match=r"late gives to what the rule early before it takes from; write late first"
    ):
        rules(early % "" + late % "")
    assert len(rules(late % "" + early % "").lines) == 2
    assert len(rules(early % ", until: 2026-01-31" + late % ", from: 2026-02-01").lines) == 2


def test_no_rule_gives_to_whom_it_takes_from_nor_to_nobody() -> None:
    app = {"team": "", "system": "", "lifecycle": ""}
    for line in rules("  - {name: a, split: even, take: {app: p}}\n  - {name: b, split: keep}\n").lines:
        assert not line.fits({**app, "app_id": "p"}) or line.take_apps == ("unallocated",)
        assert not line.fits({**app, "app_id": "unallocated"})
        assert line.fits({**app, "app_id": "other"}) is (line.split != KEEP)
