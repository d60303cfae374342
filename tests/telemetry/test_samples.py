"""Sampled spans and cold starts in the slices, beside a hand count in Python's decimals."""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from models.evidence import EvidenceRange
from models.policy import request_slices
from models.settings import Settings
from pipelines.commands import checks
from pipelines.commands.checks import Look
from pipelines.compute import compute_slices
from sql.evidence import Asked, gathered
from sql.publish import WHOLE_TABLE, publish
from sql.warehouse import Warehouse
from tests.pipelines.test_objectives import wrote
from tests.pipelines.test_route_objectives import Wanted
from tests.telemetry import otlp_messages as otlp
from tests.telemetry.conftest import Load

PART = Decimal("1e-9")
STATES = ["", "ot=th:0", "ot=th:8", "ot=rv:abcdef;th:c", "vendor=x, ot=th:fd70a4", "other=th:8"]
TEXTS: list[dict[str, Any]] = [{}, {"SampleRate": 7}, {"SampleRate": "3"}, {"SampleRate": "often"}]


def weight(state: str, attributes: dict[str, Any]) -> Decimal:
    """How many spans one stands for, cut to nine places: the greater of what both say."""
    threshold = 0
    for vendor in state.split(","):
        name, _, fields = vendor.strip().partition("=")
        for one in fields.split(";") if name == "ot" else ():
            if one.startswith("th:"):
                threshold = int(one[3:].ljust(14, "0"), 16)
    by_state = Decimal(int(Fraction(2**56 * 10**9, 2**56 - threshold))) * PART
    rate = str(attributes.get("SampleRate", ""))
    return max(by_state, Decimal(rate) if rate.isdigit() else Decimal(0))


def slices_of(warehouse: Warehouse, root: Path) -> list[dict[str, Any]]:
    compute_slices(warehouse, Settings(root, root, root))
    return warehouse.frame_of(
        "SELECT app_id, toString(route) AS route, is_cold_start, requests, errors, stands_for, errors_stand_for,"
        " toString(counted_from) AS counted_from FROM core_request_slices_current"
    ).to_dicts()


@pytest.mark.parametrize("seed", [3])
def test_slices_say_what_their_requests_stand_for_and_which_are_cold_starts(
    warehouse: Warehouse, load: Load, tmp_path: Path, seed: int
) -> None:
    source = random.Random(seed)
    want: dict[tuple[str, bool], list[Any]] = defaultdict(lambda: [0, 0, Decimal(0), Decimal(0)])
    messages, apps_sampled = [], set()
    for number in range(1, 120):
        app = source.choice(("shop", "mill", "whole"))
        state, said = ("", {}) if app == "whole" else (source.choice(STATES), source.choice(TEXTS))
        is_cold, failed = source.random() < 0.3, source.random() < 0.4
        request = otlp.traces(1, first=number, service=app, kind=source.choice((2, 5)), trace_state=state)
        span = request.resource_spans[0].scope_spans[0].spans[0]
        span.status.code = 2 if failed else 0
        span.attributes.extend(otlp.pairs({**said, **({"faas.coldstart": is_cold} if is_cold else {})}))
        messages.append(request)
        counts, own = want[app, is_cold], weight(state, said)
        apps_sampled |= {app} if own > 1 else set()
        for place, value in enumerate((1, int(failed), own, own * failed)):
            counts[place] += value
    load(otlp.delimited(*messages))
    found: dict[tuple[str, bool], list[Any]] = defaultdict(lambda: [0, 0, Decimal(0), Decimal(0)])
    names = ("requests", "errors", "stands_for", "errors_stand_for")
    for row in slices_of(warehouse, tmp_path):
        for place, name in enumerate(names):
            found[row["app_id"], row["is_cold_start"]][place] += row[name]
        assert row["app_id"] in apps_sampled or row["counted_from"] == "spans"
    assert found == want
    assert apps_sampled == {"shop", "mill"}
    daily = warehouse.frame_of("SELECT app_id, sampled_requests FROM core_app_telemetry_daily_current").rows()
    assert {app for app, sampled in daily if sampled} == apps_sampled


def test_a_sampler_that_does_not_say_how_many_there_were_is_not_guessed(
    warehouse: Warehouse, load: Load, tmp_path: Path
) -> None:
    request = otlp.traces(2, kind=5)
    request.resource_spans[0].scope_spans[0].spans[0].attributes.extend(
        otlp.pairs({"sampler.type": "probabilistic"})
    )
    load(otlp.delimited(request))
    [row] = slices_of(warehouse, tmp_path)
    assert (row["requests"], row["stands_for"], row["errors_stand_for"]) == (2, None, None)
    assert row["counted_from"] == "sampled_spans"


def routes_of(warehouse: Warehouse, app: str) -> set[tuple[date, str]]:
    frame = warehouse.frame_of(
        "SELECT DISTINCT toDate(slice_start) AS day, toString(route) AS route FROM core_request_slices_current"
        " WHERE app_id = {app:String}",
        app=app,
    )
    return set(frame.iter_rows())


def test_a_route_that_an_objective_names_is_never_pooled_and_only_days_it_changes_are_counted_again(
    warehouse: Warehouse, load: Load, tmp_path: Path
) -> None:
    day = 24 * 3600 * otlp.SECOND
    full, sparse = date(2026, 1, 1), date(2025, 12, 31)
    kept = request_slices().routes_kept
    names = [f"GET /r{number:02}" for number in range(kept + 3)]
    load(
        otlp.delimited(
            *(
                otlp.traces(2, first=10 * place + 1, service="crowd", name=name)
                for place, name in enumerate(names)
            ),
            *(
                otlp.traces(1, first=9_000 + place, start=otlp.NOON - day, service="crowd", name=name)
                for place, name in enumerate(names[:2])
            ),
        )
    )

    def counted_again() -> list[date]:
        done = compute_slices(warehouse, Settings(tmp_path, tmp_path, tmp_path))
        return sorted(one.period for one in done.releases)

    assert counted_again() == [sparse, full]
    usual = {(full, name) for name in [*names[:kept], ""]} | {(sparse, name) for name in names[:2]}
    assert routes_of(warehouse, "crowd") == usual
    wrote(tmp_path, {"a.yaml": Wanted("rare", "crowd", "0.99", names[-1]).text()})
    assert counted_again() == [full]
    assert routes_of(warehouse, "crowd") == usual | {(full, names[-1])}
    assert counted_again() == []
    wrote(tmp_path, {"a.yaml": Wanted("other", "quiet", "0.99", names[-2]).text()})
    assert counted_again() == [full]
    assert routes_of(warehouse, "crowd") == usual
    assert counted_again() == []


def test_evidence_and_doctor_say_what_is_a_sample(warehouse: Warehouse, load: Load, tmp_path: Path) -> None:
    failed = otlp.traces(2, first=50, service="mill", trace_state="ot=th:0")
    for span in failed.resource_spans[0].scope_spans[0].spans:
        span.status.code = 2
    load(otlp.delimited(otlp.traces(8, service="mill", trace_state="ot=th:c"), failed))
    slices_of(warehouse, tmp_path)
    batch = uuid.uuid4()
    owned = {"app_id": "mill", "team": "stone", "batch_id": str(batch)}
    warehouse.insert("mart_app_inventory", pl.DataFrame([owned]))
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
    publish(
        warehouse,
        "marts",
        WHOLE_TABLE,
        batches={"mart_app_inventory": batch},
        rows=1,
        sha256="x",
        version=moment,
    )

    def read(name: str, **given: Any) -> pl.DataFrame:
        return warehouse.frame(f"queries/{name}", teams=["stone"], **given)

    asked = Asked("mill", EvidenceRange(moment - timedelta(minutes=5), moment + timedelta(minutes=10)))
    # Eight spans that stand for four each and two failures that stand for themselves.
    said = "10 of the requests are a sample: with the rest they stand for 34 requests, of which 94.118% went right"
    assert gathered(read, asked).sample.startswith(said)
    [found] = checks.samples(Look(warehouse, Settings(tmp_path, tmp_path, tmp_path), moment))
    assert found.sentence.startswith(f"mill: {said}")
    assert found.sentence.endswith("80.000% of the spans that came went right")
