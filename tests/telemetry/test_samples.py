"""Sampled spans and cold starts in the slices, beside a hand count in Python's decimals."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from models.settings import Settings
from pipelines.compute import compute_slices
from sql.warehouse import Warehouse
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
