"""The telemetry of a simulated fleet holds what its truth says, counted without any code of ours."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.simulate.reading import spans

REQUEST_KINDS = (2, 5)
HALF_A_SECOND = 500_000_000
TARGET = 0.99


@pytest.fixture(scope="session")
def delivered(fleet_dir: Path) -> list[tuple[str, dict[str, Any]]]:
    return list(spans(fleet_dir / "telemetry"))


@pytest.fixture(scope="session")
def distinct(delivered: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    return list({span["id"]: (app, span) for app, span in delivered}.values())


def test_spans_requests_and_errors_per_app_are_those_of_the_truth(
    delivered: Any, distinct: Any, truth: dict[str, Any]
) -> None:
    assert len(delivered) == truth["telemetry"]["delivered_spans"]
    assert len(distinct) == truth["telemetry"]["spans"] < len(delivered)
    found: dict[str, Counter[str]] = {}
    for app, span in distinct:
        counts = found.setdefault(app, Counter())
        is_request = span["kind"] in REQUEST_KINDS
        counts["spans"] += 1
        counts["requests"] += is_request
        counts["bad"] += is_request and span["bad"]
        counts["slow"] += is_request and span["end"] - span["start"] > HALF_A_SECOND
    told = {
        one["app_id"]: {key: one[key] for key in ("spans", "requests", "bad", "slow")}
        for one in truth["telemetry_by_app"]
    }
    assert {app: dict(counts) for app, counts in found.items()} == told


def test_both_encodings_occur(fleet_dir: Path) -> None:
    for signal in ("traces", "metrics", "logs"):
        folder = fleet_dir / "telemetry" / signal
        assert list(folder.glob("*.jsonl.gz"))
        assert list(folder.glob("*.binpb"))


def test_planted_breaches_burn_as_told_at_the_end(distinct: Any, truth: dict[str, Any]) -> None:
    as_of = datetime.fromisoformat(truth["telemetry"]["as_of"])
    told = {(one["app_id"], one["objective"]): one["state"] for one in truth["incidents"]}
    assert sorted(told.values()) == ["page", "page", "spent", "ticket"]
    for (app, objective), state in told.items():
        requests = [s for a, s in distinct if a == app and s["kind"] in REQUEST_KINDS]
        burns = {hours: _burn(requests, objective, as_of, hours) for hours in (1 / 12, 0.5, 1, 2, 6, 24, 72)}
        firing, month = _state(burns), _burn(requests, objective, as_of, 30 * 24)
        assert (firing if firing != "ok" or month < 1 else "spent") == state, (app, objective, burns, month)


def test_no_other_app_breaches(distinct: Any, truth: dict[str, Any]) -> None:
    as_of = datetime.fromisoformat(truth["telemetry"]["as_of"])
    told = {(one["app_id"], one["objective"]) for one in truth["incidents"]}
    by_app: dict[str, list[Any]] = {}
    for app, span in distinct:
        if span["kind"] in REQUEST_KINDS:
            by_app.setdefault(app, []).append(span)
    for app, requests in by_app.items():
        for objective in ("availability", "latency"):
            burns = {h: _burn(requests, objective, as_of, h) for h in (1 / 12, 0.5, 1, 2, 6, 24, 72)}
            assert (app, objective) in told or _state(burns) == "ok", (app, objective, burns)


def _burn(requests: list[dict[str, Any]], objective: str, as_of: datetime, hours: float) -> float:
    end = int(as_of.astimezone(UTC).timestamp()) * 10**9
    inside = [span for span in requests if end - int(hours * 3600 * 10**9) <= span["start"] < end]
    if not inside:
        return 0.0
    bad = sum(
        span["bad"] if objective == "availability" else span["end"] - span["start"] > HALF_A_SECOND
        for span in inside
    )
    return bad / len(inside) / (1 - TARGET)


def _state(burns: dict[float, float]) -> str:
    """The windows of the SRE workbook, chapter 5, table 5-8."""
    if (burns[1] > 14.4 and burns[1 / 12] > 14.4) or (burns[6] > 6 and burns[0.5] > 6):
        return "page"
    return "ticket" if (burns[24] > 3 and burns[2] > 3) or (burns[72] > 1 and burns[6] > 1) else "ok"


def test_idle_apps_cost_and_answer_nothing(distinct: Any, truth: dict[str, Any]) -> None:
    assert truth["idle"]
    last: dict[str, int] = {}
    for app, span in distinct:
        last[app] = max(last.get(app, 0), span["start"])
    billed = {one["app_id"] for one in truth["app_costs"] if one["period"] == "2026-11-01"}
    for one in truth["idle"]:
        since = datetime.fromisoformat(one["no_request_since"]).replace(tzinfo=UTC)
        assert last.get(one["app_id"], 0) < since.timestamp() * 10**9
        assert one["app_id"] in billed
