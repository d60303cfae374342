"""Alert policies of OpenSLO files: judged as loops over slices say, told to whom they name, refused by file, line and field."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest

from models import requests, slo
from models.alert_policies import by_rules, windows_for
from models.alert_routes import ENDED, AlertTarget, Quiet, Route, Routing, ToldItem, due_messages, item_of
from models.alert_rules import GUARD, AlertRule, AlertRules, by_sentence, fired_rules, rules_of, told_by
from models.alerts import RESOLVED, Trouble, advance, alert_policy
from models.burn_scalings import scalings, windows_of
from models.errors import ModelError
from models.objectives import Overrides, held, overrides
from models.openslo_reader import read
from models.policy import (
    Objective,
    Objectives,
    burn_windows,
    duration,
    environments,
    request_slices,
    slo_defaults,
    state_policy,
)
from models.yaml_reader import documents
from tests.models.slo_oracle import GUARDS, HELD_SLICES, Slice, fails_whole, fires_at, inside
from tests.models.test_slo import AS_OF, BUCKETS, CLUSTERING, minutes_ago
from tests.models.test_slo import drawn as drawn_slices

LADDER = requests.ladder_ms(request_slices(), slo_defaults())
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

FILE = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: steady}
spec:
  service: checkout
  indicator:
    metadata: {name: steady-sli}
    spec:
      ratioMetric:
        good: {metricSource: {type: appfleet, spec: {indicator: availability}}}
        total: {metricSource: {type: appfleet, spec: {indicator: availability}}}
  timeWindow: [{duration: 30d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
  alertPolicies: [{alertPolicyRef: fast}]
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: fast}
spec:
  alertWhenResolved: false
  alertWhenNoData: true
  conditions: [{conditionRef: burning}]
  notificationTargets: [{targetRef: pager}]
---
apiVersion: openslo/v1
kind: AlertCondition
metadata:
  name: burning
  annotations:
    appfleet.io/short-window: 10m
spec:
  severity: critical
  condition:
    kind: burnrate
    op: gte
    threshold: 12.5
    lookbackWindow: 2h
    alertAfter: 15m
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: {name: pager}
spec: {target: hook}
"""
FAST = AlertRule(
    "fast", "page", "2h", "10m", Decimal("12.5"), True, "15m", tells_end=False, when_no_data=True, targets=("pager",)
)  # fmt: skip


def asked(text: str, targets: frozenset[str] | None = None) -> Overrides:
    reading = read(documents(text, "a.yaml"))
    assert reading.mistakes == ()
    return overrides(reading.catalogue, slo_defaults(), burn_windows(), LADDER, targets)


def test_a_policy_is_what_its_file_says() -> None:
    found = asked(FILE)
    assert found.refusals == found.unheeded == ()
    assert found.lines[0].objective.alerting == AlertRules((FAST,))
    assert rules_of(AlertRules((FAST,)).text) == AlertRules((FAST,))
    # The name in alerts.yaml is that of the object, else its target.
    [line] = asked(FILE, frozenset({"hook"})).lines
    assert line.objective.alerting == AlertRules((replace(FAST, targets=("hook",)),))
    assert asked(FILE.replace("alertAfter: 15m", "alertAfter: 0m")).lines[0].objective.alerting == AlertRules(
        (replace(FAST, after="0m"),)
    )
    quiet = asked(FILE.replace("alertWhenResolved: false", "alertWhenBreaching: false")).lines[0].objective
    assert quiet.alerting is not None
    assert windows_for("workbook", Objectives(30, (quiet,))).pairs == ()
    assert windows_for("workbook", Objectives(30, (quiet,))).guards == ()


REFUSED = [
    ("op: gte", "op: lt", "spec.condition.op is lt, which would alert while little burns; write gt or gte"),
    ("op: gte", "op: lte", "spec.condition.op is lte, "),
    ("threshold: 12.5", "threshold: 0", "spec.condition.threshold is 0, which every objective burns at; it must be above 0"),
    ("threshold: 12.5", "threshold: 100.1", "which objective steady can never burn at: where everything fails it burns 100"),
    ("lookbackWindow: 2h", "lookbackWindow: 127m", "spec.condition.lookbackWindow is 127m; requests are counted by 5 minutes"),
    ("lookbackWindow: 2h", "lookbackWindow: 31d", "is 31d, longer than the window of objective steady, 30d"),
    ("short-window: 10m", "short-window: 12m", "metadata.annotations.appfleet.io/short-window is 12m; requests are"),
    ("alertAfter: 15m", "alertAfter: 7m", "spec.condition.alertAfter is 7m; requests are counted by 5 minutes"),
    ("alertAfter: 15m", "alertAfter: 2d", "spec.condition.alertAfter is 2d; it can be 1d at most"),
    ("severity: critical", "severity: loud", "spec.severity is 'loud'; it can be page, critical, high, ticket, warning, medium, low"),
    ("target: hook", "target: nowhere", "metadata.name is 'pager' and spec.target 'nowhere', and no route of alerts.yaml leads to"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), REFUSED)
def test_what_cannot_be_honoured_is_one_sentence_and_the_built_in_windows_hold(
    old: str, new: str, words: str
) -> None:
    assert FILE.count(old) == 1
    text = FILE.replace(old, new)
    found = asked(text, frozenset({"hook"}))
    [sentence] = found.unheeded
    # A target is told by the line its document begins in.
    line = 1 + (
        text[: text.index(new)].count("\n")
        if "hook" not in old
        else text[: text.rindex("---")].count("\n") + 1
    )
    assert sentence.startswith(f"a.yaml, line {line}: ")
    assert words in sentence
    assert sentence.endswith("; objectives that name it keep the built-in windows of alerts")
    assert "\n" not in sentence
    assert [one.objective.alerting for one in found.lines] == [None]
    assert found.refusals == ()
    # Named by no objective, what is wrong in itself is told all the same.
    alone = "---".join(FILE.replace(old, new).split("---")[1:])
    of_objective = "objective steady" in words
    assert len(asked(alone, frozenset({"hook"})).unheeded) == (0 if of_objective else 1)


@pytest.mark.parametrize("scaling", scalings())
@pytest.mark.parametrize("days", [7, 30])
def test_without_a_policy_the_windows_of_the_workspace_hold_as_they_are(scaling: str, days: int) -> None:
    plain = Objective("a", Decimal("0.99"))
    assert windows_for(scaling, Objectives(days, (plain,))) == windows_of(scaling, days)
    own = replace(plain, alerting=AlertRules((replace(FAST, severity="ticket"),)))
    found, base = windows_for(scaling, Objectives(days, (own,))), windows_of(scaling, days)
    assert [one.factor(days) for one in found.pairs] == [Fraction("12.5")]
    assert set(found.pair_windows) == {*base.pair_windows, "2h", "10m"}
    assert [(one.severity, one.window) for one in found.guards] == [
        ("ticket", one.window) for one in base.guards
    ]
    assert replace(found, pairs=(), guards=(), also_published=()) == replace(base, pairs=(), guards=())
    assert by_rules((own, plain, own)) == [(plain,), (own, own)]
    with pytest.raises(ModelError, match="different alert policies"):
        windows_for(scaling, Objectives(days, (own, plain)))


def test_objectives_of_equal_targets_alert_by_their_own_policies_whatever_they_count() -> None:
    of_requests = "spec: {indicator: availability}"
    assert FILE.count(of_requests) == 2
    of_records = FILE.replace(of_requests, "spec: {from: logs, where: {severity: {lt: 17}}}", 1)
    of_records = of_records.replace(of_requests, "spec: {from: logs}")
    plain = of_records[: of_records.index("---")].replace("steady", "plain").splitlines()
    without = "\n".join(line for line in plain if "alertPolicies" not in line)
    found = asked(f"{of_records}---\n{without}\n")
    assert found.refusals == found.unheeded == ()
    [(_, first), (_, second)] = held(found.lines).counted_by_rules
    assert [len(first), len(second)] == [1, 1]
    rules = {one.alerting for one in (*first, *second)}
    assert len(rules) == 2 and None in rules
    names = {line.objective.name: name for line, name in held(found.lines).lines}
    assert names["plain"] == next(one.name for one in (*first, *second) if one.alerting is None)
    assert names["steady"] == next(one.name for one in (*first, *second) if one.alerting is not None)


LENGTHS = ("5m", "10m", "15m", "35m", "1h", "95m", "6h", "1d", "3d", "5d")


def drawn_rules(source: random.Random) -> AlertRules:
    """Up to four rules of any windows, factors and severities."""
    rules = []
    for number in range(source.randint(1, 4)):
        long = source.choice(LENGTHS[1:])
        shorter = [one for one in LENGTHS if duration(one) < duration(long)]
        rules.append(
            AlertRule(
                f"policy-{number}",
                source.choice(("page", "ticket")),
                long,
                source.choice((long, source.choice(shorter))),
                Decimal(source.choice(("1", "2.5", "10", "12.5", "50"))),
                source.random() < 0.5,
                source.choice(("0m", "0m", "5m", "15m", "1h")),
                source.random() < 0.9,
            )
        )
    return AlertRules(tuple(rules))


def buckets_of(
    slices: dict[str, list[Slice]], promised: Objectives, budget: Fraction, windows: Any
) -> pl.DataFrame:
    """What ``queries/slo/buckets`` gives, for the boundaries of other windows."""
    edges = slo.boundaries(promised, windows, AS_OF)
    recent = AS_OF - windows.reach - duration(windows.windows[-1])
    rows: dict[tuple[Any, ...], list[Any]] = {}
    for app, own in slices.items():
        for one in own:
            if not edges[0] <= one.start < AS_OF or not one.total:
                continue
            edge = edges[bisect_right(edges, one.start) - 1]
            row = rows.setdefault((app, "production", "availability", edge), [0, 0, 0, None, 0, 0])
            row[0] += one.bad
            row[1] += one.total
            if one.start >= recent and Fraction(one.bad, one.total) > budget:
                row[2] += 1
                row[3] = min(row[3] or one.start, one.start)
    return pl.DataFrame([(*key, *row) for key, row in rows.items()], schema=BUCKETS, orient="row")


def minutes_of(name: str) -> int:
    return int(name[:-1]) * {"m": 1, "h": 60, "d": 1440}[name[-1]]


def answer_of(
    slices: Sequence[Slice], rules: AlertRules, budget: Fraction, clustering: Fraction
) -> tuple[str | None, datetime | None, str]:
    """Worst severity that fired within the hold, since when, and by what: loops over slices."""
    slices = sorted(slices, key=lambda one: one.start)
    own = [one for one in rules.lines if one.fires]
    fired = []

    def fires(rule: AlertRule, end: datetime) -> datetime | None:
        long, short = minutes_of(rule.long), minutes_of(rule.short)
        factor = Fraction(rule.factor)
        return fires_at(slices, end, budget, rule.severity, factor, long, short, clustering, rule.or_equal)

    loudest = "page" if any(one.severity == "page" for one in own) else "ticket"
    for back in range(HELD_SLICES + 1):
        end = AS_OF - timedelta(minutes=5 * back)
        for rule in own:
            first = fires(rule, end)
            went_on = range(1, minutes_of(rule.after) // 5 + 1)
            if first and all(fires(rule, end - timedelta(minutes=5 * step)) for step in went_on):
                fired.append((rule.severity, first, rule.policy))
        for severity, minutes, least in GUARDS if own else ():
            part = inside(slices, end, timedelta(minutes=minutes))
            if first := fails_whole(part, budget, least):
                fired.append((loudest if severity == "page" else severity, first, GUARD))
    for severity in ("page", "ticket"):
        if mine := [one for one in fired if one[0] == severity]:
            by = ", ".join(sorted({name for _, _, name in mine}))
            return severity, min(first for _, first, _ in mine), by
    return None, None, ""


@pytest.mark.parametrize("seed", [0, 5, 8, 9, 10, 11])
def test_what_fires_equals_loops_over_slices(seed: int) -> None:
    source = random.Random(seed)
    target = source.choice(("0.9", "0.99", "0.999"))
    budget = 1 - Fraction(target)
    rules = drawn_rules(source)
    promised = Objectives(30, (Objective("availability", Decimal(target), alerting=rules),))
    windows = windows_for("workbook", promised)
    slices = {f"app-{number}": drawn_slices(source) for number in range(40)}
    slices["edge"] = [Slice(minutes_ago(5 * step), 1, 8 if target == "0.99" else 4) for step in range(1, 900)]
    clusters = {app: Fraction(source.choice((4, 7, 20)), 4) for app in slices}
    found = slo.status(
        buckets_of(slices, promised, budget, windows),
        promised,
        windows,
        AS_OF,
        slices,
        environments=environments(),
        state_policy=state_policy(),
        silences=pl.DataFrame(schema=slo.SILENCES),
        age=timedelta(minutes=5),
        clustering=pl.DataFrame(
            [(app, "production", "availability", float(one)) for app, one in clusters.items()],
            schema=CLUSTERING,
            orient="row",
        ),
    )
    for row in found.status.filter(pl.col("environment") == "production").iter_rows(named=True):
        app = row["app_id"]
        severity, since, by = answer_of(slices[app], rules, budget, clusters[app])
        shown = row["state"] if row["state"] in ("page", "ticket") else None
        assert (shown, row["since"] if shown else None, row["fired_by"]) == (severity, since, by), (
            app,
            rules,
        )
    assert any("policy" in by for by in found.status["fired_by"]), "nothing fired by a policy"
    assert set(windows_of("workbook", 30).pair_windows) <= set(found.burn["window"])


def test_a_share_at_the_factor_is_decided_by_the_operator() -> None:
    """1 of 8 is 12.5 times a budget of 1 %: not above, and at least."""
    many = [Slice(minutes_ago(5 * step), 1, 8) for step in range(1, 200)]
    for or_equal in (False, True):
        rules = AlertRules((AlertRule("edge", "page", "6h", "1h", Decimal("12.5"), or_equal),))
        promised = Objectives(30, (Objective("availability", Decimal("0.99"), alerting=rules),))
        windows = windows_for("workbook", promised)
        found = slo.status(
            buckets_of({"a": many}, promised, Fraction(1, 100), windows), promised, windows, AS_OF, ["a"],
            environments=environments(), state_policy=state_policy(), silences=pl.DataFrame(schema=slo.SILENCES), age=timedelta(0),
        ).status  # fmt: skip
        assert found["fired_by"].to_list() == (["edge"] if or_equal else [""])


def routing(*names: str) -> Routing:
    targets = {name: AlertTarget(name, "V", "", 1, False, "") for name in (*names, "usual")}
    quiet = Quiet(NOW.time(), (NOW + timedelta(hours=1)).time(), "UTC")
    routes = (
        Route(("usual",)),
        *(Route((name,), teams=frozenset({"none"})) for name in names if name != "asleep"),
        *(Route((name,), quiet=quiet) for name in names if name == "asleep"),
    )
    return Routing(targets, routes)


def told(rules: AlertRules, words: str, way: Routing) -> dict[str, list[str]]:
    """Target -> what it is told, now and once it ended."""
    policy = alert_policy()
    wrong = Trouble("slo/a//x", "slo", "a", "web", "page", NOW, f"it fails; {by_sentence(words, rules.lines)}", **told_by(fired_rules(rules, words)))  # fmt: skip
    alerts = advance([], [wrong], NOW, policy)
    first = due_messages(alerts, way, (), (), NOW, policy)
    known = [ToldItem(one.target, item) for one in first for item in one.items]
    ended = advance(advance(alerts, [], NOW, policy), [], NOW + timedelta(hours=2), policy)
    assert [one.state for one in ended] == [RESOLVED]
    later = due_messages(ended, way, known, (), NOW + timedelta(hours=2), policy)
    found: dict[str, list[str]] = {}
    for message in (*first, *later):
        assert "by policy fast (page where 2h and 10m burn at least 12.5 x for 15m)" in message.body
        found.setdefault(message.target, []).append(
            "ended" if message.items == (item_of(ended[0], ENDED),) else "fired"
        )
    return found


def test_a_policy_tells_whom_it_names_and_of_the_end_where_it_says_so() -> None:
    slow = replace(FAST, policy="slow", tells_end=True, targets=())
    both = AlertRules((FAST, slow))
    assert told(AlertRules((FAST,)), "fast", routing("pager")) == {"pager": ["fired"]}
    assert told(AlertRules((replace(FAST, tells_end=True),)), "fast", routing("pager")) == {
        "pager": ["fired", "ended"]
    }
    assert told(both, "fast", routing("pager")) == {"pager": ["fired"]}
    assert told(both, "fast, slow", routing("pager")) == {
        "pager": ["fired", "ended"],
        "usual": ["fired", "ended"],
    }
    # Nobody is lost where the name is in no route any more, and the quiet hours of its route hold.
    assert told(AlertRules((FAST,)), "fast", routing()) == {"usual": ["fired"]}
    asleep = AlertRules((replace(FAST, targets=("asleep",)),))
    assert told(asleep, "fast", routing("asleep")) == {}
    # A guard stands for every rule that may fire.
    assert fired_rules(both, GUARD) == both.lines
    assert fired_rules(AlertRules((replace(FAST, fires=False), slow)), GUARD) == (slow,)
    assert by_sentence(f"fast, {GUARD}") == f"by policy fast and {GUARD}"
    assert by_sentence("") == ""
