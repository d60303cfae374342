"""What tokens did not let in, on its way from the journal into the ledger: counted, named, listed, and hidden where the policy
hides it. A line is on disk before its sender is answered, as the records that were kept are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from models.redaction import Redaction
from pipelines.ingest.intake.claims import Left
from pipelines.ingest.telemetry import ObjectLoad
from pipelines.ingest.telemetry.frames import Encoding, Signal
from pipelines.ingest.telemetry.load import TelemetryObject, record_rejected, recorded
from pipelines.ingest.telemetry.policy import load_policy
from sql.warehouse import Warehouse

LINES = 100
"""Reasons and claims told apart in one request; the rest is one line."""
OTHERS = "(others)"
_CLAIM = 200


def lines_of(left: Sequence[Left], signal: Signal, received: float) -> bytes:
    """What was left out of a request as one line of JSON, resources of one reason and claim together."""
    together: dict[tuple[str, str], tuple[int, bytes]] = {}
    for one in left:
        key = (one.reason, one.claim[:_CLAIM])
        if key not in together and len(together) >= LINES:
            key = (one.reason, OTHERS)
        records, first = together.get(key, (0, one.first_bytes))
        together[key] = (records + one.records, first)
    return json.dumps(
        {
            "signal": signal,
            "received": received,
            "left": [
                {
                    "records": records,
                    "reason": reason,
                    "claim": claim,
                    "first_bytes": first.decode("utf-8", "backslashreplace"),
                }
                for (reason, claim), (records, first) in together.items()
            ],
        }
    ).encode()


def said_of(left: Sequence[Left]) -> tuple[int, str]:
    """Records left out, and the same as a sender is told it."""
    counts: Counter[str] = Counter()
    for one in left:
        claim = f" ({one.claim[:_CLAIM]!r})" if one.claim else ""
        counts[f"{one.reason}{claim}"] += one.records
    first, *others = [f"{records} {why}" for why, records in counts.most_common()]
    more = f", and {len(others) - 4} more reasons" if len(others) > 4 else ""
    return sum(counts.values()), ", ".join((first, *others[:4])) + more


def load_left_out(
    warehouse: Warehouse,
    *,
    source_name: str,
    object_name: str,
    path: Path,
    sha256: str,
    modified_at: datetime,
    signal: Any,
    encoding: Encoding,
    received_at: datetime,
    is_suspect: bool,
    hide: Redaction,
) -> ObjectLoad:
    """Loads a segment of such lines: a row of ``raw_rejects`` each, and the number of records in the ledger, once.

    Raises:
        WarehouseError: the warehouse cannot be reached; nothing of it counts twice when it is loaded again.
    """
    if sha256 in recorded(warehouse, [sha256]):
        return ObjectLoad("already")
    delivered = TelemetryObject.of_file(source_name, object_name, path.stat().st_size, sha256, modified_at)
    rows: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        said = json.loads(line)
        for one in said["left"]:
            counts[said["signal"]] += one["records"]
            claim = f"claim {one['claim']!r}" if one["claim"] else "claim no app"
            rows.append(
                {
                    "kind": "telemetry",
                    "source_name": source_name,
                    "object_name": object_name,
                    "object_sha256": sha256,
                    "position": number,
                    "records": one["records"],
                    "reason": one["reason"],
                    "detail": hide.shown(f"{one['records']} record(s) of {said['signal']} {claim}"),
                    "first_bytes": hide.shown(one["first_bytes"])[: load_policy().first_bytes],
                    "rejected_at": datetime.fromtimestamp(said["received"], UTC),
                }
            )
    warehouse.insert("raw_rejects", pl.DataFrame(rows))
    record_rejected(warehouse, delivered, counts)
    return ObjectLoad("loaded", rejected=sum(counts.values()))
