"""What the alert policies of OpenSLO files mean: the rules of an objective, the windows it is judged by, and what is refused.

Takes the values of ``models.openslo``; what cannot be honoured is a sentence with file, line and field, and the built-in windows
hold in its place. Judging burn is ``models.slo``, telling people ``models.alert_routes``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib import resources
from types import MappingProxyType

import yaml

from models.alert_rules import GUARD, AlertRule, AlertRules
from models.burn_scalings import window_name, windows_of
from models.errors import ModelError
from models.openslo import (
    BUILT_IN,
    SHORT_WINDOW,
    AlertPolicy,
    Condition,
    NotificationTarget,
    OpenSloCatalogue,
    Ref,
    Shorthand,
    Slo,
    TimeWindow,
    references,
)
from models.policy import BurnGuard, BurnPair, BurnWindows, Objective, Objectives, duration
from models.timeslices import SLICE

_OPERATORS = {"gt": False, "gte": True}
"""Operator -> whether burning exactly at the threshold is enough."""
_SHORTEST_MONTH = 28
"""Days; a window of months is at least so long."""


@dataclass(frozen=True)
class AlertPolicyTable:
    """The policy of ``alert_policies.yaml``."""

    severities: Mapping[str, str]
    longest_after: timedelta


@cache
def alert_policy_table() -> AlertPolicyTable:
    """The policy of ``alert_policies.yaml`` beside this module."""
    data = yaml.safe_load((resources.files("models") / "policy" / "alert_policies.yaml").read_text("utf-8"))
    return AlertPolicyTable(MappingProxyType(data["severities"]), duration(data["longest_after"]))


@dataclass(frozen=True)
class Alerting:
    """What the policies of an objective come to: their rules, or why the built-in windows hold instead (``refusals``)."""

    rules: AlertRules | None = None
    refusals: tuple[str, ...] = ()


def unheeded(catalogue: OpenSloCatalogue, targets: Collection[str] | None) -> tuple[str, ...]:
    """Why policies and conditions of some files cannot be honoured, whether or not an objective names them."""
    named = {
        one.name for item in catalogue.items for kind, one in references(item) if kind == "AlertCondition"
    }
    alone = (
        AlertPolicy(item.meta, item.where, conditions=(item,))
        for item in catalogue.items
        if isinstance(item, Condition) and item.meta.name not in named
    )
    policies = (
        item
        for item in catalogue.items
        if isinstance(item, AlertPolicy) and BUILT_IN not in item.meta.annotations
    )
    return tuple(
        dict.fromkeys(filter(None, (_why_not(catalogue, one, targets) for one in (*policies, *alone))))
    )


def _why_not(catalogue: OpenSloCatalogue, policy: AlertPolicy, targets: Collection[str] | None) -> str:
    try:
        _rule(catalogue, policy, 0, targets)
    except _Refused as refused:
        return f"{refused}{_KEPT}"
    return ""


_KEPT = "; objectives that name it keep the built-in windows of alerts"


class _Refused(Exception):
    """The sentence why a policy is not honoured."""


def alerting_of(
    catalogue: OpenSloCatalogue,
    slo: Slo,
    window: TimeWindow,
    budget: Decimal,
    targets: Collection[str] | None,
) -> Alerting:
    """The rules of an objective by the policies its SLO names; none where it names none, or only those that export calls built-in.

    One policy that is refused leaves the whole objective to the built-in windows, so that no alert is lost by a slip.

    Args:
        catalogue: all sound objects.
        slo: whose policies are meant.
        window: the objective's own, which no condition may look back beyond.
        budget: share of events that may be bad: it bounds how fast the objective can burn.
        targets: names of the targets that some route of ``alerts.yaml`` leads to; None: nobody knows, and none is refused.
    """
    if all(_is_built_in(catalogue, named) for named in slo.alert_policies):
        return Alerting()
    rules: dict[str, AlertRule] = {}
    refusals = []
    for place, named in enumerate(slo.alert_policies):
        try:
            policy = _policy(catalogue, named)
            rule = _rule(catalogue, policy, place, targets)
            _check_reach(catalogue, policy, rule, slo, window, budget)
            rules[rule.policy] = rule
        except _Refused as refused:
            refusals.append(f"{refused}{_KEPT}")
    if refusals:
        return Alerting(refusals=tuple(dict.fromkeys(refusals)))
    return Alerting(AlertRules(tuple(rules.values())))


def _is_built_in(catalogue: OpenSloCatalogue, named: AlertPolicy | Ref) -> bool:
    """Whether a policy is one that export wrote for the built-in windows."""
    found = catalogue.of("AlertPolicy").get(named.name) if isinstance(named, Ref) else named
    return isinstance(found, AlertPolicy) and BUILT_IN in found.meta.annotations


def _policy(catalogue: OpenSloCatalogue, named: AlertPolicy | Ref) -> AlertPolicy:
    if not isinstance(named, Ref):
        return named
    found = catalogue.of("AlertPolicy").get(named.name)
    if not isinstance(found, AlertPolicy):
        raise _Refused(
            f"{named.where}: {named.key} names the AlertPolicy {named.name!r}, which has a mistake"
        )
    return found


def _condition(catalogue: OpenSloCatalogue, policy: AlertPolicy) -> Condition:
    """The one condition of a policy."""
    named = policy.conditions[0]
    if not isinstance(named, Ref):
        return named
    found = catalogue.of("AlertCondition").get(named.name)
    if not isinstance(found, Condition):
        raise _Refused(
            f"{named.where}: {named.key} names the AlertCondition {named.name!r}, which has a mistake"
        )
    return found


def _rule(
    catalogue: OpenSloCatalogue, policy: AlertPolicy, place: int, targets: Collection[str] | None
) -> AlertRule:
    table, condition = alert_policy_table(), _condition(catalogue, policy)
    severity = table.severities.get(condition.severity.strip().lower())
    if severity is None:
        raise _at(
            condition, "severity", f"is {condition.severity!r}; it can be {', '.join(table.severities)}"
        )
    if condition.op not in _OPERATORS:
        raise _at(
            condition,
            "op",
            f"is {condition.op}, which would alert while little burns; write gt or gte",
        )
    assert condition.threshold is not None and condition.lookback is not None
    if condition.threshold <= 0:
        raise _at(
            condition,
            "threshold",
            f"is {condition.threshold}, which every objective burns at; it must be above 0",
        )
    long = _slices(condition, "lookbackWindow", condition.lookback)
    short = _slices(condition, SHORT_WINDOW, condition.short) if condition.short is not None else long
    after = timedelta(0)
    if condition.after is not None:
        after = _slices(condition, "alertAfter", condition.after)
        if after > table.longest_after:
            longest = window_name(table.longest_after)
            raise _at(condition, "alertAfter", f"is {condition.after}; it can be {longest} at most")
    return AlertRule(
        policy.meta.name or f"policy {place + 1}",
        severity,
        window_name(long),
        window_name(short),
        condition.threshold.normalize(),
        _OPERATORS[condition.op],
        window_name(after) if after else "0m",
        policy.when_breaching is not False,
        policy.when_resolved is not False,
        policy.when_no_data is True,
        tuple(dict.fromkeys(_target(catalogue, one, targets) for one in policy.targets)),
    )


def _slices(condition: Condition, name: str, length: Shorthand) -> timedelta:
    """A length as whole slices of requests."""
    minutes = SLICE // timedelta(minutes=1)
    if length.length is None:
        raise _at(condition, name, f"is {length}, which has no fixed length; write hours or days, such as 6h")
    if length.length % SLICE:
        raise _at(
            condition,
            name,
            f"is {length}; requests are counted by {minutes} minutes and no slice is cut, so write a multiple of {minutes}m",
        )
    return length.length


def _target(
    catalogue: OpenSloCatalogue, named: NotificationTarget | Ref, targets: Collection[str] | None
) -> str:
    """The name in ``alerts.yaml`` of who is told: that of the object, else its ``target``."""
    found = catalogue.of("AlertNotificationTarget").get(named.name) if isinstance(named, Ref) else named
    if not isinstance(found, NotificationTarget):
        assert isinstance(named, Ref)
        raise _Refused(
            f"{named.where}: {named.key} names the AlertNotificationTarget {named.name!r}, which has a mistake"
        )
    name, other = found.meta.name, found.target.strip()
    if targets is None or name in targets:
        return name
    if other in targets:
        return other
    raise _Refused(
        f"{found.where}: metadata.name is {name!r} and spec.target {other!r}, and no route of alerts.yaml leads to a target of "
        "either name; name one that a route has"
    )


def _check_reach(
    catalogue: OpenSloCatalogue,
    policy: AlertPolicy,
    rule: AlertRule,
    slo: Slo,
    window: TimeWindow,
    budget: Decimal,
) -> None:
    """A condition must be able to fire, within what is counted of its objective."""
    condition = _condition(catalogue, policy)
    if duration(rule.long) > _least_length(window):
        raise _at(
            condition,
            "lookbackWindow",
            f"is {rule.long}, longer than the window of objective {slo.meta.name}, {window.duration}",
        )
    fastest = 1 / Fraction(budget)
    factor = Fraction(rule.factor)
    if factor > fastest or (factor == fastest and not rule.or_equal):
        raise _at(
            condition,
            "threshold",
            f"is {rule.factor:f}, which objective {slo.meta.name} can never burn at: where everything fails it burns "
            f"{float(fastest):.6g} times as fast as its budget allows",
        )


def _least_length(window: TimeWindow) -> timedelta:
    length = window.duration.length
    return length if length is not None else timedelta(days=_SHORTEST_MONTH * window.duration.months)


def _at(condition: Condition, name: str, problem: str) -> _Refused:
    where, key = condition.at.get(name, (condition.where, f"spec.{name}"))
    return _Refused(f"{where}: {key} {problem}")


def by_rules(lines: Iterable[Objective]) -> list[tuple[Objective, ...]]:
    """Objectives of one window by what they alert by, those of the built-in windows first; their order stays."""
    groups: dict[AlertRules | None, list[Objective]] = {None: []}
    for one in lines:
        groups.setdefault(one.alerting, []).append(one)
    return [tuple(group) for group in groups.values() if group]


def windows_for(scaling: str, promised: Objectives) -> BurnWindows:
    """What some objectives alert by: the table of the workspace, or their own rules with its floors, guards and hold.

    A rule without a second window must burn in its one. Guards alert at most as loudly as the rules; where no rule fires none does.
    The table's own windows stay among those whose burn is published.

    Args:
        scaling: name of the workspace's table.
        promised: objectives with one and the same rules.

    Raises:
        ModelError: their rules differ.
    """
    base = windows_of(scaling, promised.window_days)
    if len({one.alerting for one in promised.lines}) > 1:
        raise ModelError("objectives of different alert policies were to be judged together")
    rules = promised.lines[0].alerting
    if rules is None:
        return base
    own = [one for one in rules.lines if one.fires]
    worst = min((base.severities.index(one.severity) for one in own), default=None)
    return replace(
        base,
        pairs=tuple(_pair(one, promised.window_days) for one in own),
        guards=() if worst is None else tuple(_guard(one, base.severities, worst) for one in base.guards),
        also_published=base.pair_windows,
    )


def _pair(rule: AlertRule, window_days: int) -> BurnPair:
    share = Fraction(rule.factor) * Fraction(
        duration(rule.long) // SLICE, timedelta(days=window_days) // SLICE
    )
    return BurnPair(
        rule.severity, share, rule.long, rule.short, rule.policy, rule.or_equal, duration(rule.after)
    )


def _guard(guard: BurnGuard, severities: tuple[str, ...], worst: int) -> BurnGuard:
    return replace(guard, severity=severities[max(severities.index(guard.severity), worst)], by=GUARD)
