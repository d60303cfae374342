"""What stands in words beside the budget of an objective: by which method it is counted, what is left of it, until when, how sure
it is and what cannot be seen. Rows in, words out, the same for pages and commands; what the figures are is ``models.slo``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from models.budgeting import WORDS, slice_policy
from models.indicator_words import events_word
from models.openslo import OCCURRENCES
from models.samples import objective_of

FROZEN = "too much of the last slices is missing: alerts stay as they are"


def method_words(row: Mapping[str, Any]) -> str:
    """Name of the method the budget is counted by; a dash where none is published."""
    method = row["budgeting_method"]
    return WORDS[method] if method else "-"


def counts_slices(row: Mapping[str, Any]) -> bool:
    """Whether the budget is one of slices of time."""
    return (row["budgeting_method"] or OCCURRENCES) != OCCURRENCES


def left_words(row: Mapping[str, Any]) -> str:
    """What is left: events by occurrences, minutes by slices of time; a dash where nothing is known.

    Args:
        row: ``budgeting_method, events_left, minutes_spent, minutes_allowed, question``.
    """
    if counts_slices(row):
        if row["minutes_spent"] is None:
            return "-"
        return _signed(row["minutes_allowed"] - row["minutes_spent"], "min")
    return "-" if row["events_left"] is None else _signed(row["events_left"], events_word(row["question"]))


def spent_words(row: Mapping[str, Any]) -> str:
    """Minutes spent of those allowed; by occurrences those in which everything would have failed to do the same."""
    allowed = row["minutes_allowed"]
    if allowed is None:
        return "-"
    spent = "-" if row["minutes_spent"] is None else f"{row['minutes_spent']:,.1f}"
    return f"{spent} of {allowed:,.1f} min"


def exhausted_words(row: Mapping[str, Any]) -> str:
    """When nothing will be left: spent, a moment in UTC, or not within a window.

    Args:
        row: ``exhausts_at, budget_as_of``.
    """
    at, as_of = row["exhausts_at"], row["budget_as_of"]
    if as_of is None:
        return "-"
    if at is None:
        return "not within a window"
    return "spent" if at <= as_of else f"{at:%Y-%m-%d %H:%M}"


def interval_words(row: Mapping[str, Any]) -> str:
    """The interval of the share of good events or slices, at 95 %."""
    low, high = row["sli_low"], row["sli_high"]
    return "-" if low is None or high is None else f"{low:.3%} to {high:.3%}"


def coverage_words(row: Mapping[str, Any]) -> str:
    """Share of the slices of the window that are not missing; a dash by occurrences."""
    return "-" if row["coverage"] is None else f"{row['coverage']:.1%}"


def doubts_of(row: Mapping[str, Any]) -> Iterator[str]:
    """What must be known of an objective before its state is believed: that its alert is frozen, and what it cannot see.

    Args:
        row: ``is_frozen, coverage_recent, slices_missing, unseen, question``.
    """
    if row["is_frozen"]:
        minutes = slice_policy().recent.total_seconds() / 60
        yield f"{FROZEN} ({row['coverage_recent']:.0%} of the last {minutes:g} minutes is known)"
    if row["slices_missing"]:
        yield f"{row['slices_missing']:,} slices of its window are missing: {events_word(row['question'], 'requests')} were due and none came"
    if row["unseen"]:
        yield str(row["unseen"]).rstrip(".")


def doubts(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Sentences of ``doubts_of``, each once, and the names of the objectives it goes for."""
    told: dict[str, list[str]] = {}
    for row in rows:
        for sentence in doubts_of(row):
            told.setdefault(sentence, []).append(name_of(row))
    return told


def name_of(row: Mapping[str, Any]) -> str:
    """Objective, its route, and its environment."""
    return " in ".join(filter(None, (objective_of(row), row["environment"])))


def _signed(number: float, unit: str) -> str:
    """A number of a budget; as whole as it is large."""
    return f"{number:,.0f} {unit}" if abs(number) >= 100 else f"{number:,.1f} {unit}"
