"""What an objective counts beside requests, in words: the same for pages, commands and alerts.

Text of an indicator in, words out; what a question is belongs to ``models.indicators``.
"""

from __future__ import annotations

from functools import lru_cache

from models.errors import ModelError
from models.indicators import FRESHNESS, RATIO, Need, Question, Tally, question_of, threshold_of
from models.policy import indicator_sources

_ORDERS = {"lt": "below", "lte": "at most", "gt": "above", "gte": "at least"}
_AGES = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_VALUES = 3
"""Values of a condition that are named; a list may be long."""


@lru_cache(maxsize=1024)
def events_word(indicator: str | None, usual: str = "events") -> str:
    """What the events of an objective are; ``usual`` where it counts requests.

    Args:
        indicator: text of a question, or of an indicator of requests; None or empty: of requests.
        usual: word for requests where they stand.
    """
    question = _question(indicator)
    if question is None:
        return usual
    return "slices of five minutes" if question.kind == FRESHNESS else _records(question.total)


@lru_cache(maxsize=1024)
def indicator_sentence(indicator: str | None) -> str:
    """What an objective counts beside requests, as the part of a sentence; empty where it counts requests."""
    question = _question(indicator)
    if question is None:
        named = indicator or ""
        return f"counts what this version cannot read ({named[:60]})" if " " in named else ""
    if question.kind == FRESHNESS:
        held = "younger than" if question.op == "lt" else "at most"
        old = "" if question.op == "lt" else " old"
        return f"counts slices of five minutes, good while the newest of {_of(question.total)} is {held} {_age(question.seconds)}{old}"
    if question.kind == RATIO:
        assert question.part is not None
        side = "bad" if question.part_is_bad else "good"
        return f"counts {_of(question.total)}, {side} are {_of(question.part)}"
    spec, op, value = threshold_of(question)
    unit = "" if spec["unit"] in ("", "1") else f" {spec['unit']}"
    return (
        f"counts {_of(_without_unit(question))}, good with a value {_ORDERS[op]} {value.normalize():f}{unit}"
    )


def _question(indicator: str | None) -> Question | None:
    """The question of a text; None of requests, and of a text another version wrote: words about one objective stop no alert."""
    try:
        return question_of(indicator or "")
    except ModelError:
        return None


def _without_unit(question: Question) -> Tally:
    total = question.total
    return Tally(
        total.source, tuple(one for one in total.needs if one.field != "unit"), total.metric, total.summed
    )


def _records(counted: Tally) -> str:
    """Name of what is counted, without its conditions."""
    sources = indicator_sources()
    if counted.source in sources.tables:
        return counted.summed or sources.tables[counted.source].rows
    word = sources.telemetry[counted.source].records
    return f"{word} of {counted.metric}" if counted.metric else word


def _of(counted: Tally) -> str:
    """Name of what is counted, with its table and conditions."""
    where = f" in {counted.source}" if counted.source in indicator_sources().tables else ""
    needs = " and ".join(_need(one) for one in counted.needs)
    return f"{_records(counted)}{where}" + (f" with {needs}" if needs else "")


def _need(need: Need) -> str:
    field = f"{need.field}.{need.key}" if need.key else need.field
    if need.op in _ORDERS:
        return f"{field} {_ORDERS[need.op]} {need.number}"
    more = f" or {len(need.texts) - _VALUES} more" if len(need.texts) > _VALUES else ""
    named = " or ".join(need.texts[:_VALUES]) or "nothing"
    return f"{field} {'not ' if need.op == 'not' else ''}{named}{more}"


def _age(seconds: int) -> str:
    size, unit = next((size, unit) for size, unit in _AGES if seconds % size == 0)
    return f"{seconds // size:,} {unit}"
