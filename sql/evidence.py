"""Reads the evidence of an alert: which statements, with which values, and each of them as text to run again elsewhere.

Who may read what is decided by the reader that is handed in. What the evidence says is ``models.evidence``; how it is shown
does not belong here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from models.evidence import (
    POLICY,
    EvidenceRange,
    Measure,
    SampledRequest,
    SampledSpan,
    SharedCause,
    Suspect,
    attribute_suspects,
    nearest_deploy,
    ranked,
    shared_causes,
    totals,
    trace_suspects,
)
from models.policy import health_checks, request_errors
from models.requests import classification
from models.samples import sample_sentence
from sql.catalog import statement
from sql.forms import Form
from sql.warehouse import bindings

Read = Callable[..., pl.DataFrame]
"""Result of ``sql/queries/<name>.sql`` for given values, bound to what the reader may see."""

_PLACEHOLDER = re.compile(r"\{(\w+)\s*:\s*([^{}]+?)\}")
_NANOSECONDS = 1_000_000
"""In one millisecond."""


@dataclass(frozen=True)
class Asked:
    """Of what evidence is asked for; without environments or routes, of all of them."""

    app_id: str
    within: EvidenceRange
    measure: Measure = "availability"
    threshold_ms: int = 0
    environments: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    without_cold_starts: bool = False

    @property
    def values(self) -> dict[str, Any]:
        """What every statement about its requests takes."""
        return {
            "app_id": self.app_id,
            "base_from": _text(self.within.base),
            "range_from": _text(self.within.start),
            "range_to": _text(self.within.end),
            "measure": self.measure,
            "threshold_ns": self.threshold_ms * _NANOSECONDS,
            "environments": self.environments,
            "routes": self.routes,
            "without_cold_starts": int(self.without_cold_starts),
            **what_is_an_error(),
            **_what_is_a_check(),
        }

    @property
    def around(self) -> dict[str, str]:
        """From when to when spans and logs of its traces are read."""
        more = timedelta(minutes=POLICY.around_minutes)
        return {"read_from": _text(self.within.base - more), "read_to": _text(self.within.end + more)}


@dataclass(frozen=True)
class FoundEvidence:
    """What was found: counts by value, suspects, traces to look at, deployments, what the app calls, and what was asked.

    ``asked_for`` has the values of each statement by its name.
    """

    asked: Asked
    bad: int
    good: int
    first_bad: datetime | None
    suspects: tuple[Suspect, ...]
    attributes: pl.DataFrame
    traces: pl.DataFrame
    deploys: pl.DataFrame
    dependencies: pl.DataFrame
    nearest: Mapping[str, object] | None
    asked_for: Mapping[str, Mapping[str, Any]]
    sample: str
    """What is said of the counts where the app's spans are a sample; empty where they are not."""


def gathered(read: Read, asked: Asked) -> FoundEvidence:
    """The evidence of an app in a range.

    Raises:
        WarehouseError: the warehouse cannot be reached or refuses a statement.
    """
    values = asked.values
    wanted: dict[str, dict[str, Any]] = {
        "evidence/attributes": _attributes(values),
        "evidence/traces": {
            **values,
            "per_kind": POLICY.exemplars_per_kind,
            "row_limit": POLICY.exemplars,
        },
        "evidence/sample": {**values, "sample_size": POLICY.sample_size},
        "evidence/versions": {
            "app_id": asked.app_id,
            "known_from": _text(asked.within.start - timedelta(days=POLICY.deploys_days)),
            "range_to": _text(asked.within.end),
            "environments": asked.environments,
        },
        "evidence/deployments": {
            "app_id": asked.app_id,
            "events_from": _text(asked.within.base),
            "range_to": _text(asked.within.end),
            "environments": asked.environments,
        },
        "evidence/sampled": {
            name: values[name] for name in ("app_id", "range_from", "range_to", "environments")
        },
        "evidence/dependencies": _calls((asked.app_id,), asked.within, POLICY.dependencies),
    }
    found = {name: read(name, **given) for name, given in wanted.items()}
    sample = found["evidence/sample"]
    wanted["evidence/spans"] = spans_of(asked, sample["trace_id"].unique(maintain_order=True).to_list())
    spans = read("evidence/spans", **wanted["evidence/spans"]) if sample.height else pl.DataFrame()
    attributes = found["evidence/attributes"]
    bad, good = totals(attributes)
    whole = attributes.filter(pl.col("dimension") == "")
    first_bad = whole["first_bad"][0] if whole.height else None
    told = [found["evidence/versions"], found["evidence/deployments"]]
    deploys = pl.concat(told).sort("at", "what", "version", "environment", "words")
    return FoundEvidence(
        asked,
        bad,
        good,
        first_bad,
        tuple(ranked([*attribute_suspects(attributes), *_of_traces(asked, sample, spans)])),
        attributes,
        found["evidence/traces"],
        deploys,
        found["evidence/dependencies"],
        nearest_deploy(deploys, first_bad),
        wanted,
        _sample(found["evidence/sampled"]),
    )


def _sample(frame: pl.DataFrame) -> str:
    row = frame.row(0, named=True) if frame.height else {"sampled": 0}
    if not row["sampled"]:
        return ""
    right = 1 - row["errors_stand_for"] / row["stands_for"] if row["stands_for"] else None
    return sample_sentence(row["sampled"], row["stands_for"], right)


def attributes_of(read: Read, asked: Asked) -> pl.DataFrame:
    """Counts by value alone, of which suspects are told without reading a trace (``models.evidence.attribute_suspects``).

    Raises:
        WarehouseError: the warehouse cannot be reached or refuses the statement.
    """
    return read("evidence/attributes", **_attributes(asked.values))


def _attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **values,
        "left_out": POLICY.left_out,
        "named": POLICY.named,
        "least_bad": POLICY.least_bad,
        "value_limit": POLICY.value_limit,
    }


def _of_traces(asked: Asked, sample: pl.DataFrame, spans: pl.DataFrame) -> list[Suspect]:
    requests = [
        SampledRequest(row["trace_id"], row["span_id"], row["side"], row["of_route"])
        for row in sample.iter_rows(named=True)
    ]
    return trace_suspects(asked.app_id, asked.measure, requests, sampled(spans))


def sampled(spans: pl.DataFrame) -> list[SampledSpan]:
    """Rows of ``evidence/spans`` as the model takes them."""
    if spans.is_empty():
        return []
    return [SampledSpan(*row) for row in spans.select(SampledSpan._fields).iter_rows()]


def spans_of(asked: Asked, trace_ids: Sequence[str]) -> dict[str, Any]:
    """Values of ``evidence/spans`` for some traces."""
    return {"app_id": asked.app_id, "trace_ids": tuple(trace_ids), **asked.around, **what_is_an_error()}


def logs_of(asked: Asked, trace_ids: Sequence[str]) -> dict[str, Any]:
    """Values of ``evidence/logs`` for some traces."""
    return {"trace_ids": tuple(trace_ids), **asked.around, "row_limit": POLICY.log_rows}


def causes_shared(
    read: Read, apps: Sequence[str], as_of: datetime, most_apps: int = POLICY.shared.grouped_apps
) -> list[SharedCause]:
    """Which failing dependencies several of these alerting apps call, the worst apps first among ``apps``."""
    policy = POLICY.shared
    asked = tuple(dict.fromkeys(apps))[:most_apps]
    if len(asked) < policy.least_apps:
        return []
    within = EvidenceRange(as_of - timedelta(minutes=policy.minutes), as_of)
    return shared_causes(read("evidence/dependencies", **_calls(asked, within, POLICY.dependencies)))


def _calls(apps: tuple[str, ...], within: EvidenceRange, row_limit: int) -> dict[str, Any]:
    return {
        "apps": apps,
        "base_from": _text(within.base),
        "range_from": _text(within.start),
        "range_to": _text(within.end),
        "row_limit": row_limit,
        **what_is_an_error(),
    }


def what_is_an_error() -> dict[str, Any]:
    """The policy of when a span went wrong, as a statement takes it and a cache can hold it."""
    return {name: value for name, value in _classified().items() if not name.startswith("health_")}


def _what_is_a_check() -> dict[str, Any]:
    return {name: value for name, value in _classified().items() if name.startswith("health_")}


def _classified() -> dict[str, Any]:
    bound = bindings(classification(request_errors(), health_checks()))
    return {name: tuple(value) if isinstance(value, list) else value for name, value in bound.items()}


def copyable(form: Form, name: str, values: Mapping[str, Any]) -> str:
    """``sql/queries/<name>.sql`` with its values written in, to be read and run elsewhere (``appfleet sql``).

    It is for people alone: appfleet itself binds values and never runs this text.
    """

    def written(match: re.Match[str]) -> str:
        kind = match[2].strip()
        return f"CAST({_literal(values[match[1]])}, {_literal(kind)})"

    lines = (line for line in statement(f"queries/{name}").splitlines() if not line.lstrip().startswith("--"))
    return form.text(_PLACEHOLDER.sub(written, "\n".join(lines)))


def _literal(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if isinstance(value, bool | int | float):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    # an engine's word in double braces, or a placeholder, is text here too
    return "'" + text.replace("{", "\\x7B").replace("}", "\\x7D") + "'"


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
