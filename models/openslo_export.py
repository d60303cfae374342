"""The objectives apps are held to as OpenSLO objects, which ``models.objectives`` reads back as the same objectives."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from models.alert_rules import AlertRule, rules_of
from models.indicators import RATIO, question_of, spec_of, threshold_of
from models.objectives import LATENCY, SOURCE_TYPE
from models.openslo import (
    APP,
    BUILT_IN,
    COLD_STARTS,
    ENVIRONMENT,
    MISSING_SLICES,
    OBJECTIVE,
    QUIET_SLICES,
    ROUTE,
    SHORT_WINDOW,
    UNIT,
    AlertPolicy,
    Condition,
    Item,
    Meta,
    MetricSource,
    NotificationTarget,
    Ratio,
    Ref,
    Shorthand,
    Sli,
    Slo,
    SloService,
    SloTarget,
    WrittenAt,
    span,
)
from models.policy import BurnPair, BurnWindows
from models.slo_windows import window_of

NOWHERE = WrittenAt("", 0)

_PLACES = Decimal("1.000000000")
_LONGEST_NAME = 200
_MONTH_DAYS = 30


def exported(rows: Iterable[Mapping[str, Any]], policy_of: Callable[[int], BurnWindows]) -> list[Item]:
    """OpenSLO objects of objectives: a Service per app, an SLO each, and the alert policies they name: their own, or the built-in ones.

    Args:
        rows: ``app_id, environment, objective, indicator, target, threshold_ms, time_window, budgeting_method, slice_minutes,
            slice_target, missing_slices, quiet_slices, span_kinds, route, without_cold_starts, alerting``.
        policy_of: the windows alerts of an objective of some days fire by; a pair is one condition with the annotation of its short window.
    """
    rows = list(rows)
    services = _names({row["app_id"] for row in rows})
    slos = _names({(row["app_id"], row["environment"], row["objective"]) for row in rows})
    own = _own_policies(rows)
    alerts = {
        days: list(_alerts(days, policy_of(days)))
        for days in sorted({_days(row) for row in rows if not row["alerting"]})
    }
    items: list[Item] = [
        SloService(Meta(name, annotations={APP: app}), NOWHERE) for app, name in services.items()
    ]
    items.extend(one for group in alerts.values() for pair in group for one in pair)
    items.extend(_written_out(own))
    items.extend(
        _slo(
            row,
            services[row["app_id"]],
            slos[row["app_id"], row["environment"], row["objective"]],
            [own[one] for one in _rules(row)]
            if row["alerting"]
            else [policy_.meta.name for _, policy_ in alerts[_days(row)]],
        )
        for row in rows
    )
    return items


def _rules(row: Mapping[str, Any]) -> tuple[AlertRule, ...]:
    rules = rules_of(row["alerting"])
    return () if rules is None else rules.lines


def _own_policies(rows: Iterable[Mapping[str, Any]]) -> dict[AlertRule, str]:
    """Every policy of the objectives -> its name, told apart by a number where two of a name differ."""
    names: dict[AlertRule, str] = {}
    texts = sorted({row["alerting"]: None for row in rows if row["alerting"]})
    for rule in (rule for text in texts for rule in _rules({"alerting": text})):
        name, number = rule.policy, 1
        while rule not in names and name in names.values():
            number += 1
            name = f"{rule.policy}-{number}"
        names.setdefault(rule, name)
    return names


def _written_out(policies: Mapping[AlertRule, str]) -> Iterator[Item]:
    """Policies with their conditions, and who is told by them; a name OpenSLO does not allow stands in ``target``."""
    targets = _names({target for rule in policies for target in rule.targets})
    for target, name in targets.items():
        yield NotificationTarget(Meta(name), NOWHERE, target=target)
    for rule, name in policies.items():
        annotations = {SHORT_WINDOW: rule.short} if rule.short != rule.long else {}
        yield Condition(
            Meta(name, annotations=annotations),
            NOWHERE,
            severity=rule.severity,
            op="gte" if rule.or_equal else "gt",
            threshold=_plain(rule.factor),
            lookback=span(rule.long),
            after=span(rule.after),
        )
        yield AlertPolicy(
            Meta(name),
            NOWHERE,
            when_no_data=rule.when_no_data,
            when_resolved=rule.tells_end,
            when_breaching=rule.fires,
            conditions=(Ref(name, NOWHERE),),
            targets=tuple(Ref(targets[one], NOWHERE) for one in rule.targets),
        )


def _names(keys: Iterable[Any]) -> dict[Any, str]:
    """A name OpenSLO allows for each key, told apart by a number where letters are not enough."""
    names: dict[Any, str] = {}
    for key in sorted(keys):
        parts = [key] if isinstance(key, str) else [part for part in key if part]
        plain = re.sub(r"[^a-z0-9.-]+", "-", ".".join(parts).lower())[:_LONGEST_NAME].strip("-.") or "app"
        name, number = plain, 1
        while name in names.values():
            number += 1
            name = f"{plain}-{number}"
        names[key] = name
    return names


def _measured(row: Mapping[str, Any], meta: Meta) -> tuple[Sli, str, Decimal | None]:
    """Indicator of an objective, and operator and value of its threshold."""
    is_latency = row["indicator"] == LATENCY
    asked = MetricSource(SOURCE_TYPE, spec={"indicator": row["indicator"], "kinds": list(row["span_kinds"])})
    if is_latency:
        noted = replace(meta, annotations={UNIT: "ms"})
        return Sli(noted, NOWHERE, threshold=asked), "lte", Decimal(row["threshold_ms"])
    question = question_of(row["indicator"])
    if question is None:
        return Sli(meta, NOWHERE, ratio=Ratio(counter=True, good=asked, total=asked)), "", None
    if question.kind != RATIO:
        spec, op, value = threshold_of(question)
        return Sli(meta, NOWHERE, threshold=MetricSource(SOURCE_TYPE, spec=spec)), op, value
    assert question.part is not None
    part, total = (MetricSource(SOURCE_TYPE, spec=spec_of(one)) for one in (question.part, question.total))
    is_bad = question.part_is_bad
    counts = Ratio(None, None if is_bad else part, part if is_bad else None, total)
    return Sli(meta, NOWHERE, ratio=counts), "", None


def _slo(row: Mapping[str, Any], service: str, name: str, policies: Iterable[str]) -> Slo:
    sli, op, value = _measured(row, Meta(f"{name}.indicator"[: _LONGEST_NAME + 50]))
    target = SloTarget(
        _plain(row["target"]),
        op=op,
        value=value,
        slice_target=None if row["slice_target"] is None else _plain(row["slice_target"]),
        slice_window=None if row["slice_minutes"] is None else Shorthand(row["slice_minutes"], "m"),
    )
    annotations = {APP: row["app_id"], OBJECTIVE: row["objective"]}
    if row["environment"]:
        annotations[ENVIRONMENT] = row["environment"]
    if row["route"]:
        annotations[ROUTE] = row["route"]
    if row["without_cold_starts"]:
        annotations[COLD_STARTS] = "exclude"
    said = {MISSING_SLICES: row["missing_slices"], QUIET_SLICES: row["quiet_slices"]}
    annotations |= {key: word for key, word in said.items() if word}
    return Slo(
        Meta(name, annotations=annotations),
        NOWHERE,
        service,
        window_of(row["time_window"]),
        row["budgeting_method"],
        (target,),
        sli,
        tuple(Ref(policy, NOWHERE) for policy in policies),
    )


def _days(row: Mapping[str, Any]) -> int:
    """Days the burn of an objective is weighed by: of months thirty each."""
    window = window_of(row["time_window"])
    length = window.duration.length
    return length.days if length is not None else _MONTH_DAYS * window.duration.months


def _plain(share: Decimal) -> Decimal:
    """A number without the zeros behind it."""
    return Decimal(format(share.normalize(), "f"))


def _alerts(window_days: int, policy: BurnWindows) -> Iterator[tuple[Condition, AlertPolicy]]:
    for pair in policy.pairs:
        name = f"{pair.severity}-{pair.long}-{pair.short}-of-{window_days}d"
        condition = Condition(
            Meta(name, annotations={SHORT_WINDOW: pair.short}),
            NOWHERE,
            severity=pair.severity,
            op="gt",
            threshold=_factor(pair, window_days),
            lookback=span(pair.long),
        )
        yield (
            condition,
            AlertPolicy(
                Meta(name, annotations={BUILT_IN: "true"}),
                NOWHERE,
                when_breaching=True,
                conditions=(Ref(condition.meta.name, NOWHERE),),
            ),
        )


def _factor(pair: BurnPair, window_days: int) -> Decimal:
    factor: Fraction = pair.factor(window_days)
    return _plain((Decimal(factor.numerator) / Decimal(factor.denominator)).quantize(_PLACES))
