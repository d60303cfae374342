"""What a request is, when it went wrong and how long it may take: policy as the parameters the engine counts by.

The counting itself is SQL (``sql/statements/core_request_slices``); which objectives exist is ``models.slo``'s business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from models.errors import ModelError
from models.policy import HealthChecks, Objectives, RequestErrors, RequestSlices, SharedCostPolicy

_NANOSECONDS = 1_000_000
"""In one millisecond."""


def ladder_ms(slices: RequestSlices, objectives: Objectives) -> tuple[int, ...]:
    """Bounds of the latency ladder in milliseconds, ascending: the advised ones and every threshold of an objective."""
    thresholds = {one.threshold_ms for one in objectives.lines if one.threshold_ms is not None}
    return tuple(sorted({*slices.advised_bounds_ms, *thresholds}))


def rung(ladder: tuple[int, ...], threshold_ms: int) -> int:
    """Position of a threshold on the ladder, from 1 as ClickHouse counts.

    Raises:
        ModelError: the threshold is no bound of the ladder, so no slice knows how many requests were within it.
    """
    if threshold_ms not in ladder:
        bounds = ", ".join(map(str, ladder))
        raise ModelError(
            f"a threshold of {threshold_ms} ms is on no slice: name it in an objective or take one of {bounds} ms"
        )
    return ladder.index(threshold_ms) + 1


def classification(errors: RequestErrors, health: HealthChecks) -> dict[str, Any]:
    """Parameters that say which spans are requests, which are health checks and which went wrong.

    Regular expressions are in RE2's syntax.
    """
    codes = {text: name for name, code in errors.grpc_errors.items() for text in (name, str(code))}
    return {
        "grpc_errors": codes,
        "http_errors": errors.http_errors,
        "caller_faults": errors.caller_faults,
        "health_paths": f"(?i)^({_any(health.paths)}|.*({_any(health.endings)}))/?$",
        "health_services": f"^/?({_any(health.services)})(/.*)?$",
        "health_agents": f"(?i)({_any(health.user_agents)})",
        "health_methods": health.methods,
    }


def slicing(
    slices: RequestSlices, objectives: Objectives, named: Iterable[tuple[str, str]] = ()
) -> dict[str, Any]:
    """Parameters that say how requests are cut into slices; ``named`` are apps and routes that are never pooled."""
    return {
        "named_routes": [f"{app}\x1f{route}" for app, route in sorted(named)],
        "bounds_ns": [bound * _NANOSECONDS for bound in ladder_ms(slices, objectives)],
        "routes_kept": slices.routes_kept,
    }


def sampling(slices: RequestSlices) -> dict[str, Any]:
    """Parameters that say which spans stand for others that were left out, and for how many."""
    return {
        "rate_attributes": list(slices.rate_attributes),
        "sampled_trace_state": slices.sampled_trace_state,
        "sampler_types": list(slices.sampler_types),
    }


def of_metrics(slices: RequestSlices) -> dict[str, Any]:
    """Parameters that say which histograms tell of requests where spans do not."""
    return {
        "duration_metrics": list(slices.duration_metrics),
        "duration_milliseconds": [float(one) for one in slices.duration_metrics.values()],
        "least_scale": slices.least_scale,
    }


def measuring(classified: Mapping[str, Any], policy: SharedCostPolicy) -> dict[str, Any]:
    """Parameters that say what of telemetry measures an app: which spans are no requests, and which metrics measure what."""
    return {
        **{name: value for name, value in classified.items() if name.startswith("health_")},
        "counter_names": list(policy.counters),
        "counter_measures": list(policy.counters.values()),
        "gauge_names": list(policy.gauges),
        "gauge_measures": list(policy.gauges.values()),
    }


def _any(texts: Iterable[str]) -> str:
    return "|".join(map(re.escape, texts))
