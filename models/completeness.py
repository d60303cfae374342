"""Which days of a bill are whole: one row per source and day, with the state, since when, and why.

Pure: what is published, what arrived and what is stated come in, and the moment it is asked for is an argument. What is
done with a day that is not whole belongs to whoever judges or predicts by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict

from models.schemas import SCHEMAS

TABLE = "core_cost_days"
FINAL, SETTLED, ARRIVED, OPEN = "final", "settled", "arrived", "open"
"""States of a day: its provider calls it final; its settling time passed; usage arrived to its end and may change yet; or
it is not whole."""

WHOLE = (FINAL, SETTLED, ARRIVED)
CLOSABLE = (FINAL, SETTLED)
"""States of a day that nobody expects to change."""

_DAY = timedelta(days=1)


class CompletenessPolicy(BaseModel):
    """Every number of the rule, as ``models/policy/completeness.yaml`` has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference_days: int
    least_rows: int
    few_share: float
    few_days: int
    awaited_days: int
    usual_settled_after_days: Mapping[str, int]
    azure_final_after_days: int


@cache
def completeness_policy() -> CompletenessPolicy:
    """The rule of whole days (``completeness.yaml``)."""
    text = (resources.files("models") / "policy" / "completeness.yaml").read_text("utf-8")
    return CompletenessPolicy.model_validate(yaml.safe_load(text))


@dataclass(frozen=True)
class ManifestWord:
    """What a manifest says of the month it delivers: ``final`` or ``estimate``, and what of it says so."""

    month: date
    state: str
    reason: str


ESTIMATE = "estimate"
_OF_LAST_MONTH = ("TheLastMonth", "TheLastBillingMonth")
"""Time frames of an Azure export that is of a month that is over (Cost Management, Exports, ``timeframe``)."""


def azure_word(manifest: Any, policy: CompletenessPolicy | None = None) -> ManifestWord | None:
    """What an Azure manifest says of its month: final where it is of a run over the last month that was asked for once Azure
    had closed it; None where it does not say which month or when."""
    policy = policy or completeness_policy()
    try:
        run, frame = manifest["runInfo"], str(manifest["exportConfig"]["timeFrame"])
        month = date.fromisoformat(str(run["startDate"])[:10]).replace(day=1)
        asked = date.fromisoformat(str(run["submittedTime"])[:10])
    except (KeyError, TypeError, ValueError):
        return None
    closed = (month + 31 * _DAY).replace(day=1) + policy.azure_final_after_days * _DAY
    said = f"its manifest is of a run over {frame} of {month:%Y-%m}, asked for on {asked}"
    return ManifestWord(month, FINAL if frame in _OF_LAST_MONTH and asked >= closed else ESTIMATE, said)


@dataclass(frozen=True)
class SourceDays:
    """What is known of one source's bill.

    Attributes:
        versions: published month -> when what is published of it was delivered.
        final: month -> why its provider's own word makes it final; months it says nothing of are absent.
        reach: the newest day usage was charged to the end of, None where nothing says so.
        usage: charges of usage per day, of every day from ``counted_from`` on that has any.
        settled_after: days after a day's end its charges are final, None where the source does not say.
    """

    versions: Mapping[date, datetime]
    final: Mapping[date, str]
    reach: date | None
    usage: Mapping[date, int]
    settled_after: int | None = None


@dataclass(frozen=True)
class _Verdict:
    state: str
    since: datetime
    reason: str


def judged_days(
    sources: Mapping[str, SourceDays], as_of: datetime, policy: CompletenessPolicy | None = None
) -> pl.DataFrame:
    """The columns of ``core_cost_days``, by source and day: every day that is over at ``as_of``, from the first day of a
    source's first published month on.

    ``since`` is when the day got its state: of an open one its end, of one that arrived its delivery.
    """
    policy = policy or completeness_policy()
    rows = [
        (name, day, one.state, one.state in WHOLE, one.since, one.reason, source.usage.get(day, 0))
        for name, source in sorted(sources.items())
        for day, one in _verdicts(source, as_of.astimezone(UTC), policy).items()
    ]
    return pl.DataFrame(rows, schema=SCHEMAS[TABLE], orient="row")


def cut_to_whole(charges: pl.DataFrame, unknown: pl.DataFrame) -> pl.DataFrame:
    """Charges whose ``complete_until`` is the last day before the open days their app and currency end with.

    Args:
        charges: ``app_id, billing_currency, complete_until`` among the columns.
        unknown: ``app_id, billing_currency, usage_date`` of days that are not whole.
    """
    if unknown.is_empty():
        return charges
    key = ("app_id", "billing_currency")
    opens: dict[tuple[str, str], set[date]] = {}
    for app, currency, day in unknown.select(*key, "usage_date").iter_rows():
        opens.setdefault((app, currency), set()).add(day)
    ends = charges.select(*key, "complete_until").unique()
    cut = [
        (app, currency, _before(until, opens.get((app, currency), set())))
        for app, currency, until in ends.iter_rows()
    ]
    schema = {name: charges.schema[name] for name in (*key, "complete_until")}
    whole = pl.DataFrame(cut, schema=schema, orient="row")
    columns = charges.columns
    return (
        charges.drop("complete_until").join(whole, on=key, how="left", maintain_order="left").select(columns)
    )


def _before(day: date, opens: set[date]) -> date:
    """The newest day up to one that is not open."""
    while day in opens:
        day -= _DAY
    return day


def _verdicts(source: SourceDays, as_of: datetime, policy: CompletenessPolicy) -> dict[date, _Verdict]:
    """Every day of a source that is over, with what is known of it."""
    if not source.versions:
        return {}
    few = _few_days(source, policy)
    day, found = min(source.versions), {}
    while _end(day) <= as_of:
        found[day] = _verdict(source, day, as_of, few)
        day += _DAY
    return found


def _verdict(source: SourceDays, day: date, as_of: datetime, few: Mapping[date, str]) -> _Verdict:
    month, end = day.replace(day=1), _end(day)
    version = source.versions.get(month)
    if version is None:
        return _Verdict(OPEN, end, f"no bill of {month:%Y-%m} is published")
    if month in source.final:
        return _Verdict(FINAL, version, source.final[month])
    if source.settled_after is not None and version >= end:
        settled = end + source.settled_after * _DAY
        if settled <= as_of:
            said = f"{source.settled_after} days after its end, as the source states, and delivered since its end"
            return _Verdict(SETTLED, settled, said)
    if day in few:
        return _Verdict(OPEN, end, few[day])
    if source.reach is not None and day <= source.reach:
        said = f"usage is charged to its end, and in all to the end of {source.reach}"
        return _Verdict(ARRIVED, version, said)
    reach = f"usage reaches {source.reach}" if source.reach else "no usage has come"
    arrived = source.usage.get(day, 0)
    so_far = f", with {arrived:,} charges of this day so far" if arrived else ""
    return _Verdict(OPEN, end, f"{reach}{so_far}")


def _few_days(source: SourceDays, policy: CompletenessPolicy) -> dict[date, str]:
    """Days that usage has passed and that hold few charges, or none, against the whole days before them.

    Few are believed once usage reaches some days further; none at all are not, whatever comes behind.
    """
    if source.reach is None or not source.usage:
        return {}
    few: dict[date, str] = {}
    before: list[int] = []
    day = min(source.usage)
    while day <= source.reach:
        rows = source.usage.get(day, 0)
        least = min(before[-policy.reference_days :], default=0)
        is_judged = len(before) >= policy.reference_days and least >= policy.least_rows
        is_late = not rows or (source.reach - day).days < policy.few_days
        if is_judged and is_late and rows < policy.few_share * least:
            few[day] = (
                f"{rows:,} charges of usage came of it, at least {least:,} of each of the {policy.reference_days} whole days "
                "before"
            )
        else:
            before.append(rows)
        day += _DAY
    return few


def _end(day: date) -> datetime:
    return datetime.combine(day + _DAY, datetime.min.time(), UTC)
