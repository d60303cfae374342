"""Releases: which batch of which table is current for a scope and a period.

A publish is one insert of one row into ``period_head``; there is no other way for rows to become visible.
The writer of a scope holds its lease. What the rows mean is the business of those who call this.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from models.errors import ControlTotalError, LeaseLost, ModelError, WarehouseError
from sql.leases import held
from sql.warehouse import Warehouse

KEPT_RELEASES = 2
"""Releases of a period whose rows are kept: the current one, and the one readers may still be in."""

IN_THE_BACKGROUND = {"lightweight_deletes_sync": 0}
"""Settings of a deletion nobody waits for: no reader sees those rows, and waiting took longer than the load."""

_QUORUM_CONFLICTS = frozenset({285, 286, 319})
"""Codes by which replicas say that too few of them took an insert, an earlier one or perhaps this (ClickHouse,
src/Common/ErrorCodes.cpp)."""
_HEAD_ATTEMPTS = 5
_HEAD_PAUSE_SECONDS = 0.5

TIMED = 7
"""Version of the ids that begin with the time they were made."""

WHOLE_TABLE = date(1970, 1, 1)
"""Period of a release that holds a table as a whole."""


@dataclass(frozen=True)
class Release:
    """What is current for a scope and a period (columns of ``period_head``)."""

    scope: str
    period: date
    fence: int
    seq: int
    batches: dict[str, uuid.UUID]
    rows: int
    sha256: str
    version: datetime
    published_at: datetime
    state: str = "open"
    sums: dict[str, Decimal] = field(default_factory=dict)
    residues: dict[str, Decimal] = field(default_factory=dict)


def new_batch_id() -> uuid.UUID:
    """A fresh batch id that tells when it was made: every attempt has its own, so a failed one is never topped up.

    Laid out as RFC 9562 has it for version 7: milliseconds since 1970, then chance.
    """
    milliseconds = time.time_ns() // 10**6
    chance = secrets.randbits(74)
    return uuid.UUID(
        int=milliseconds << 80 | TIMED << 76 | (chance >> 62) << 64 | 0b10 << 62 | chance & (1 << 62) - 1
    )


def heads(warehouse: Warehouse, scope_prefix: str = "") -> list[Release]:
    """Current releases whose scope starts with ``scope_prefix``, by scope and period."""
    frame = warehouse.frame("queries/ledger/heads", scope_prefix=scope_prefix)
    return [_release(row) for row in frame.iter_rows(named=True)]


def heads_by_scope(warehouse: Warehouse) -> dict[str, list[Release]]:
    """Current releases of every scope, by period: one statement for whoever asks for several scopes."""
    found: dict[str, list[Release]] = {}
    for release in heads(warehouse):
        found.setdefault(release.scope, []).append(release)
    return found


def head(warehouse: Warehouse, scope: str, period: date) -> Release | None:
    """The current release of a scope and period, or None."""
    return next((one for one in heads(warehouse, scope) if one.scope == scope and one.period == period), None)


def publish(
    warehouse: Warehouse,
    scope: str,
    period: date,
    *,
    batches: Mapping[str, uuid.UUID],
    rows: int,
    sha256: str,
    version: datetime,
    sums: Mapping[str, Decimal] | None = None,
    residues: Mapping[str, Decimal] | None = None,
) -> Release:
    """Makes ``batches`` current for a scope and period by one insert of one row; the caller holds the lease.

    Raises:
        ModelError: a batch is missing, or ``version`` is not an aware time.
        WarehouseError: somebody else published the same scope and period meanwhile (without the lease).
        LeaseLost: the lease has ended, or a newer one published meanwhile.
        ControlTotalError: rows were removed before they were published.
    """
    _names_batches(scope, batches)
    if version.tzinfo is None:
        raise ModelError(f"the version of a release of {scope} has no time zone: give an aware time")
    release = Release(
        scope=scope,
        period=period,
        fence=0,
        seq=0,
        batches=dict(batches),
        rows=rows,
        sha256=sha256,
        version=version,
        published_at=datetime.now(UTC),
        sums=dict(sums or {}),
        residues=dict(residues or {}),
    )
    published = _made_current(warehouse, release)
    _recount(warehouse, [published])
    return published


def _made_current(warehouse: Warehouse, wanted: Release) -> Release:
    """Writes the head of a release under the fence and the number that come next."""
    previous = head(warehouse, wanted.scope, wanted.period)
    release = replace(wanted, fence=_fence(wanted.scope, previous), seq=(previous.seq if previous else 0) + 1)
    _head_written(
        warehouse,
        [release],
        "statements/publish",
        scope=release.scope,
        period=release.period.isoformat(),
        fence=release.fence,
        seq=release.seq,
        batches=release.batches,
        rows=release.rows,
        sums=release.sums,
        residues=release.residues,
        sha256=release.sha256,
        version=release.version.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
        published_at=release.published_at.strftime("%Y-%m-%d %H:%M:%S.%f"),
    )
    _are_current(warehouse, [release])
    return release


def _head_written(warehouse: Warehouse, releases: Sequence[Release], name: str, **parameters: Any) -> None:
    """Writes heads; where replicas were at odds over another insert, once more, unless reading back finds them there.

    Written twice a head counts once: it names the same batches under the same fence and number.
    """
    for left in reversed(range(_HEAD_ATTEMPTS)):
        try:
            warehouse.execute(name, **parameters)
            return
        except WarehouseError as error:
            if error.code not in _QUORUM_CONFLICTS or not left:
                raise
        if _missing(warehouse, releases) == []:
            return
        time.sleep(_HEAD_PAUSE_SECONDS)


def _fence(scope: str, previous: Release | None) -> int:
    """The fence to publish under: that of the lease; who writes alone goes on under the one there is.

    Raises:
        LeaseLost: the lease has ended, or somebody published under a newer one.
    """
    ours, before = held(), previous.fence if previous else 0
    if ours.fence is None:
        return before
    ours.prove()
    if ours.fence < before:
        raise LeaseLost(
            f"{scope} was published under a newer lease ({before}) than ours ({ours.fence}): run it again; where Postgres was "
            "made anew, run `appfleet migrate` first"
        )
    return ours.fence


def _are_current(warehouse: Warehouse, releases: Sequence[Release]) -> None:
    """Reads releases of one scope back: two writers would otherwise hide each other's rows in silence."""
    scope = releases[0].scope
    twice = set(warehouse.frame("queries/ledger/claimed_twice", scope=scope)["period"])
    wrong = {*_missing(warehouse, releases), *(twice & {one.period for one in releases})}
    for release in releases:
        if release.period in wrong:
            raise WarehouseError(
                f"{scope} {release.period} was published by somebody else at the same time: run it again alone"
            )


def _missing(warehouse: Warehouse, releases: Sequence[Release]) -> list[date]:
    """Periods of releases of one scope whose current release is another."""
    scope = releases[0].scope
    current = {
        one.period: (one.fence, one.seq, one.batches) for one in heads(warehouse, scope) if one.scope == scope
    }
    return [one.period for one in releases if current.get(one.period) != (one.fence, one.seq, one.batches)]


def _recount(warehouse: Warehouse, releases: Sequence[Release]) -> None:
    """Counts what was published once more, where another machine may have removed it between its load and its head.

    Raises:
        ControlTotalError: rows are gone; the release is withdrawn, so that the next pass makes it again.
    """
    if held().fence is None:
        return
    expected = sum(one.rows for one in releases)
    counted = 0
    for table, batch in releases[0].batches.items():
        by_month = table == "raw_focus_costs"
        counted += warehouse.frame(
            "queries/ledger/bill_rows" if by_month else "queries/ledger/computed_rows",
            batch_id=batch,
            **({"period": releases[0].period} if by_month else {"computed": table}),
        )["rows"].item()
    if counted != expected:
        for one in releases:
            withdraw(warehouse, one)
        raise ControlTotalError(
            f"{releases[0].scope}: {counted} of {expected} rows are there after they were published: another machine removed "
            "them meanwhile; run it again"
        )


def publish_periods(
    warehouse: Warehouse,
    scope: str,
    batches: Mapping[str, uuid.UUID],
    fingerprints: Mapping[date, str],
    rows: Mapping[date, int],
) -> list[Release]:
    """Publishes several periods of a scope that were written as one batch per table, by one insert.

    Args:
        batches: table -> batch that holds the rows of all these periods.
        fingerprints: period -> fingerprint of its inputs.
        rows: period -> rows, 0 where absent.

    Raises:
        ModelError: a batch is missing.
        WarehouseError: somebody else published one of these periods meanwhile (without the lease).
    """
    _names_batches(scope, batches)
    current = {one.period: one for one in heads(warehouse, scope) if one.scope == scope}
    now = datetime.now(UTC)
    releases = [
        Release(
            scope=scope,
            period=period,
            fence=_fence(scope, current.get(period)),
            seq=(current[period].seq if period in current else 0) + 1,
            batches=dict(batches),
            rows=rows.get(period, 0),
            sha256=fingerprint,
            version=datetime(period.year, period.month, period.day, tzinfo=UTC),
            published_at=now,
        )
        for period, fingerprint in sorted(fingerprints.items())
    ]
    if releases:
        _head_written(
            warehouse,
            releases,
            "statements/publish_periods",
            scope=scope,
            batches=dict(batches),
            periods=[one.period.isoformat() for one in releases],
            fences=[one.fence for one in releases],
            seqs=[one.seq for one in releases],
            rows=[one.rows for one in releases],
            sha256s=[one.sha256 for one in releases],
            published_at=now.strftime("%Y-%m-%d %H:%M:%S.%f"),
        )
        _are_current(warehouse, releases)
        _recount(warehouse, releases)
    return releases


def _names_batches(scope: str, batches: Mapping[str, uuid.UUID]) -> None:
    if not batches:
        raise ModelError(f"a release of {scope} names no batch: name one for each table it feeds")


def collect(warehouse: Warehouse, releases: Sequence[Release]) -> None:
    """Removes what no reader can see from computed tables these releases of one scope fed: rows of failed attempts
    and of batches older than the last two releases. The caller holds the scope's lease and has published.

    First and second releases have nothing old; leftovers of attempts that failed before them go with the third.
    """
    old = [one for one in releases if one.seq > KEPT_RELEASES]
    for table in sorted({table for one in old for table in one.batches}):
        found = warehouse.frame(
            "queries/ledger/uncollected",
            computed=table,
            table=table,
            scope=old[0].scope,
            kept=KEPT_RELEASES,
        )
        batches = [one for one in map(uuid.UUID, found["batch_id"]) if may_be_removed(one)]
        if batches:
            warehouse.execute(
                "statements/collect", settings=IN_THE_BACKGROUND, table_name=table, batches=batches
            )


def may_be_removed(batch: uuid.UUID) -> bool:
    """Whether a batch that nobody published is old enough that nobody can still be at work on it."""
    grace = held().grace_seconds
    return grace == 0 or batch.version != TIMED or time.time() - (batch.int >> 80) / 1000 > grace


def withdraw(warehouse: Warehouse, release: Release) -> None:
    """Publishes a release of computed tables once more as made from nothing known, so that it is computed again.

    Readers see what they saw until then. The caller holds the lease of the scope, or of the pass.
    """
    _made_current(warehouse, replace(release, sha256="", published_at=datetime.now(UTC)))


def _release(row: Mapping[str, Any]) -> Release:
    return Release(
        scope=row["scope"],
        period=row["period"],
        fence=row["fence"],
        seq=row["seq"],
        batches={key: uuid.UUID(value) for key, value in _pairs(row["batches"])},
        rows=row["rows"],
        sha256=row["sha256"],
        version=row["version"],
        published_at=row["published_at"],
        state=row["state"],
        sums={key: Decimal(value) for key, value in _pairs(row["sums"])},
        residues={key: Decimal(value) for key, value in _pairs(row["residues"])},
    )


def _pairs(value: Any) -> list[tuple[str, str]]:
    """A Map column as pairs, whichever way Arrow hands it over."""
    if isinstance(value, Mapping):
        return list(value.items())
    return [(item["key"], item["value"]) for item in value]


NO_BATCH = uuid.UUID(int=0)
"""Batch of a table that has none: no row is of it."""
