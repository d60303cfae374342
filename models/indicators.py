"""Indicators beside requests: what an OpenSLO metric source asks to count, and counts of records made into good and all events.

A question is a closed form: a source, conditions and what is counted, never a text of SQL. Takes plain values of YAML and
frames; which objects name a question is ``models.objectives``, counting records is ``sql/queries/indicators``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import polars as pl

from models.errors import ModelError
from models.policy import IndicatorSources, indicator_sources
from models.schemas import SCHEMAS

RATIO, SATURATION, FRESHNESS = KINDS = ("ratio", "saturation", "freshness")
"""Of two counts; of points within a threshold; of slices whose newest record is young enough."""

SLICE = timedelta(minutes=5)
"""Length of a slice, that of request slices; freshness is judged at the end of each, which is one event."""

AGE = "age"
"""What ``measure`` says where the age of the newest record is held against the threshold."""

SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
"""Units an age may have, in seconds; the names of UCUM."""

_ORDERS = ("lt", "lte", "gt", "gte")
_MAPS = ("attributes", "resource")
_KNOWN = ("from", "where", "metric", "sum", "measure", "unit")
_OPERATORS = ("is", "not", *_ORDERS)


class Misasked(Exception):
    """A mistake in a question: the field below the source's ``spec``, and what completes the sentence."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem


@dataclass(frozen=True)
class Need:
    """One condition on a record: ``field`` (and ``key`` of a map), held against texts, or against a number."""

    field: str
    key: str
    op: str
    texts: tuple[str, ...] = ()
    number: str = ""


@dataclass(frozen=True)
class Tally:
    """What one query counts: records of a source that meet every condition, or what a column of them sums up to.

    ``metric`` of points and counters; ``summed`` is a column of a table: its rows count by it, without it one each.
    """

    source: str
    needs: tuple[Need, ...] = ()
    metric: str = ""
    summed: str = ""


@dataclass(frozen=True)
class Question:
    """An indicator: good or bad of all events; of freshness the age its newest record may have, by ``op`` lte or lt."""

    kind: str
    total: Tally
    part: Tally | None = None
    part_is_bad: bool = False
    seconds: int = 0
    op: str = ""

    @property
    def text(self) -> str:
        """The question as one text, equal for equal questions: ``indicator`` of the published tables."""
        return f"{self.kind} {json.dumps(asdict(self), sort_keys=True, separators=(',', ':'))}"

    @property
    def counts(self) -> tuple[Tally, ...]:
        """The queries it needs."""
        return (self.total,) if self.part is None else (self.part, self.total)

    @property
    def days_before(self) -> int:
        """Days before one whose records it needs: a counter's point before, a record that may still be fresh."""
        fresh = timedelta(seconds=self.seconds) // timedelta(days=1) + 1 if self.seconds else 0
        # What takes long is known where it began and young when it ended.
        late = any(one.source in ("spans", "counters") for one in self.counts)
        return fresh + late


def question_of(text: str) -> Question | None:
    """The question a published text tells; None of an indicator of requests.

    Raises:
        ModelError: the text is none of ours.
    """
    kind, _, rest = text.partition(" ")
    if not rest:
        return None
    try:
        told = json.loads(rest)
        return Question(**{**told, "total": _told(told["total"]), "part": _told(told["part"])})
    except (ValueError, KeyError, TypeError):
        raise ModelError(f"the published indicator {kind} cannot be read: run `appfleet run` again") from None


def _told(counted: Mapping[str, Any] | None) -> Tally | None:
    if counted is None:
        return None
    needs = tuple(Need(**{**one, "texts": tuple(one["texts"])}) for one in counted["needs"])
    return Tally(**{**counted, "needs": needs})


def asks_records(spec: Mapping[str, Any]) -> bool:
    """Whether the ``spec`` of a metric source asks for records and not for requests."""
    return "from" in spec


def counted_of(spec: Mapping[str, Any], sources: IndicatorSources | None = None) -> Tally:
    """What the ``spec`` of a metric source asks to count.

    Args:
        spec: ``from`` and, by the source, ``where``, ``metric`` and ``sum``.
        sources: what may be counted; None: the policy's.

    Raises:
        Misasked: an unknown source, column or field, a value that is none.
    """
    sources = sources or indicator_sources()
    for name in spec:
        if name not in _KNOWN:
            raise Misasked(str(name), f"is not known; known are {', '.join(_KNOWN)}")
    source = spec["from"]
    if not isinstance(source, str) or (source not in sources.telemetry and source not in sources.tables):
        known = ", ".join([*sources.telemetry, *sources.tables])
        is_table = source in SCHEMAS
        raise Misasked(
            "from",
            f"is {str(source)[:60]!r}, "
            + ("a table nothing is counted in" if is_table else "which is no signal or published table")
            + f"; it can be {known}",
        )
    if source in sources.tables:
        return _of_table(source, spec, sources)
    return _of_telemetry(source, spec, sources)


def _of_telemetry(source: str, spec: Mapping[str, Any], sources: IndicatorSources) -> Tally:
    signal = sources.telemetry[source]
    if "sum" in spec:
        raise Misasked("sum", f"is a column of a table; {source} count one each")
    metric = _text(spec, "metric")
    if signal.metric != bool(metric):
        problem = "is missing: name the metric" if signal.metric else f"names a metric; {source} have none"
        raise Misasked("metric", problem)
    needs = _needs(spec, signal.fields, sources, with_maps=True)
    _check_values(needs, signal.values)
    return Tally(source, needs, metric)


def _check_values(needs: Iterable[Need], values: Mapping[str, Sequence[str]]) -> None:
    """A value that a field cannot hold would count nothing, in silence."""
    for need in needs:
        known = values.get(need.field)
        if known is None or need.key:
            continue
        is_numbers = all(one.isdigit() for one in known)
        if need.op in _ORDERS and not is_numbers:
            raise Misasked(f"where.{need.field}.{need.op}", f"is of {need.field}, which is no number")
        unknown = [one for one in need.texts if one not in known]
        if unknown:
            told = f"a number, {known[0]} to {known[-1]}" if is_numbers else ", ".join(known)
            raise Misasked(f"where.{need.field}", f"is {unknown[0][:40]!r}; it can be {told}")


def _of_table(table: str, spec: Mapping[str, Any], sources: IndicatorSources) -> Tally:
    known = sources.tables[table]
    if "metric" in spec:
        raise Misasked("metric", f"names a metric; {table} has none")
    summed = _text(spec, "sum")
    if summed and summed not in known.sums:
        raise Misasked(
            "sum", f"is {summed[:60]!r}, which counts no events; there are {', '.join(known.sums)}"
        )
    needs = _needs(spec, known.fields, sources, with_maps=False)
    for need in needs:
        if need.op in _ORDERS and not SCHEMAS[table][need.field].is_numeric():
            raise Misasked(f"where.{need.field}.{need.op}", f"is of {need.field}, which is no number")
    return Tally(table, needs, "", summed)


def _text(spec: Mapping[str, Any], name: str) -> str:
    found = spec.get(name)
    if found is None:
        return ""
    if not isinstance(found, str) or not found.strip():
        raise Misasked(name, "must be a name")
    return found.strip()


def _needs(
    spec: Mapping[str, Any], fields: Sequence[str], sources: IndicatorSources, *, with_maps: bool
) -> tuple[Need, ...]:
    """Conditions of ``where`` in one order, whatever order they were written in."""
    where = spec.get("where")
    if where is None:
        return ()
    if not isinstance(where, Mapping):
        raise Misasked("where", "must be a mapping of fields to values")
    needs: list[Need] = []
    for field, asked in where.items():
        name, _, key = str(field).partition(".")
        at = f"where.{field}"
        if with_maps and name in _MAPS and key:
            place = name, key
        elif field in fields:
            place = str(field), ""
        else:
            maps = ", attributes.<key> and resource.<key>" if with_maps else ""
            raise Misasked(at, f"is no field; there are {', '.join(fields)}{maps}")
        needs.extend(_held(at, *place, asked, sources))
    if len(needs) > sources.most_conditions:
        raise Misasked("where", f"has {len(needs)} conditions; {sources.most_conditions} are the most")
    return tuple(sorted(needs, key=lambda one: (one.field, one.key, one.op, one.texts, one.number)))


def _held(at: str, field: str, key: str, asked: Any, sources: IndicatorSources) -> Iterable[Need]:
    if not isinstance(asked, Mapping):
        asked = {"is": asked}
    if not asked:
        raise Misasked(at, f"holds no condition; it can be a value, a list, or {', '.join(_OPERATORS)}")
    for op, value in asked.items():
        if op in _ORDERS:
            yield Need(field, key, op, number=number_text(f"{at}.{op}", value))
        elif op in _OPERATORS:
            values = value if isinstance(value, list) else [value]
            if not values or len(values) > sources.most_values:
                raise Misasked(at, f"has {len(values)} values; 1 to {sources.most_values} can be told")
            yield Need(field, key, op, tuple(sorted({_plain(at, one) for one in values})))
        else:
            raise Misasked(f"{at}.{op}", f"is not known; known are {', '.join(_OPERATORS)}")


def _plain(at: str, value: Any) -> str:
    """A value as attributes are kept: numbers and booleans as JSON has them."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise Misasked(at, f"holds {str(value)[:40]!r}; write text, a number, true or false")


def number_text(at: str, value: Any) -> str:
    """A number as it is written, without zeros behind.

    Raises:
        Misasked: it is none.
    """
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite():
        raise Misasked(at, f"is {str(value)[:40]!r}, which is no number")
    return format(number.normalize(), "f")


def ratio(part: Mapping[str, Any], total: Mapping[str, Any], *, part_is_bad: bool) -> Question:
    """The question of a ``ratioMetric``: good or bad of all.

    Raises:
        Misasked: as ``counted_of``; the field begins with ``good.``, ``bad.`` or ``total.``
    """
    name = "bad" if part_is_bad else "good"
    found = {}
    for side, spec in ((name, part), ("total", total)):
        try:
            if not asks_records(spec):
                raise Misasked("from", "is missing: the other one of the two counts records")
            if "measure" in spec or "unit" in spec:
                extra = "measure" if "measure" in spec else "unit"
                raise Misasked(extra, "belongs to a thresholdMetric; a ratio counts")
            found[side] = counted_of(spec)
        except Misasked as wrong:
            raise Misasked(f"{side}.{wrong.field}", wrong.problem) from None
    return Question(RATIO, found["total"], found[name], part_is_bad)


def threshold(spec: Mapping[str, Any], op: str, value: Decimal) -> Question:
    """The question of a ``thresholdMetric``: points within the value, or the age of the newest record with ``measure: age``.

    Raises:
        Misasked: as ``counted_of``; a source without a value, an age without a unit of time.
    """
    counted = counted_of(spec)
    if "measure" in spec:
        return _freshness(spec, counted, op, value)
    if counted.source != "points":
        raise Misasked(
            "from",
            f"is {counted.source}, which has no value to hold against a threshold; take points, or `measure: {AGE}`",
        )
    unit = Need("unit", "", "is", (str(spec.get("unit", "")).strip(),))
    total = replace(counted, needs=_in_order((*counted.needs, unit)))
    limit = Need("value", "", op, number=number_text("value", value))
    return Question(SATURATION, total, replace(total, needs=_in_order((*total.needs, limit))))


def spec_of(counted: Tally) -> dict[str, Any]:
    """The ``spec`` that asks for a count: ``counted_of`` of it is the same."""
    where: dict[str, dict[str, Any]] = {}
    for need in counted.needs:
        field = f"{need.field}.{need.key}" if need.key else need.field
        where.setdefault(field, {})[need.op] = list(need.texts) if need.texts else need.number
    spec: dict[str, Any] = {"from": counted.source}
    if counted.metric:
        spec["metric"] = counted.metric
    if counted.summed:
        spec["sum"] = counted.summed
    if where:
        spec["where"] = where
    return spec


def threshold_of(question: Question) -> tuple[dict[str, Any], str, Decimal]:
    """``spec``, ``op`` and ``value`` that ask for a saturation or freshness."""
    if question.kind == FRESHNESS:
        return (
            {**spec_of(question.total), "measure": AGE, "unit": "s"},
            question.op,
            Decimal(question.seconds),
        )
    assert question.part is not None
    limits = [one for one in question.part.needs if one.field == "value" and one not in question.total.needs]
    limit = limits[0] if limits else next(one for one in question.part.needs if one.field == "value")
    units = [one for one in question.total.needs if one.field == "unit"]
    rest = tuple(one for one in question.total.needs if one not in units[-1:])
    return (
        {**spec_of(replace(question.total, needs=rest)), "unit": units[-1].texts[0]},
        limit.op,
        Decimal(limit.number),
    )


def _in_order(needs: Iterable[Need]) -> tuple[Need, ...]:
    return tuple(sorted(set(needs), key=lambda one: (one.field, one.key, one.op, one.texts, one.number)))


def _freshness(spec: Mapping[str, Any], counted: Tally, op: str, value: Decimal) -> Question:
    sources = indicator_sources()
    if spec["measure"] != AGE:
        raise Misasked("measure", f"is {str(spec['measure'])[:40]!r}; it can be {AGE}")
    if counted.source in sources.telemetry and not sources.telemetry[counted.source].age:
        raise Misasked("from", f"is {counted.source}, which have no age; take points, logs, spans or a table")
    unit = str(spec.get("unit", "")).strip()
    if unit not in SECONDS:
        raise Misasked("unit", f"is {unit[:20]!r}; an age is told in {', '.join(SECONDS)}")
    if op not in ("lte", "lt"):
        raise Misasked(
            "measure", f"is {AGE}, and what is {op} its value is old, not fresh; write `op: lte` or `lt`"
        )
    seconds = value * SECONDS[unit]
    oldest = sources.oldest_fresh
    if seconds % 1 or not 1 <= seconds <= oldest.total_seconds():
        raise Misasked(
            "measure", f"is held against {value} {unit}; it can be 1 s to {oldest.days} d, in whole seconds"
        )
    return Question(FRESHNESS, replace(counted, summed=""), seconds=int(seconds), op=op)


ASKED = pl.Schema({"app_id": pl.String(), "indicator": pl.String()})
"""Which app is held to which question (its text)."""

RECORDS = pl.Schema(
    {
        "place": pl.UInt32(),
        "app_id": pl.String(),
        "environment": pl.String(),
        "slice_start": pl.Datetime("us", "UTC"),
        "counted": pl.UInt64(),
        "set_aside": pl.UInt64(),
        "newest": pl.Datetime("ns", "UTC"),
    }
)
"""Columns of every query of ``sql/queries/indicators``; ``place`` is the number of the count asked for."""

_SLICE_KEYS = ("app_id", "environment", "slice_start")


def ratio_slices(question: Question, part: pl.DataFrame, total: pl.DataFrame) -> pl.DataFrame:
    """Slices of a ratio or threshold: ``app_id, environment, slice_start, good, total, set_aside``.

    ``good`` never exceeds ``total``: of two queries that count different records one may find more, which is cut and counted in
    ``set_aside``, as are the records that could not be counted. A slice without events has no row unless some were set aside.

    Args:
        question: whose ``part_is_bad`` says what ``part`` counts.
        part: ``RECORDS`` of its part.
        total: the same of all.
    """
    both = total.select(*_SLICE_KEYS, total="counted", aside_total="set_aside").join(
        part.select(*_SLICE_KEYS, part="counted", aside_part="set_aside"),
        on=list(_SLICE_KEYS),
        how="full",
        coalesce=True,
    )
    filled = both.with_columns(pl.col("total", "part", "aside_total", "aside_part").fill_null(0))
    kept = pl.min_horizontal("part", "total")
    return (
        filled.with_columns(
            good=(pl.col("total") - kept) if question.part_is_bad else kept,
            set_aside=pl.max_horizontal("aside_total", "aside_part") + pl.col("part") - kept,
        )
        .filter((pl.col("total") > 0) | (pl.col("set_aside") > 0))
        .select(*_SLICE_KEYS, *(pl.col(name).cast(pl.UInt64) for name in ("good", "total", "set_aside")))
        .sort(_SLICE_KEYS)
    )


def fresh_slices(
    question: Question, records: pl.DataFrame, known: pl.DataFrame, days: Iterable[date]
) -> pl.DataFrame:
    """Slices of a freshness: one event each, good where the newest record is young enough at the slice's end.

    A slice counts from the one on in which the first record was seen; before it nothing is known.

    Args:
        question: the age, and how it is held.
        records: ``RECORDS`` with the newest of each slice.
        known: ``app_id, environment`` that were seen before the records begin.
        days: days to give slices of.
    """
    wanted = sorted(days)
    if not wanted or (records.is_empty() and known.is_empty()):
        return pl.DataFrame(
            schema={
                "app_id": pl.String(),
                "environment": pl.String(),
                "slice_start": pl.Datetime("us", "UTC"),
                **dict.fromkeys(("good", "total", "set_aside"), pl.UInt64()),
            }
        )
    keys = ("app_id", "environment")
    starts = pl.concat(
        [
            pl.datetime_range(
                _midnight(day), _midnight(day + timedelta(days=1)), SLICE, closed="left", eager=True
            )
            for day in wanted
        ]
    ).dt.cast_time_unit("us")
    first = records.group_by(keys).agg(first=pl.col("slice_start").min())
    began = known.unique().select(
        *keys, first=pl.lit(_midnight(date(1970, 1, 1))).cast(pl.Datetime("us", "UTC"))
    )
    since = pl.concat([first, began]).group_by(keys).agg(pl.col("first").min())
    grid = since.join(pl.DataFrame({"slice_start": starts}), how="cross").filter(
        pl.col("slice_start") >= pl.col("first")
    )
    ended = grid.with_columns(end=(pl.col("slice_start") + SLICE).cast(pl.Datetime("ns", "UTC"))).sort("end")
    seen = records.select(*keys, "newest", at="newest").sort("at")
    # A record at the very end belongs to the next slice.
    newest = ended.join_asof(
        seen,
        left_on="end",
        right_on="at",
        by=list(keys),
        strategy="backward",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    age = (pl.col("end") - pl.col("newest")).dt.total_nanoseconds()
    limit = question.seconds * 10**9
    is_fresh = (age <= limit) if question.op == "lte" else (age < limit)
    return newest.select(
        *keys,
        "slice_start",
        good=is_fresh.fill_null(False).cast(pl.UInt64),
        total=pl.lit(1, pl.UInt64),
        set_aside=pl.lit(0, pl.UInt64),
    ).sort(_SLICE_KEYS)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
