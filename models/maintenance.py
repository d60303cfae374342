"""Maintenance windows: stretches of time in which what happens to some apps counts for no objective, once or by a rule.

Windows in, intervals of time out, by app or for all; the horizon is an argument. Reading ``maintenance.yaml`` is
``models.maintenance_file``, leaving slices out is the engine's work (``sql/shared/maintained.sql``), and what becomes of alerts
meanwhile ``models.alert_freezing``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl
import yaml
from dateutil.rrule import rrule, rrulestr

from models.paging import Flags, Floats, Integers
from models.parts import JudgedApart, spread
from models.policy import duration
from models.schemas import SCHEMAS
from models.slo_windows import period_at, window_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EVERY = "*"
"""Stands for every app, or every environment, in ``mart_maintenance``."""
SLICE_SECONDS = 300
TABLE = "mart_maintenance"

_WEEK = timedelta(weeks=1)
_SCOPE = ("app_id", "environment")


@dataclass(frozen=True)
class MaintenancePolicy:
    """The policy of ``maintenance.yaml``."""

    longest: timedelta
    back: timedelta
    ahead: timedelta
    frequencies: tuple[str, ...]
    parts: tuple[str, ...]


@cache
def maintenance_policy() -> MaintenancePolicy:
    """The policy of ``maintenance.yaml`` beside this module."""
    text = (resources.files("models") / "policy" / "maintenance.yaml").read_text("utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return MaintenancePolicy(
        duration(data["longest"]),
        duration(data["back"]),
        duration(data["ahead"]),
        tuple(data["frequencies"]),
        tuple(data["parts"]),
    )


@dataclass(frozen=True)
class Recurrence:
    """When a window recurs: at ``start`` (wall time of ``zone``) and whenever ``rule`` says (RFC 5545), for ``length`` each time."""

    start: datetime
    rule: str
    zone: str
    length: timedelta


@dataclass(frozen=True)
class MaintenanceWindow:
    """A window: whose requests, when and why. Of all apps where neither apps nor teams are named, in all environments where none is.

    ``begins_at`` and ``ends_at`` are those of a window that comes once; ``said_by`` is who added it by command, empty where the file
    says it; ``where`` is what sentences name it by.
    """

    name: str
    reason: str
    where: str
    apps: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    begins_at: datetime | None = None
    ends_at: datetime | None = None
    recurrence: Recurrence | None = None
    said_by: str = ""

    @property
    def whose(self) -> str:
        """Whose requests it is about, in words."""
        named = [f"app {one}" for one in self.apps] + [f"team {one}" for one in self.teams]
        where = f" in {', '.join(self.environments)}" if self.environments else ""
        return f"{', '.join(named) or 'all apps'}{where}"

    @property
    def when(self) -> str:
        """When it is, in words."""
        if self.recurrence is None:
            return f"{self.begins_at:%Y-%m-%d %H:%M} to {self.ends_at:%Y-%m-%d %H:%M} UTC"
        one = self.recurrence
        minutes = one.length // timedelta(minutes=1)
        return f"{one.rule} from {one.start:%Y-%m-%d %H:%M} {one.zone}, {minutes:,} min each"


Stretch = tuple[datetime, datetime]
"""Begin and end, aware and in UTC."""


def stretches(window: MaintenanceWindow, since: datetime, until: datetime) -> list[Stretch]:
    """When a window holds between two moments: those of its stretches that reach into them, ascending.

    A rule is told in the wall time of its zone: two in the morning stays two in the morning, and a wall time that the clocks leave
    out is as long after midnight as it would have been (RFC 5545, section 3.3.5). A stretch lasts as long as it says, whatever the
    clocks do meanwhile.
    """
    if window.recurrence is None:
        assert window.begins_at is not None and window.ends_at is not None
        found = [(window.begins_at, window.ends_at)]
    else:
        found = _recurring(window.recurrence, since, until)
    return [(begin, end) for begin, end in found if end > since and begin < until]


def _recurring(one: Recurrence, since: datetime, until: datetime) -> list[Stretch]:
    zone = ZoneInfo(one.zone)
    day = timedelta(days=1)  # no zone is further from UTC, and no clock is put further
    first, last = (
        moment.astimezone(zone).replace(tzinfo=None) for moment in (since - one.length - day, until + day)
    )
    begins = nearby_rule(one, first).between(first, last, inc=True)
    starts = [begin.replace(tzinfo=zone).astimezone(UTC) for begin in begins]
    return [(start, start + one.length) for start in sorted(set(starts))]


def nearby_rule(one: Recurrence, near: datetime) -> rrule:
    """A rule that begins shortly before a wall time and goes on as the given one does: no year is gone through for nothing.

    Days and weeks of a rule without a count come again after so many weeks as its interval has; months and years are few.
    """
    parts = rule_parts(one.rule)
    start = one.start
    if "COUNT" not in parts and parts["FREQ"] in ("DAILY", "WEEKLY"):
        period = int(parts.get("INTERVAL", "1")) * _WEEK
        start += max((near - start) // period - 1, 0) * period
    return _rule(one.rule, one.zone, start)


@lru_cache(maxsize=256)
def _rule(text: str, zone: str, start: datetime) -> rrule:
    found = rrulestr(_local(text, zone), dtstart=start)
    assert isinstance(found, rrule)
    return found


def rule_parts(rule: str) -> dict[str, str]:
    """Parts of a rule, by name; of one without ``=`` the value is empty."""
    return {
        name.strip().upper(): value.strip().upper()
        for name, _, value in (part.partition("=") for part in rule.removeprefix("RRULE:").split(";") if part)
    }


def _local(rule: str, zone: str) -> str:
    """A rule whose last moment is told in the wall time of its zone, as its begin is; a last day counts whole."""
    parts = rule_parts(rule)
    until = parts.get("UNTIL", "")
    if until and "T" not in until:
        parts["UNTIL"] = f"{until}T235959"
    if until.endswith("Z"):
        moment = datetime.strptime(until, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        parts["UNTIL"] = f"{moment.astimezone(ZoneInfo(zone)):%Y%m%dT%H%M%S}"
    return ";".join(f"{name}={value}" for name, value in parts.items())


ADD, END, WITHDRAW = "add", "end", "withdraw"


@dataclass(frozen=True)
class MaintenanceAct:
    """A line about a window that was said by command (columns of ``maintenance_acts``).

    An addition is a window under its own id. To end it moves its end forward; to withdraw it is as if it had never been. Either names
    it by ``of_act``, and no line is ever changed.
    """

    act_id: str
    act: str
    acted_by: str
    acted_at: datetime
    reason: str
    apps: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    begins_at: datetime | None = None
    ends_at: datetime | None = None
    of_act: str = ""


def said_by_command(acts: Iterable[MaintenanceAct]) -> list[MaintenanceWindow]:
    """The windows that hold of what was said by command, by their begin."""
    acts = list(acts)
    withdrawn = {one.of_act for one in acts if one.act == WITHDRAW}
    ends: dict[str, datetime] = {}
    for one in acts:
        if one.act == END and one.ends_at is not None:
            ends[one.of_act] = min(one.ends_at, ends.get(one.of_act, one.ends_at))
    found = []
    for one in acts:
        if one.act != ADD or one.act_id in withdrawn or one.begins_at is None or one.ends_at is None:
            continue
        end = min(one.ends_at, ends.get(one.act_id, one.ends_at))
        if end > one.begins_at:
            found.append(
                MaintenanceWindow(
                    name=one.act_id,
                    reason=one.reason,
                    where=f"`appfleet maintenance`, {one.act_id}",
                    apps=one.apps,
                    teams=one.teams,
                    environments=one.environments,
                    begins_at=one.begins_at,
                    ends_at=end,
                    said_by=one.acted_by,
                )
            )
    return sorted(found, key=lambda one: (one.begins_at, one.name))


@dataclass(frozen=True)
class HeldWindows:
    """Windows of a workspace, what is refused of its file, and whether something of it is."""

    windows: tuple[MaintenanceWindow, ...] = ()
    refused: tuple[str, ...] = ()


def maintenance_frame(
    windows: Sequence[MaintenanceWindow], apps: pl.DataFrame, since: datetime, until: datetime
) -> pl.DataFrame:
    """When which apps are in maintenance between two moments: columns of ``mart_maintenance``, a row per window, scope and stretch.

    Args:
        windows: all there are.
        apps: ``app_id, team`` of every known app.
        since, until: the horizon.
    """
    schema = SCHEMAS[TABLE]
    rows = [
        {
            "name": one.name,
            "reason": one.reason,
            "said_by": one.said_by,
            "place": place,
            "begins_at": begin,
            "ends_at": end,
        }
        for place, one in enumerate(windows)
        for begin, end in stretches(one, since, until)
    ]
    if not rows:
        return pl.DataFrame(schema=schema)
    held = pl.DataFrame(rows, schema={**_HELD, "place": pl.Int64})
    scopes = pl.concat([_scopes(place, one, apps) for place, one in enumerate(windows)])
    return (
        held.join(scopes, on="place")
        .select(pl.col(name).cast(kind) for name, kind in schema.items())
        .sort("begins_at", "name", *_SCOPE)
    )


_HELD = {
    "name": pl.String(),
    "reason": pl.String(),
    "said_by": pl.String(),
    "begins_at": pl.Datetime("us", "UTC"),
    "ends_at": pl.Datetime("us", "UTC"),
}


def _scopes(place: int, one: MaintenanceWindow, apps: pl.DataFrame) -> pl.DataFrame:
    """Apps and environments of a window, each once."""
    own = pl.Series("app_id", [EVERY], pl.String)
    if one.apps or one.teams:
        of_teams = apps.filter(pl.col("team").is_in(one.teams))["app_id"]
        own = pl.concat([pl.Series("app_id", one.apps, pl.String), of_teams]).unique().sort()
    where = pl.DataFrame({"environment": sorted(set(one.environments)) or [EVERY]})
    return own.to_frame().join(where, how="cross").with_columns(place=pl.lit(place, pl.Int64))


def strange_names(windows: Iterable[MaintenanceWindow], apps: pl.DataFrame) -> list[str]:
    """A sentence for each app or team a window names that nobody knows, and for each window that is therefore about nobody."""
    known, teams = set(apps["app_id"]), set(apps["team"])
    said = []
    for one in windows:
        strange = [f"app {name}" for name in one.apps if name not in known]
        strange += [f"team {name}" for name in one.teams if name not in teams]
        if strange:
            nobody = len(strange) == len(one.apps) + len(one.teams)
            rest = "so it is about nobody" if nobody else "it holds for the others"
            said.append(
                f"{one.where}: window {one.name} names {', '.join(strange)}, which nobody knows; {rest}"
            )
    return said


def as_they_were(before: pl.DataFrame, read: HeldWindows) -> pl.DataFrame:
    """Rows published before of windows of the file, where something of it cannot be read: of those whose name is not among those
    that can be; none where nothing is refused.
    """
    if not read.refused:
        return before.clear()
    names = [one.name for one in read.windows]
    return before.filter((pl.col("said_by") == "") & ~pl.col("name").is_in(names))


def scoped_slices(maintenance: pl.DataFrame) -> pl.DataFrame:
    """``app_id, environment, begin, end`` (seconds since 1970, on slices of requests): disjoint by scope, each once.

    A slice that a window touches is left out whole, as it enters whole or not at all.
    """
    seconds = pl.duration(seconds=SLICE_SECONDS - 1)
    return disjoint(
        maintenance.select(
            *_SCOPE,
            begin=_on_slice(pl.col("begins_at")),
            end=_on_slice(pl.col("ends_at") + seconds),
        )
    )


def _on_slice(moment: pl.Expr) -> pl.Expr:
    return moment.dt.epoch("s") // SLICE_SECONDS * SLICE_SECONDS


def disjoint(intervals: pl.DataFrame) -> pl.DataFrame:
    """Intervals ``begin, end`` of the same ``app_id, environment`` that overlap or touch as one; sorted."""
    ordered = intervals.sort(*_SCOPE, "begin", "end")
    before = pl.col("end").cum_max().shift().over(_SCOPE)
    return (
        ordered.with_columns(run=(pl.col("begin") > before).fill_null(True).cum_sum())
        .group_by(*_SCOPE, "run", maintain_order=True)
        .agg(pl.col("begin").min(), pl.col("end").max())
        .drop("run")
    )


def of_apps(scoped: pl.DataFrame, apps: pl.DataFrame) -> pl.DataFrame:
    """Disjoint intervals of each app and environment, of all scopes it is in.

    Args:
        scoped: ``scoped_slices``.
        apps: ``app_id, environment``, each once.
    """
    every = pl.lit(EVERY)
    asked = apps.select(*_SCOPE)
    keyed = pl.concat(
        [
            asked.with_columns(app=app, place=place)
            for app in (pl.col("app_id"), every)
            for place in (pl.col("environment"), every)
        ]
    )
    found = keyed.join(
        scoped.rename({"app_id": "app", "environment": "place"}), on=["app", "place"], how="inner"
    )
    return disjoint(found.select(*_SCOPE, "begin", "end"))


@dataclass(frozen=True)
class LostHours:
    """Rows of some apps, hours since 1970, and the share of each hour in which nothing is expected; each row and hour once."""

    rows: Integers
    hours: Integers
    shares: Floats

    @classmethod
    def none(cls) -> LostHours:
        """Of nobody any hour."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))

    def beyond(self, unheard: Mapping[int, float]) -> LostHours:
        """The same with what of each share is more than was lost of all apps."""
        if not unheard or not self.rows.size:
            return self
        of_all = np.array([unheard.get(int(hour), 0.0) for hour in self.hours])
        left = (self.shares - of_all).clip(0)
        return LostHours(self.rows[left > 0], self.hours[left > 0], left[left > 0])

    def of(self, rows: npt.NDArray[np.intp], height: int) -> LostHours:
        """Those of some of the apps, numbered anew; ``height`` is how many apps there were."""
        places = np.full(height, -1, np.int64)
        places[rows] = np.arange(len(rows))
        held = places[self.rows] >= 0
        return LostHours(places[self.rows][held], self.hours[held], self.shares[held])


class Maintenance:
    """What is in maintenance as those who judge ask for it; of nobody where there are no rows."""

    def __init__(self, rows: pl.DataFrame) -> None:
        """``rows`` has the columns of ``mart_maintenance``."""
        self.rows = rows
        self.scoped = scoped_slices(rows)

    @classmethod
    def none(cls) -> Maintenance:
        """Nobody is."""
        return cls(pl.DataFrame(schema=SCHEMAS[TABLE]))

    def __bool__(self) -> bool:
        """Whether anybody ever is."""
        return not self.rows.is_empty()

    def spread(self, parts: Sequence[JudgedApart]) -> Maintenance:
        """The same of what is judged apart of apps, under its text."""
        if not self:
            return self
        every = self.rows.filter(pl.col("app_id") == EVERY)
        return Maintenance(pl.concat([every, spread(self.rows, parts)]))

    def flags(self, apps: pl.DataFrame, since: int, slices: int) -> Flags:
        """Whether each slice from a moment (seconds since 1970) on is left out, a row per app in the order of ``apps``."""
        steps = np.zeros((apps.height, slices + 1), np.int64)
        if self and apps.height:
            rows, first, last = self._places(apps, since, slices)
            np.add.at(steps, (rows, first), 1)
            np.add.at(steps, (rows, last), -1)
        return np.asarray(steps[:, :-1].cumsum(axis=1) > 0)

    def share_of_all(self, weights: pl.DataFrame, since: int, slices: int) -> Floats:
        """Share of the requests of all apps together that nobody expects in each slice from a moment on.

        Args:
            weights: ``app_id, environment, requests``: how much each has of all.
            since: seconds since 1970.
            slices: how many.
        """
        whole = float(weights["requests"].sum())
        steps = np.zeros(slices + 1)
        if self and whole:
            rows, first, last = self._places(weights, since, slices)
            own = weights["requests"].to_numpy().astype(np.float64)[rows]
            np.add.at(steps, first, own)
            np.add.at(steps, last, -own)
        share = steps[:-1].cumsum() / whole if whole else steps[:-1]
        return np.where(share > 1 - 1e-9, 1.0, share.clip(0))

    def hours(self, apps: pl.DataFrame, since: datetime, until: datetime) -> LostHours:
        """Hours between two moments of which some is left out, of apps in the order of ``apps``."""
        begin = int(since.timestamp()) // 3600 * 3600
        slices = -(-(int(until.timestamp()) - begin) // SLICE_SECONDS)
        rows, first, last = self._places(apps, begin, slices)
        per_hour = 3600 // SLICE_SECONDS
        ranges = pl.DataFrame({"row": rows, "first": first, "last": last}).filter(
            pl.col("last") > pl.col("first")
        )
        hours = ranges.with_columns(
            hour=pl.int_ranges(pl.col("first") // per_hour, (pl.col("last") - 1) // per_hour + 1)
        ).explode("hour")
        slots = pl.col("hour") * per_hour
        held = hours.with_columns(
            share=(
                pl.col("last").clip(upper_bound=slots + per_hour) - pl.col("first").clip(lower_bound=slots)
            )
            / per_hour
        )
        shares = held.group_by("row", "hour", maintain_order=True).agg(pl.col("share").sum())
        return LostHours(
            shares["row"].to_numpy().astype(np.int64),
            shares["hour"].to_numpy().astype(np.int64) + begin // 3600,
            shares["share"].to_numpy(),
        )

    def _places(self, apps: pl.DataFrame, since: int, slices: int) -> tuple[Integers, Integers, Integers]:
        """Row of ``apps``, first slice and the one after the last of each disjoint interval."""
        keys = apps.select(*_SCOPE)
        own = of_apps(self.scoped, keys).join(keys.with_row_index("row"), on=_SCOPE, how="inner")
        first, last = (
            ((own[name].to_numpy().astype(np.int64) - since) // SLICE_SECONDS).clip(0, slices)
            for name in ("begin", "end")
        )
        return own["row"].to_numpy().astype(np.int64), first, last

    def parameters(self, since: datetime, until: datetime) -> dict[str, Any]:
        """Parameters of statements that leave slices out, of a stretch of time (``slice_parameters``)."""
        return slice_parameters(self.scoped, since, until)


def minutes_left_out(own: pl.DataFrame, since: datetime, until: datetime) -> pl.DataFrame:
    """``app_id, environment, maintenance_minutes`` of those with any between two moments.

    Args:
        own: ``of_apps``.
        since, until: the window of an objective.
    """
    first, last = int(since.timestamp()), int(until.timestamp())
    return (
        own.with_columns(begin=pl.col("begin").clip(first, last), end=pl.col("end").clip(first, last))
        .group_by(_SCOPE)
        .agg(maintenance_minutes=((pl.col("end") - pl.col("begin")).sum() // 60).cast(pl.UInt32))
        .filter(pl.col("maintenance_minutes") > 0)
    )


def holding(maintenance: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Windows that hold in the slice of requests a moment is in, with ``app_id, environment, maintained_until, maintenance_reason``:
    one row per scope, the window that ends last.
    """
    at = int(moment.timestamp()) // SLICE_SECONDS * SLICE_SECONDS
    begins = pl.col("begins_at").dt.epoch("s")
    ends = pl.col("ends_at").dt.epoch("s")
    return (
        maintenance.filter((begins < at + SLICE_SECONDS) & (ends > at))
        .sort("ends_at", "name", descending=[True, False])
        .unique(_SCOPE, keep="first", maintain_order=True)
        .select(*_SCOPE, maintained_until="ends_at", maintenance_reason="reason")
    )


def maintained_now(maintenance: pl.DataFrame, apps: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """``app_id, environment, maintained_until, maintenance_reason`` of those apps that are in maintenance at a moment."""
    now = holding(maintenance, moment)
    every = pl.lit(EVERY)
    found = [
        apps.select(*_SCOPE)
        .with_columns(app=app, place=place)
        .join(now.rename({"app_id": "app", "environment": "place"}), on=["app", "place"], how="inner")
        for app in (pl.col("app_id"), every)
        for place in (pl.col("environment"), every)
    ]
    return (
        pl.concat(found)
        .sort("maintained_until", "maintenance_reason", descending=[True, False])
        .unique(_SCOPE, keep="first", maintain_order=True)
        .select(*_SCOPE, "maintained_until", "maintenance_reason")
    )


def slice_parameters(scoped: pl.DataFrame, since: datetime, until: datetime) -> dict[str, Any]:
    """Parameters of ``sql/shared/maintained`` and ``in_maintenance``: what of some intervals reaches into a stretch of time.

    Scopes with the same intervals share a calendar; the first is of all apps everywhere, and 0 is of nobody.

    Args:
        scoped: ``scoped_slices``.
        since, until: what is counted.
    """
    first = int(since.timestamp()) // SLICE_SECONDS * SLICE_SECONDS
    last = -(int(-until.timestamp()) // SLICE_SECONDS) * SLICE_SECONDS
    near = scoped.filter((pl.col("end") > first) & (pl.col("begin") < last)).with_columns(
        pl.col("begin", "end").clip(first, last)
    )
    times = pl.concat_str("begin", pl.lit("-"), "end").str.join(",")
    scopes = near.group_by(_SCOPE, maintain_order=True).agg("begin", "end", times=times)
    is_all = (pl.col("app_id") == EVERY) & (pl.col("environment") == EVERY)
    scopes = scopes.with_columns(
        calendar=pl.when(is_all).then(1).otherwise(pl.col("times").rank("dense") + 1).cast(pl.UInt32)
    )
    stretched = scopes.unique("calendar", maintain_order=True).explode("begin", "end")
    named = scopes.with_columns(
        kind=(pl.col("app_id") != EVERY).cast(pl.Int8) + 2 * (pl.col("environment") != EVERY),
        pair=pl.concat_str("app_id", pl.lit(_BETWEEN), "environment"),
    )
    parameters = {
        "maintained_calendars": stretched["calendar"].to_list(),
        "maintained_from": stretched["begin"].to_list(),
        "maintained_to": stretched["end"].to_list(),
    }
    for kind, word, name in ((1, "app", "app_id"), (2, "environment", "environment"), (3, "pair", "pair")):
        own = named.filter(pl.col("kind") == kind)
        # the engine looks nothing up among no names
        parameters[f"maintained_{word}s"] = [*own[name], _NOBODY]
        parameters[f"maintained_{word}_calendars"] = [*own["calendar"], 0]
    return parameters


_BETWEEN = "\x1f"
"""Between an app and an environment; ASCII's own separator of units, which no name holds."""
_NOBODY = "\x1f\x1f"
"""A name nobody has."""


def with_maintenance(
    status: pl.DataFrame, promised: pl.DataFrame, maintenance: Maintenance, as_of: datetime
) -> pl.DataFrame:
    """Answers with how much of their window is left out as maintenance, and until when and why they are in one now.

    Args:
        status: columns of ``mart_slo_status`` without ``team``.
        promised: ``models.objectives.definitions``: the window of each.
        maintenance: what is published.
        as_of: end of the newest slice counted.
    """
    if not maintenance:
        return status
    keys = ["app_id", "environment"]
    apps = status.select(keys).unique()
    own = of_apps(maintenance.scoped, apps)
    left_out = []
    for window in sorted(promised["time_window"].unique()):
        begin = max(EPOCH, period_at(window_of(window), as_of).begin)
        left_out.append(minutes_left_out(own, begin, as_of).with_columns(time_window=pl.lit(window)))
    now = maintained_now(maintenance.rows, apps, as_of - timedelta(seconds=SLICE_SECONDS))
    windows = promised.select(*keys, "objective", "time_window")
    return (
        status.drop("maintenance_minutes", "maintained_until", "maintenance_reason")
        .join(windows, on=[*keys, "objective"], how="left", maintain_order="left")
        .join(pl.concat(left_out), on=[*keys, "time_window"], how="left", maintain_order="left")
        .join(now, on=keys, how="left", maintain_order="left")
        .with_columns(pl.col("maintenance_minutes").fill_null(0), pl.col("maintenance_reason").fill_null(""))
        .select(status.columns)
    )


NAMED = 5
"""Apps that are named where many say the same."""


def maintained_sentences(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A sentence for all apps that are in the same maintenance now, the first to end first.

    Args:
        rows: ``app_id, maintained_until, maintenance_reason`` of objectives.
    """
    apps: dict[tuple[datetime, str], set[str]] = {}
    for row in rows:
        if row["maintained_until"] is not None:
            apps.setdefault((row["maintained_until"], row["maintenance_reason"]), set()).add(row["app_id"])
    for (until, reason), names in sorted(apps.items()):
        yield f"{_some(names)} in maintenance until {until:%Y-%m-%d %H:%M} UTC: {reason}; alerts stay as they are."


def left_out_sentences(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A sentence for all apps of whose objectives as many minutes are left out, the most first.

    Args:
        rows: ``app_id, maintenance_minutes`` of objectives.
    """
    apps: dict[int, set[str]] = {}
    for row in rows:
        if row["maintenance_minutes"]:
            apps.setdefault(row["maintenance_minutes"], set()).add(row["app_id"])
    for minutes, names in sorted(apps.items(), reverse=True):
        yield f"{_some(names)}: {_left_out(minutes)}."


def _some(names: set[str]) -> str:
    """The first of some apps by name, and how many there are beside."""
    ordered = sorted(names)
    more = f" and {len(ordered) - NAMED:,} more" if len(ordered) > NAMED else ""
    return f"{', '.join(ordered[:NAMED])}{more}"


def _left_out(minutes: int) -> str:
    return f"{minutes:,} minutes of maintenance left out ({minutes * 60 // SLICE_SECONDS:,} slices)"


def maintenance_words(row: Mapping[str, Any]) -> list[str]:
    """What is said of maintenance beside an objective: that it is in one, until when and why, and how much was left out.

    Args:
        row: ``maintained_until, maintenance_reason, maintenance_minutes, maintenance_events`` of ``mart_slo_status``.
    """
    said = []
    if row["maintained_until"] is not None:
        said.append(
            f"in maintenance until {row['maintained_until']:%Y-%m-%d %H:%M} UTC: {row['maintenance_reason']}; its alert stays as it is"
        )
    if minutes := row["maintenance_minutes"]:
        said.append(f"{_left_out(minutes)} with {row['maintenance_events']:,} events")
    return said
