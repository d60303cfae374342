"""Reads OpenSLO v1: YAML documents in, the values of ``models.openslo`` and every mistake out, each with file, line and field.

Takes composed nodes; finding files belongs to ``pipelines.ingest.objectives``. A mistake costs its own document, never the
others. Numbers are exact as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

import yaml

from models.errors import ConfigurationError
from models.openslo import (
    API_VERSION,
    KINDS,
    METHODS,
    OCCURRENCES,
    OPERATORS,
    SHORT_WINDOW,
    UNIT,
    AlertPolicy,
    Calendar,
    Condition,
    DataSource,
    Item,
    Meta,
    MetricSource,
    NotificationTarget,
    OpenSloCatalogue,
    Ratio,
    Ref,
    Shorthand,
    Sli,
    Slo,
    SloService,
    SloTarget,
    TimeWindow,
    WrittenAt,
    duplicates,
    kind_of,
    references,
    span,
)
from models.yaml_reader import Document, YamlReader, is_empty

T = TypeVar("T")
Fields = Mapping[str, yaml.Node]

UNITS = ("ms", "s")
"""Units a threshold of latency can have."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_NUMBER = re.compile(r"[+-]?([0-9]{1,15}(\.[0-9]{0,18})?|\.[0-9]{1,18})([eE][+-]?[0-9]{1,2})?")
_NO_TIME = re.compile("0+[mhdw]?")
_META = {"name", "displayName", "labels", "annotations"}
_LONGEST_TEXT = 1050
"""Characters of a description, as the specification has it."""


@dataclass(frozen=True)
class Reading:
    """What some files hold: the objects without a mistake, the mistakes, and what is allowed and most likely not meant."""

    catalogue: OpenSloCatalogue
    mistakes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read(found: list[Document]) -> Reading:
    """Objects of documents, in their order, and every mistake in one sentence with file, line and field.

    References are looked up among all of them, so a folder is read as a whole.
    """
    items: list[Item] = []
    mistakes: list[str] = []
    warnings: list[str] = []
    broken: set[tuple[str, str]] = set()
    for document in found:
        if is_empty(document.node):
            continue
        reader = _Reader(document.file)
        item = reader.attempt(lambda reader=reader, node=document.node: _item(reader, node))  # type: ignore[misc]
        mistakes.extend(reader.mistakes)
        warnings.extend(reader.warnings)
        if item is not None and not reader.mistakes:
            items.append(item)
        elif reader.named:
            broken.add(reader.named)
    catalogue = OpenSloCatalogue(tuple(items))
    unsound = list(_unsound(catalogue, broken))
    sound = [one for one in items if all(one is not item for item, _ in unsound)]
    return Reading(
        OpenSloCatalogue(tuple(sound)), (*mistakes, *(sentence for _, sentence in unsound)), tuple(warnings)
    )


def _unsound(catalogue: OpenSloCatalogue, broken: set[tuple[str, str]]) -> Iterator[tuple[Item, str]]:
    """Objects that are wrong beside the others, and why: names used twice, names no object has, thresholds without a unit.

    A name whose object has a mistake of its own is told already.
    """
    for item, first in duplicates(catalogue.items):
        yield (
            item,
            f"{item.where}: metadata.name is {item.meta.name!r}, which is the name of the {kind_of(item)} of "
            f"{first.where} too; rename one of them",
        )
    known = {kind: set(catalogue.of(kind)) | {name for one, name in broken if one == kind} for kind in KINDS}
    for item in catalogue.items:
        for kind, ref in references(item):
            if ref.name not in known[kind]:
                yield item, _names_nothing(ref.where, ref.key, kind, ref.name)
        if isinstance(item, Slo):
            if known["Service"] and item.service not in known["Service"]:
                yield item, _names_nothing(item.service_at, "spec.service", "Service", item.service)
            for place, target in enumerate(item.targets):
                problem = _threshold_problem(catalogue.indicator(item, target), target)
                if problem:
                    yield item, f"{target.where}: spec.objectives[{place}]{problem}"


def _names_nothing(where: WrittenAt, key: str, kind: str, name: str) -> str:
    return f"{where}: {key} names the {kind} {name!r}, which no document describes; describe it or correct the name"


def _threshold_problem(sli: Sli | None, target: SloTarget) -> str:
    """Completes the sentence of an objective of a threshold that says too little; empty where it says enough."""
    if sli is None or sli.threshold is None:
        return ""
    if target.value is None:
        return ".value is missing: its indicator is a thresholdMetric"
    if not target.op:
        return f".op is missing; it can be {', '.join(OPERATORS)}"
    if not unit_of(sli):
        return (
            f".value is {target.value} without a unit: write the annotation `{UNIT}: ms` or `s` into the metadata of the "
            f"indicator {sli.meta.name}"
        )
    return ""


class _Reader(YamlReader):
    """Reads one document and goes on after a mistake, so that each of them is told at once."""

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self.mistakes: list[str] = []
        self.warnings: list[str] = []
        self.named: tuple[str, str] | None = None
        self.annotated: dict[str, tuple[yaml.Node, str]] = {}
        """Node and key of each annotation of the metadata read last."""

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Keeps a mistake and goes on behind the block."""
        try:
            yield
        except ConfigurationError as error:
            if str(error) not in self.mistakes:
                self.mistakes.append(str(error))

    def attempt(self, made: Callable[[], T]) -> T | None:
        """What a function makes, None after a mistake."""
        with self.guard():
            return made()
        return None

    def at(self, node: yaml.Node) -> WrittenAt:
        """File and line of a node."""
        return WrittenAt(self.file, node.start_mark.line + 1)

    def warn(self, node: yaml.Node, sentence: str) -> None:
        """Keeps what is allowed, and most likely not meant."""
        self.warnings.append(f"{self.where(node)}: {sentence}")

    def decimal(self, node: yaml.Node, key: str) -> Decimal:
        """A number as it is written."""
        text = self.source_text(node, key).strip()
        if not _NUMBER.fullmatch(text):
            self.fail(node, key, f"is {text[:40]!r}, which is no number")
        try:
            return Decimal(text)
        except InvalidOperation:
            self.fail(node, key, f"is {text[:40]!r}, which is no number")

    def span(self, node: yaml.Node, key: str) -> Shorthand:
        """A duration in the shorthand."""
        text = self.source_text(node, key)
        found = span(text)
        if found is None:
            self.fail(
                node,
                key,
                f"is {text[:40]!r}; write a number and one of m, h, d, w, M, Q, Y, such as 5m or 28d",
            )
        return found

    def truth(self, fields: Fields, name: str, key: str) -> bool | None:
        """true or false; None where nothing is written."""
        if name not in fields or is_empty(fields[name]):
            return None
        found = self.scalar(fields[name], f"{key}.{name}")
        if not isinstance(found, bool):
            self.fail(fields[name], f"{key}.{name}", "must be true or false")
        return found

    def optional(self, fields: Fields, name: str, key: str, read: Callable[[yaml.Node, str], T]) -> T | None:
        """A field by a function of its node and key; None where nothing is written."""
        node = fields.get(name)
        return None if node is None or is_empty(node) else read(node, f"{key}.{name}")

    def plain(self, node: yaml.Node, key: str) -> Any:
        """Any value as YAML has it; what it means is decided by who reads it."""
        if isinstance(node, yaml.MappingNode):
            return {
                name: self.plain(value, f"{key}.{name}") for name, value in self.mapping(node, key).items()
            }
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(one, f"{key}[{index}]") for index, one in enumerate(node.value)]
        return self.scalar(node, key)

    def description(self, fields: Fields, key: str) -> str:
        """A description of at most as many characters as the specification allows."""
        node = fields.get("description")
        found = self.optional_text(node, f"{key}.description")
        if node is not None and len(found) > _LONGEST_TEXT:
            self.fail(
                node,
                f"{key}.description",
                f"has {len(found)} characters; {_LONGEST_TEXT} are the most allowed",
            )
        return found


def _item(reader: _Reader, node: yaml.Node) -> Item:
    """The object of a document, or of what stands inline (``kind, metadata, spec``)."""
    fields = reader.mapping(node, "", {"apiVersion", "kind", "metadata", "spec"})
    for needed in ("apiVersion", "kind"):
        if needed not in fields:
            reader.fail(node, needed, "is missing")
    version = reader.source_text(fields["apiVersion"], "apiVersion")
    if version != API_VERSION:
        reader.fail(fields["apiVersion"], "apiVersion", f"is {version[:40]!r}; {API_VERSION} is read")
    kind = reader.source_text(fields["kind"], "kind")
    if kind not in _READERS:
        reader.fail(fields["kind"], "kind", f"is {kind[:40]!r}; it can be {', '.join(_READERS)}")
    return _object(reader, node, fields, kind, "")


def _object(reader: _Reader, node: yaml.Node, fields: Fields, kind: str, key: str) -> Item:
    below = f"{key}." if key else ""
    meta = _meta(reader, node, fields, f"{below}metadata")
    if not key:
        reader.named = kind, meta.name
    if "spec" not in fields:
        reader.fail(node, f"{below}spec", "is missing")
    return _READERS[kind](reader, reader.at(node), meta, fields["spec"], f"{below}spec")


def _meta(reader: _Reader, node: yaml.Node, fields: Fields, key: str) -> Meta:
    if "metadata" not in fields:
        reader.fail(node, key, "is missing")
    given = reader.mapping(fields["metadata"], key, _META)
    if "name" not in given:
        reader.fail(fields["metadata"], f"{key}.name", "is missing")
    name = reader.source_text(given["name"], f"{key}.name")
    if not _NAME.fullmatch(name):
        reader.fail(given["name"], f"{key}.name", f"is {name[:60]!r}; use small letters, digits, `-` and `.`")
    at = f"{key}.annotations"
    annotations = reader.mapping(given["annotations"], at) if "annotations" in given else {}
    reader.annotated = {one: (value, f"{at}.{one}") for one, value in annotations.items()}
    return Meta(
        name,
        reader.optional_text(given.get("displayName"), f"{key}.displayName"),
        _labels(reader, given, f"{key}.labels"),
        {one: reader.source_text(*found) for one, found in reader.annotated.items()},
    )


def _labels(reader: _Reader, given: Fields, key: str) -> dict[str, tuple[str, ...]]:
    if "labels" not in given:
        return {}
    return {
        name: tuple(
            reader.source_text(one, f"{key}.{name}")
            for one in (
                [value] if isinstance(value, yaml.ScalarNode) else reader.sequence(value, f"{key}.{name}")
            )
        )
        for name, value in reader.mapping(given["labels"], key).items()
    }


def _slo(reader: _Reader, where: WrittenAt, meta: Meta, node: yaml.Node, key: str) -> Slo:
    fields = reader.mapping(
        node,
        key,
        {
            "description",
            "service",
            "indicator",
            "indicatorRef",
            "timeWindow",
            "budgetingMethod",
            "objectives",
            "alertPolicies",
        },
    )
    _need(reader, node, fields, key, "service", "timeWindow", "budgetingMethod", "objectives")
    service = reader.attempt(lambda: reader.text(fields["service"], f"{key}.service"))
    method = reader.attempt(lambda: _choice(reader, fields, "budgetingMethod", key, METHODS))
    window = reader.attempt(lambda: _window(reader, fields["timeWindow"], f"{key}.timeWindow"))
    indicator = reader.attempt(lambda: _named_or_inline(reader, node, fields, key))
    targets = [
        reader.attempt(
            lambda one=one, index=index: _target(reader, one, f"{key}.objectives[{index}]", method or "")  # type: ignore[misc]
        )
        for index, one in enumerate(reader.sequence(fields["objectives"], f"{key}.objectives"))
    ]
    if not targets:
        reader.fail(fields["objectives"], f"{key}.objectives", "holds no objective")
    held = [one for one in targets if one is not None]
    with reader.guard():
        _check_indicators(reader, node, fields, key, indicator, held)
    policies = _parts(reader, fields, "alertPolicies", key, "alertPolicyRef", "AlertPolicy")
    if service is None or method is None or window is None or len(held) < len(targets):
        raise ConfigurationError(reader.mistakes[0])
    return Slo(
        meta,
        where,
        service,
        window,
        method,
        tuple(held),
        indicator,
        tuple(cast("AlertPolicy | Ref", one) for one in policies),
        reader.description(fields, key),
        reader.at(fields["service"]),
    )


def _check_indicators(
    reader: _Reader,
    node: yaml.Node,
    fields: Fields,
    key: str,
    indicator: Sli | Ref | None,
    targets: list[SloTarget],
) -> None:
    """One indicator for all objectives, or one for each."""
    if indicator is None and "indicator" not in fields and "indicatorRef" not in fields:
        if not targets or any(one.indicator is None for one in targets):
            reader.fail(node, f"{key}.indicator", "is missing: write indicator or indicatorRef")
    elif indicator is not None and any(one.indicator is not None for one in targets):
        reader.fail(
            node, f"{key}.indicator", "stands beside indicators of its objectives; keep one or the other"
        )


def unit_of(sli: Sli) -> str:
    """Unit of the thresholds of an indicator: its annotation, else ``unit`` of what its source is asked; empty: none."""
    asked = (sli.threshold or MetricSource()).spec
    return str(sli.meta.annotations.get(UNIT) or asked.get("unit") or "").strip()


def _named_or_inline(reader: _Reader, node: yaml.Node, fields: Fields, key: str) -> Sli | Ref | None:
    if "indicator" in fields and "indicatorRef" in fields:
        reader.fail(
            fields["indicatorRef"], f"{key}.indicatorRef", "stands beside indicator; keep one of them"
        )
    if "indicatorRef" in fields:
        return _ref(reader, fields["indicatorRef"], f"{key}.indicatorRef")
    if "indicator" not in fields:
        return None
    inline = reader.mapping(
        fields["indicator"], f"{key}.indicator", {"metadata", "spec", "kind", "apiVersion"}
    )
    return cast("Sli", _object(reader, fields["indicator"], inline, "SLI", f"{key}.indicator"))


def _ref(reader: _Reader, node: yaml.Node, key: str) -> Ref:
    return Ref(reader.text(node, key), reader.at(node), key)


def _window(reader: _Reader, node: yaml.Node, key: str) -> TimeWindow:
    given = reader.sequence(node, key)
    if len(given) != 1:
        reader.fail(
            given[1] if given else node, key, f"names {len(given)} windows; an objective has exactly one"
        )
    key = f"{key}[0]"
    fields = reader.mapping(given[0], key, {"duration", "isRolling", "calendar"})
    _need(reader, given[0], fields, key, "duration")
    length = reader.span(fields["duration"], f"{key}.duration")
    if length.unit == "m":
        minutes = "a minute" if length.number == 1 else f"{length.number} minutes"
        reader.warn(
            fields["duration"], f"{key}.duration is {length}, which is {minutes}; {length.number}M is months"
        )
    rolling = reader.truth(fields, "isRolling", key)
    calendar = reader.optional(fields, "calendar", key, lambda one, at: _calendar(reader, one, at))
    if rolling and calendar is not None:
        reader.fail(fields["calendar"], f"{key}.calendar", "stands beside isRolling: true; keep one of them")
    if not rolling and calendar is None:
        reader.fail(
            given[0],
            f"{key}.calendar",
            "is missing: a window that does not roll needs its startTime and timeZone; else write isRolling: true",
        )
    return TimeWindow(length, calendar, reader.at(given[0]))


def _calendar(reader: _Reader, node: yaml.Node, key: str) -> Calendar:
    fields = reader.mapping(node, key, {"startTime", "timeZone"})
    _need(reader, node, fields, key, "startTime")
    if "timeZone" not in fields or is_empty(fields["timeZone"]):
        reader.fail(
            node, f"{key}.timeZone", "is missing: name the zone its days begin in, such as Europe/Vienna"
        )
    zone = reader.source_text(fields["timeZone"], f"{key}.timeZone").strip()
    if not is_zone(zone):
        reader.fail(
            fields["timeZone"], f"{key}.timeZone", f"is {zone[:60]!r}, which is no zone of the IANA database"
        )
    text = reader.source_text(fields["startTime"], f"{key}.startTime").strip()
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        reader.fail(
            fields["startTime"], f"{key}.startTime", f"is {text[:40]!r}; write it as 2026-01-31 00:00:00"
        )
    if start.tzinfo is not None:
        reader.fail(
            fields["startTime"], f"{key}.startTime", "carries an offset; timeZone alone says the zone"
        )
    return Calendar(start, zone)


def is_zone(name: str) -> bool:
    """Whether a name is a zone of the IANA database, as far as Python's knows it."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, no name of a file, or that of a folder
        return False
    return True


def _target(reader: _Reader, node: yaml.Node, key: str, method: str) -> SloTarget:
    fields = reader.mapping(
        node,
        key,
        {
            "displayName",
            "op",
            "value",
            "target",
            "targetPercent",
            "timeSliceTarget",
            "timeSliceWindow",
            "compositeWeight",
            "indicator",
            "indicatorRef",
        },
    )
    share = reader.attempt(lambda: _share(reader, node, fields, key))
    slice_target = reader.optional(fields, "timeSliceTarget", key, reader.decimal)
    if slice_target is not None and not 0 < slice_target <= 1:
        reader.fail(
            fields["timeSliceTarget"],
            f"{key}.timeSliceTarget",
            f"is {slice_target}; it must lie above 0, at most 1",
        )
    slice_window = reader.optional(
        fields, "timeSliceWindow", key, lambda one, at: _slice_window(reader, one, at)
    )
    if method and method != OCCURRENCES and slice_window is None:
        reader.fail(node, f"{key}.timeSliceWindow", f"is missing: {method} counts windows of that length")
    if method == METHODS[1] and slice_target is None:
        reader.fail(node, f"{key}.timeSliceTarget", f"is missing: {method} holds each window against it")
    op = (
        _choice(reader, fields, "op", key, OPERATORS) if "op" in fields and not is_empty(fields["op"]) else ""
    )
    weight = reader.optional(fields, "compositeWeight", key, reader.decimal)
    if weight is not None and weight <= 0:
        reader.fail(fields["compositeWeight"], f"{key}.compositeWeight", f"is {weight}; it must be above 0")
    value = reader.optional(fields, "value", key, reader.decimal)
    indicator = _named_or_inline(reader, node, fields, key)
    if share is None:
        raise ConfigurationError(reader.mistakes[-1])
    return SloTarget(
        share,
        reader.optional_text(fields.get("displayName"), f"{key}.displayName"),
        op,
        value,
        slice_target,
        slice_window,
        weight,
        indicator,
        reader.at(node),
    )


def _share(reader: _Reader, node: yaml.Node, fields: Fields, key: str) -> Decimal:
    """The target as a share of 1, from 0 and below 1."""
    given = [name for name in ("target", "targetPercent") if name in fields and not is_empty(fields[name])]
    if not given:
        reader.fail(node, f"{key}.target", "is missing: write target (0.999) or targetPercent (99.9)")
    if len(given) > 1:
        reader.fail(fields["targetPercent"], f"{key}.targetPercent", "stands beside target; keep one of them")
    [name] = given
    whole = 1 if name == "target" else 100
    found = reader.decimal(fields[name], f"{key}.{name}")
    if found == whole:
        reader.fail(
            fields[name],
            f"{key}.{name}",
            f"is {found}: nothing may ever fail then, so there is no budget; it must be below {whole}",
        )
    if not 0 <= found < whole:
        advice = "; a percentage is written as targetPercent" if name == "target" and 1 < found <= 100 else ""
        reader.fail(
            fields[name], f"{key}.{name}", f"is {found}; it must be at least 0 and below {whole}{advice}"
        )
    return found if whole == 1 else found.scaleb(-2)


def _slice_window(reader: _Reader, node: yaml.Node, key: str) -> Shorthand:
    """Length of a time slice; a bare number is minutes."""
    text = reader.source_text(node, key).strip()
    return reader.span(node, key) if not text.isdigit() else _minutes(reader, node, key, text)


def _minutes(reader: _Reader, node: yaml.Node, key: str, text: str) -> Shorthand:
    found = span(f"{int(text)}m")
    if found is None:
        reader.fail(node, key, f"is {text[:40]!r}; it must be a number of minutes above 0")
    return found


def _sli(reader: _Reader, where: WrittenAt, meta: Meta, node: yaml.Node, key: str) -> Sli:
    fields = reader.mapping(node, key, {"description", "ratioMetric", "thresholdMetric"})
    both = [name for name in ("ratioMetric", "thresholdMetric") if name in fields]
    if len(both) != 1:
        reader.fail(
            node, f"{key}.ratioMetric", "and thresholdMetric: exactly one of them describes an indicator"
        )
    ratio = reader.optional(fields, "ratioMetric", key, lambda one, at: _ratio(reader, one, at))
    threshold = reader.optional(fields, "thresholdMetric", key, lambda one, at: _metric(reader, one, at))
    if ratio is None and threshold is None:
        reader.fail(fields[both[0]], f"{key}.{both[0]}", "is empty")
    unit = meta.annotations.get(UNIT)
    if unit is not None and unit.strip() not in UNITS:
        reader.fail(*reader.annotated[UNIT], f"is {unit[:20]!r}; it can be {' or '.join(UNITS)}")
    return Sli(meta, where, reader.description(fields, key), ratio, threshold)


def _ratio(reader: _Reader, node: yaml.Node, key: str) -> Ratio:
    fields = reader.mapping(node, key, {"counter", "good", "bad", "total", "raw", "rawType"})
    parts = {
        name: _metric(reader, fields[name], f"{key}.{name}")
        for name in ("good", "bad", "total", "raw")
        if name in fields
    }
    if "raw" in parts:
        for other in ("good", "bad", "total"):
            if other in parts:
                reader.fail(fields[other], f"{key}.{other}", "stands beside raw; keep one of them")
        raw_type = _choice(reader, fields, "rawType", key, ("success", "failure"), node)
    else:
        raw_type = ""
        if "total" not in parts:
            reader.fail(node, f"{key}.total", "is missing")
        if ("good" in parts) == ("bad" in parts):
            reader.fail(node, f"{key}.good", "and bad: exactly one of them stands beside total")
    return Ratio(
        reader.truth(fields, "counter", key),
        parts.get("good"),
        parts.get("bad"),
        parts.get("total"),
        parts.get("raw"),
        cast("Any", raw_type),
    )


def _metric(reader: _Reader, node: yaml.Node, key: str) -> MetricSource:
    fields = reader.mapping(node, key, {"metricSource"})
    _need(reader, node, fields, key, "metricSource")
    key = f"{key}.metricSource"
    source = reader.mapping(fields["metricSource"], key, {"metricSourceRef", "type", "spec"})
    _need(reader, fields["metricSource"], source, key, "spec")
    asked = reader.plain(source["spec"], f"{key}.spec")
    if not isinstance(asked, dict):
        reader.fail(source["spec"], f"{key}.spec", "must be a mapping of keys to values")
    return MetricSource(
        reader.optional_text(source.get("type"), f"{key}.type"),
        reader.optional(source, "metricSourceRef", key, lambda one, at: _ref(reader, one, at)),
        asked,
        dict(_lines(source["spec"])),
    )


def _lines(node: yaml.Node, above: str = "") -> Iterator[tuple[str, int]]:
    """Every field of a mapping with its line, nested ones behind a dot."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                name = f"{above}{key.value}"
                yield name, key.start_mark.line + 1
                yield from _lines(value, f"{name}.")


def _service(reader: _Reader, where: WrittenAt, meta: Meta, node: yaml.Node, key: str) -> SloService:
    fields = reader.mapping(node, key, {"description"})
    return SloService(meta, where, reader.description(fields, key))


def _data_source(reader: _Reader, where: WrittenAt, meta: Meta, node: yaml.Node, key: str) -> DataSource:
    fields = reader.mapping(node, key, {"description", "type", "connectionDetails"})
    _need(reader, node, fields, key, "type")
    details = reader.optional(fields, "connectionDetails", key, reader.plain)
    if details is not None and not isinstance(details, dict):
        reader.fail(
            fields["connectionDetails"], f"{key}.connectionDetails", "must be a mapping of keys to values"
        )
    return DataSource(
        meta,
        where,
        reader.description(fields, key),
        reader.text(fields["type"], f"{key}.type"),
        details or {},
    )


def _notification_target(
    reader: _Reader, where: WrittenAt, meta: Meta, node: yaml.Node, key: str
) -> NotificationTarget:
    fields = reader.mapping(node, key, {"description", "target"})
    _need(reader, node, fields, key, "target")
    return NotificationTarget(
        meta, where, reader.description(fields, key), reader.text(fields["target"], f"{key}.target")
    )


def _condition(reader: _Reader, where: WrittenAt, meta: Meta, node: yaml.Node, key: str) -> Condition:
    fields = reader.mapping(node, key, {"description", "severity", "condition"})
    _need(reader, node, fields, key, "severity", "condition")
    at = f"{key}.condition"
    inner = reader.mapping(
        fields["condition"], at, {"kind", "op", "threshold", "lookbackWindow", "alertAfter"}
    )
    _need(reader, fields["condition"], inner, at, "kind", "op", "threshold", "lookbackWindow")
    kind = _choice(reader, inner, "kind", at, ("burnrate", "Burnrate")).lower()
    lookback = reader.span(inner["lookbackWindow"], f"{at}.lookbackWindow")
    after = reader.optional(inner, "alertAfter", at, lambda one, key: _after(reader, one, key))
    _check_short_window(reader, meta, lookback)
    return Condition(
        meta,
        where,
        reader.description(fields, key),
        reader.text(fields["severity"], f"{key}.severity"),
        kind,
        _choice(reader, inner, "op", at, OPERATORS),
        reader.decimal(inner["threshold"], f"{at}.threshold"),
        lookback,
        after,
        {
            "severity": (reader.at(fields["severity"]), f"{key}.severity"),
            **{name: (reader.at(one), f"{at}.{name}") for name, one in inner.items()},
            **{name: (reader.at(one), place) for name, (one, place) in reader.annotated.items()},
        },
    )


def _after(reader: _Reader, node: yaml.Node, key: str) -> Shorthand | None:
    """How long a condition must go on; nothing where it need not, which the specification writes as 0m."""
    return None if _NO_TIME.fullmatch(reader.source_text(node, key).strip()) else reader.span(node, key)


def _check_short_window(reader: _Reader, meta: Meta, lookback: Shorthand) -> None:
    text = meta.annotations.get(SHORT_WINDOW)
    if text is None:
        return
    short = span(text)
    if short is None or short.length is None or lookback.length is None or short.length >= lookback.length:
        reader.fail(
            *reader.annotated[SHORT_WINDOW],
            f"is {text[:20]!r}; it must be a duration of m, h, d or w shorter than lookbackWindow {lookback}",
        )


def _policy(reader: _Reader, where: WrittenAt, meta: Meta, node: yaml.Node, key: str) -> AlertPolicy:
    fields = reader.mapping(
        node,
        key,
        {
            "description",
            "alertWhenNoData",
            "alertWhenResolved",
            "alertWhenBreaching",
            "conditions",
            "notificationTargets",
        },
    )
    _need(reader, node, fields, key, "conditions")
    conditions = _parts(reader, fields, "conditions", key, "conditionRef", "AlertCondition")
    given = len(reader.sequence(fields["conditions"], f"{key}.conditions"))
    if given != 1:
        reader.fail(
            fields["conditions"],
            f"{key}.conditions",
            f"names {given} conditions; a policy has exactly one (a second window is the annotation {SHORT_WINDOW})",
        )
    return AlertPolicy(
        meta,
        where,
        reader.description(fields, key),
        reader.truth(fields, "alertWhenNoData", key),
        reader.truth(fields, "alertWhenResolved", key),
        reader.truth(fields, "alertWhenBreaching", key),
        tuple(cast("Condition | Ref", one) for one in conditions),
        tuple(
            cast("NotificationTarget | Ref", one)
            for one in _parts(
                reader, fields, "notificationTargets", key, "targetRef", "AlertNotificationTarget"
            )
        ),
    )


def _parts(reader: _Reader, fields: Fields, name: str, key: str, ref: str, kind: str) -> list[Item | Ref]:
    """Items of a list, each named by ``ref`` or written out as an object of ``kind``."""
    found: list[Item | Ref] = []
    for index, node in enumerate(reader.sequence(fields.get(name), f"{key}.{name}")):
        at = f"{key}.{name}[{index}]"
        with reader.guard():
            inner = reader.mapping(node, at, {ref, "kind", "metadata", "spec", "apiVersion"})
            if ref in inner:
                for other in inner:
                    if other != ref:
                        reader.fail(inner[other], f"{at}.{other}", f"stands beside {ref}; keep one of them")
                found.append(_ref(reader, inner[ref], f"{at}.{ref}"))
                continue
            if "kind" in inner:
                _choice(reader, inner, "kind", at, (kind,))
            found.append(_object(reader, node, inner, kind, at))
    return found


def _need(reader: _Reader, node: yaml.Node, fields: Fields, key: str, *names: str) -> None:
    for name in names:
        if name not in fields:
            reader.fail(node, f"{key}.{name}", "is missing")


def _choice(
    reader: _Reader,
    fields: Fields,
    name: str,
    key: str,
    known: tuple[str, ...],
    parent: yaml.Node | None = None,
) -> str:
    if name not in fields:
        assert parent is not None
        reader.fail(parent, f"{key}.{name}", f"is missing; it can be {', '.join(known)}")
    found = reader.source_text(fields[name], f"{key}.{name}").strip()
    if found not in known:
        reader.fail(fields[name], f"{key}.{name}", f"is {found[:40]!r}; it can be {', '.join(known)}")
    return found


_READERS: Mapping[str, Callable[[_Reader, WrittenAt, Meta, yaml.Node, str], Item]] = {
    "SLO": _slo,
    "SLI": _sli,
    "Service": _service,
    "AlertPolicy": _policy,
    "AlertCondition": _condition,
    "DataSource": _data_source,
    "AlertNotificationTarget": _notification_target,
}
