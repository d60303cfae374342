"""Nezha's two shared faults: the front end's processor at 03:53:54, and its early returns from 04:02:07 (2022-08-22).

The labels are those of the data's own list of faults (rca_data/2022-08-22): both are of the pod `frontend-579b9bff58-t2dbm`.
The spans carry no status, so a failure cannot be told from a success: requests of the fault are compared with those before.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.evidence import ITSELF, EvidenceRange
from pipelines.simulate.faults import FaultSpan
from sql.evidence import Asked, gathered
from sql.opening import open_warehouse
from tests.conftest import Migrated
from tests.evidence.planting import insert_spans, publish_apps, reads_of, utc

pytestmark = pytest.mark.slow

KINDS = {1: "internal", 2: "server"}
FAULTS = {
    "cpu_contention": (utc(2022, 8, 22, 3, 53, 54), utc(2022, 8, 22, 3, 56)),
    "return": (utc(2022, 8, 22, 4, 2, 7), utc(2022, 8, 22, 4, 5)),
}


def read_spans(folder: Path) -> Iterator[FaultSpan]:
    for path in sorted(folder.glob("*.gz")):
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            for resource in json.loads(line)["resourceSpans"]:
                of = {one["key"]: one["value"]["stringValue"] for one in resource["resource"]["attributes"]}
                for scope in resource["scopeSpans"]:
                    for one in scope["spans"]:
                        yield FaultSpan(
                            one["traceId"], one["spanId"], one.get("parentSpanId", ""), of["service.name"], one["name"],
                            KINDS[one["kind"]], int(one["startTimeUnixNano"]), int(one["endTimeUnixNano"]), False,
                            "", of["k8s.pod.name"],
                        )  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_the_front_end_itself_is_the_first_suspect(
    tmp_path_factory: pytest.TempPathFactory, migrated: Migrated, shared_data: Path, fault: str
) -> None:
    begins, ends = FAULTS[fault]
    spans = list(read_spans(shared_data / "otlp" / "nezha"))
    apps = {span.app_id for span in spans}
    with open_warehouse(migrated(tmp_path_factory.mktemp("nezha"))) as warehouse:
        publish_apps(warehouse, dict.fromkeys(apps, "shop"))
        insert_spans(warehouse, spans)
        evidence = gathered(
            reads_of(warehouse, ["shop"]), Asked("frontend", EvidenceRange(begins, ends), "everything")
        )
    print([(one.sentence, round(one.score, 2)) for one in evidence.suspects])
    assert (evidence.suspects[0].kind, evidence.suspects[0].value) == (ITSELF, "frontend")
