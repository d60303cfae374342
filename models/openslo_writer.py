"""Writes OpenSLO v1: the values of ``models.openslo`` as YAML documents that ``models.openslo_reader`` reads back as they were.

Numbers are written as they are held, never by way of a float.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import yaml

from models.openslo import (
    API_VERSION,
    AlertPolicy,
    Condition,
    DataSource,
    Item,
    Meta,
    MetricSource,
    NotificationTarget,
    Ratio,
    Ref,
    Sli,
    Slo,
    SloService,
    SloTarget,
    TimeWindow,
    kind_of,
)

Fields = dict[str, Any]

_REF = {
    "SLI": "indicatorRef",
    "AlertPolicy": "alertPolicyRef",
    "AlertCondition": "conditionRef",
    "AlertNotificationTarget": "targetRef",
}
"""Kind -> the key that names an object of it."""


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """The safe dumper, with decimals and without aliases, which few readers of OpenSLO follow."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _decimal(dumper: yaml.SafeDumper, value: Decimal) -> yaml.Node:
    text = format(value, "f")
    kind = "float" if "." in text else "int"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{kind}", text)


_Dumper.add_representer(Decimal, _decimal)


def written(items: Iterable[Item]) -> str:
    """Objects as YAML, a document each, in their order."""
    return yaml.dump_all(
        [{"apiVersion": API_VERSION, **_whole(item)} for item in items],
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        explicit_start=True,
        width=120,
    )


def _whole(item: Item) -> Fields:
    return {"kind": kind_of(item), "metadata": _meta(item.meta), "spec": _spec(item)}


def _meta(meta: Meta) -> Fields:
    labels = {name: list(values) for name, values in meta.labels.items()}
    return _given(
        name=meta.name, displayName=meta.display_name, labels=labels, annotations=dict(meta.annotations)
    )


def _spec(item: Item) -> Fields:
    match item:
        case Slo():
            return _given(
                description=item.description,
                service=item.service,
                **_indicator(item.indicator),
                timeWindow=[_window(item.window)],
                budgetingMethod=item.method,
                objectives=[_target(one) for one in item.targets],
                alertPolicies=[_part(one, "AlertPolicy") for one in item.alert_policies],
            )
        case Sli():
            return _given(
                description=item.description,
                thresholdMetric=_metric(item.threshold),
                ratioMetric=None if item.ratio is None else _ratio(item.ratio),
            )
        case AlertPolicy():
            return _given(
                description=item.description,
                alertWhenNoData=item.when_no_data,
                alertWhenResolved=item.when_resolved,
                alertWhenBreaching=item.when_breaching,
                conditions=[_part(one, "AlertCondition") for one in item.conditions],
                notificationTargets=[_part(one, "AlertNotificationTarget") for one in item.targets],
            )
        case Condition():
            return _given(
                description=item.description,
                severity=item.severity,
                condition=_given(
                    kind=item.kind,
                    op=item.op,
                    threshold=item.threshold,
                    lookbackWindow=_text(item.lookback),
                    alertAfter=_text(item.after),
                ),
            )
        case DataSource():
            return _given(
                description=item.description, type=item.type, connectionDetails=dict(item.connection)
            )
        case NotificationTarget():
            return _given(description=item.description, target=item.target)
        case SloService():
            return _given(description=item.description)


def _given(**fields: Any) -> Fields:
    """Fields that say something."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _part(one: Item | Ref, kind: str) -> Fields:
    if isinstance(one, Ref):
        return {_REF[kind]: one.name}
    return _whole(one)


def _indicator(one: Sli | Ref | None) -> Fields:
    if one is None:
        return {}
    if isinstance(one, Ref):
        return {"indicatorRef": one.name}
    return {"indicator": {"metadata": _meta(one.meta), "spec": _spec(one)}}


def _window(window: TimeWindow) -> Fields:
    fields: Fields = {"duration": str(window.duration), "isRolling": window.calendar is None}
    if window.calendar is not None:
        fields["calendar"] = {
            "startTime": window.calendar.start.isoformat(" "),
            "timeZone": window.calendar.zone,
        }
    return fields


def _target(one: SloTarget) -> Fields:
    return _given(
        displayName=one.display_name,
        op=one.op,
        value=one.value,
        **{"target": one.share},
        timeSliceTarget=one.slice_target,
        timeSliceWindow=_text(one.slice_window),
        compositeWeight=one.weight,
        **_indicator(one.indicator),
    )


def _ratio(ratio: Ratio) -> Fields:
    return _given(
        counter=ratio.counter,
        good=_metric(ratio.good),
        bad=_metric(ratio.bad),
        total=_metric(ratio.total),
        raw=_metric(ratio.raw),
        rawType=ratio.raw_type,
    )


def _metric(source: MetricSource | None) -> Fields | None:
    if source is None:
        return None
    named = {} if source.source is None else {"metricSourceRef": source.source.name}
    asked: Mapping[str, Any] = source.spec
    return {"metricSource": {**named, **_given(type=source.type), "spec": dict(asked)}}
