"""`appfleet doctor` finds each mistake by name, goes on after it, says it until it is mended, and its exit code says
whether something is broken.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from models.errors import WarehouseError
from models.settings import BillingSource, Settings, TelemetrySource
from pipelines.commands import checks, doctor
from pipelines.commands.checks import Finding
from pipelines.commands.doctor import CHECKS
from pipelines.commands.doubts import broken_sentences
from pipelines.commands.run import run_pass
from pipelines.ingest import LIVE_SOURCE
from pipelines.ingest.intake.journal import SEGMENTS
from pipelines.ingest.telemetry import load_object
from pipelines.work import WORK, Ask, Done
from sql.opening import open_warehouse
from sql.reading import read_only
from sql.warehouse import Warehouse
from tests.billing.conftest import OCTOBER, ROW
from tests.cli.conftest import csv_text
from tests.conftest import Migrated
from tests.telemetry import otlp_messages as otlp

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DAY = 86_400 * otlp.SECOND
DECEMBER = {
    name: value.replace("2024-10", "2024-12").replace("2024-11", "2025-01") for name, value in OCTOBER.items()
}
AHEAD = {
    "BillingPeriodStart": "2026-01-01T00:00:00Z",
    "BillingPeriodEnd": "2026-02-01T00:00:00Z",
    "ChargePeriodStart": "2026-01-15T00:00:00Z",
    "ChargePeriodEnd": "2026-01-16T00:00:00Z",
}
"""Of a day that has not come when ``doctor`` looks."""


def bill(source: str, *lines: Mapping[str, str]) -> bytes:
    """A bill of a resource of its own, so that no two sources share a charge."""
    return csv_text([*ROW, "ResourceId"], [{**ROW, "ResourceId": source, **line} for line in lines]).encode()


LOOKED_AT = ("billing", "telemetry", "slices", "registry", "identities", "costs", "completeness", "slo")
MANY = [{"BilledCost": str(cost), "ServiceName": f"s{cost}"} for cost in range(1, 31)]


@dataclass
class Made:
    """A workspace full of mistakes: its settings, and the warehouse as its writer."""

    settings: Settings
    warehouse: Warehouse

    @property
    def root(self) -> Path:
        return self.settings.root

    def write(self, name: str, content: bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def passes(self) -> int:
        """A pass of the steps whose tables ``doctor`` looks at; its exit code."""
        return run_pass(self.settings, steps=LOOKED_AT).exit_code

    def found(self, *checks: str, clock: datetime = NOW) -> list[tuple[str, Finding]]:
        """What these checks find, or all."""
        chosen = {name: check for name, check in CHECKS.items() if not checks or name in checks}
        with patch.object(doctor, "CHECKS", chosen):
            return list(doctor.findings(self.settings, clock))


@dataclass(frozen=True)
class Mistake:
    """Something done wrong, and what `doctor` must say of it: under which check, in which words, and whether it fails."""

    check: str
    words: str
    fails: bool
    make: Callable[[Made], None]
    mend: Callable[[Made], None] | None = None
    """What ends it, before another pass; None: it stays, or is none that can be mended here."""


def _spans(made: Made, name: str, service: str = "shop", day: int = 0, **more: object) -> None:
    request = otlp.traces(
        5, start=otlp.NOON + day * DAY, service=service, first=abs(hash(name)) % 10_000, **more
    )
    made.write(f"otlp/{name}", otlp.as_json(request))


def _copied_later(made: Made) -> None:
    for name, seconds in (("once.jsonl", 0), ("later.jsonl", 1)):
        request = otlp.traces(3, first=50_001, start=otlp.NOON + seconds * otlp.SECOND)
        made.write(f"otlp/{name}", otlp.as_json(request))


def _nameless(made: Made) -> None:
    request = otlp.traces(3, first=70_001)
    request.resource_spans[0].resource.attributes.clear()
    made.write("otlp/nobody.jsonl", otlp.as_json(request))


def _with_secret(made: Made) -> None:
    request = otlp.traces(2, first=80_001)
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.attributes.extend(otlp.pairs({"http.request.header.authorization": "Bearer abc"}))
    made.write("otlp/secret.jsonl", otlp.as_json(request))


def _inserted_directly(made: Made) -> None:
    made.warehouse.execute_text(
        "INSERT INTO otel.otel_traces (Timestamp, TraceId, SpanId, ServiceName, ResourceAttributes, SpanAttributes)"
        " VALUES ('2026-01-01 12:00:00', 't', 's', 'shop', map('service.name', 'shop'), map('password', 'hunter2'))"
    )


def _kept_apart(made: Made) -> None:
    made.write(f".appfleet/{SEGMENTS}/refused/traces-x.jsonl", b"nothing")


def _lost(made: Made) -> None:
    made.warehouse.execute_text(
        "DELETE FROM raw_focus_costs WHERE x_SourceName = 'edited' AND ServiceName = 's1'",
        {"lightweight_deletes_sync": 2},
    )


def _changed(made: Made) -> None:
    made.warehouse.execute_text(
        "ALTER TABLE raw_focus_costs UPDATE BilledCost = BilledCost + 1 WHERE x_SourceName = 'summed' AND ServiceName = 's1'",
        {"mutations_sync": 2},
    )


def _half_an_attempt(made: Made) -> None:
    made.warehouse.execute_text(
        "INSERT INTO raw_focus_costs SELECT * REPLACE (generateUUIDv4() AS x_BatchId) FROM raw_focus_costs WHERE x_SourceName = 'edited'"
    )


def _sent_live(made: Made) -> None:
    made.write("live.jsonl", otlp.as_json(otlp.traces(1, first=60_001)) + b"garbage\n")
    load_object(
        made.warehouse,
        source_name=LIVE_SOURCE,
        object_name="live.jsonl",
        path=made.root / "live.jsonl",
        sha256="of-live",
        modified_at=datetime.now(UTC),
    )


def _gone(path: str) -> Callable[[Made], None]:
    return lambda made: (made.root / path).unlink()


def _put(path: str, *lines: Mapping[str, str]) -> Callable[[Made], None]:
    return lambda made: made.write(path, bill(path.split("/")[0], *lines))


SOURCES = ("bad", "blank", "copies", "edited", "gaps", "held", "shrinks", "summed", "replaced")
FIRST: tuple[Mistake, ...] = (
    Mistake(
        "refusals",
        "bad: bad.csv",
        True,
        lambda made: made.write("bad/bad.csv", b"no,bill\n1,2\n"),
        _put("bad/bad.csv", {}),
    ),
    Mistake(
        "rejects",
        "blank: 1 record(s) set aside",
        False,
        _put("blank/money.csv", {}, {"BilledCost": "1,5"}, {**OCTOBER}),
        _put("blank/money.csv", {}, {"BilledCost": "1.5"}, {**OCTOBER}),
    ),
    Mistake(
        "refusals",
        "blank: money.csv, row 2",
        True,
        lambda made: None,
    ),
    Mistake(
        "repairs",
        "copies: ListCost ",
        False,
        _put(
            "copies/cells.csv",
            {"ServiceName": "x", "ListCost": "odd"},
        ),
    ),
    Mistake(
        "notes",
        "billing: copies: b.csv 2024-09: the same content as a.csv, counted once",
        False,
        lambda made: [
            made.write(f"copies/{name}.csv", bill("copies", {"ServiceName": "copied"})) for name in "ab"
        ][-1],
        _gone("copies/b.csv"),
    ),
    Mistake(
        "held deliveries",
        "held/2024-09",
        True,
        lambda made: [
            made.write("held/1.csv", bill("held", *MANY[:20])),
            made.write("held/2.csv", bill("held", *MANY[10:])),
        ][-1],
        _gone("held/2.csv"),
    ),
    Mistake(
        "overlaps",
        "replaced 2024-09: ",
        False,
        lambda made: [made.write(f"replaced/{n}.csv", bill("replaced", *MANY[: 20 + n])) for n in (1, 2)][-1],
        _gone("replaced/1.csv"),
    ),
    Mistake(
        "partitions missing",
        "gaps: no bill of 2024-10 to 2024-11",
        False,
        _put("gaps/both.csv", {}, DECEMBER, {**DECEMBER, "Tags": ""}, AHEAD, {**AHEAD, "Tags": ""}),
    ),
    Mistake(
        "charges ahead",
        "gaps: 2 charges of usage, USD",
        False,
        lambda made: None,
    ),
    Mistake("stale sources", "newest complete day of cost is 2024-09-0", False, lambda made: None),
    Mistake("ages", "Bills end ", False, lambda made: None),
    Mistake("differing copies", "came in 6 copies that differ in time", False, _copied_later),
    Mistake("sources", "nowhere: no/such/place: there is no such file or folder", True, lambda made: None),
    Mistake("sources", "is also", True, lambda made: None),
    Mistake(
        "orphans", "published and count, and no source of this name is configured", False, lambda made: None
    ),
    Mistake(
        "stale sources",
        "nothing: nothing of it is published",
        False,
        lambda made: (made.root / "nothing").mkdir(),
    ),
    Mistake("sources", "nothing: there is nothing in nothing", False, lambda made: None),
    Mistake("unassigned shares", "belong to no app", False, lambda made: None),
    Mistake("unassigned shares", "belong to no team", False, lambda made: None),
    Mistake("spans without resource", "3 span(s) of 2026-01-01 name neither", False, _nameless),
    Mistake(
        "nameless senders",
        "unknown_service",
        False,
        lambda made: _spans(made, "u.jsonl", "unknown_service:node"),
    ),
    Mistake("redactions", "files: http.request.header.authorization hidden by rule", False, _with_secret),
    Mistake("unhidden", "1 value(s) of password in traces", False, _inserted_directly),
    Mistake(
        "partitions missing",
        "no telemetry of 2025-12-28 to 2025-12-31, 4 day(s)",
        False,
        lambda made: [_spans(made, f"d{n}.jsonl", day=n) for n in (0, -5)][-1],
    ),
    Mistake(
        "rejects",
        "files: 1 record(s) set aside, unreadable message",
        False,
        lambda made: made.write(
            "otlp/cut.jsonl", otlp.as_json(otlp.traces(2, first=90_001)) + b"\x00 garbage\n"
        ),
        _gone("otlp/cut.jsonl"),
    ),
    Mistake("rejects", "live: 1 record(s) set aside", False, _sent_live),
    Mistake(
        "refusals",
        "files: empty.jsonl",
        True,
        lambda made: made.write("otlp/empty.jsonl", b"neither\n"),
        _gone("otlp/empty.jsonl"),
    ),
    Mistake(
        "refused segments",
        "1 file(s) of live requests could not be loaded",
        False,
        _kept_apart,
        _gone(f".appfleet/{SEGMENTS}/refused/traces-x.jsonl"),
    ),
    Mistake(
        "notes",
        "registry: catalog/broken.yaml",
        False,
        lambda made: made.write("catalog/broken.yaml", b"kind: [\n"),
        _gone("catalog/broken.yaml"),
    ),
)
"""What is wrong when a pass runs; where a mistake is one of the settings it is made in ``made``."""

AFTER: tuple[Mistake, ...] = (
    Mistake("lost parts", "edited 2024-09: 1 of 30 row(s) published are lost", True, _lost),
    Mistake("control totals", "summed 2024-09: BilledCost was published as USD 465", True, _changed),
    Mistake("orphans", "in raw_focus_costs are of attempts that did not end", False, _half_an_attempt),
    Mistake("last pass", "billing: edited 2024-09: 1 of 30", True, lambda made: made.passes()),
    Mistake("clock", "and this machine's clock says 2026-01-02 00:00 UTC", True, lambda made: None),
)
"""What is wrong after it."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, migrated: Migrated) -> Iterator[Made]:
    root = migrated(tmp_path_factory.mktemp("doctor"))
    (root / "catalog").mkdir()
    settings = Settings(
        root,
        root / "catalog",
        root / "teams.yaml",
        billing=tuple(
            BillingSource(name, "focus", name, deliveries="replace" if name == "replaced" else None)
            for name in SOURCES
        ),
        telemetry=(TelemetrySource("files", "otlp", "otlp"),),
    )
    with open_warehouse(root) as warehouse:
        made = Made(settings, warehouse)
        for name in ("edited", "summed"):
            made.write(
                f"{name}/bill.csv",
                bill(name, *MANY),
            )
        made.write("shrinks/bill.csv", bill("shrinks", {"ServiceName": "gone"}))
        for one in FIRST:
            one.make(made)
        assert made.passes() == 3
        more = [
            *(one for one in settings.billing if one.name != "shrinks"),
            BillingSource("nowhere", "focus", "no/such/place"),
            BillingSource("nothing", "focus", "nothing"),
            BillingSource("twice", "focus", "gaps/*.csv"),
        ]
        made.settings = replace(settings, billing=tuple(more))
        yield made


def unsaid(mistakes: Iterable[Mistake], said: list[tuple[str, Finding]]) -> list[str]:
    return [f"{one.check}: {one.words}" for one in mistakes if not is_said(one, said)]


def is_said(one: Mistake, said: list[tuple[str, Finding]]) -> bool:
    return any(
        check == one.check and one.words in finding.sentence and finding.is_failure == one.fails
        for check, finding in said
    )


def test_each_mistake_is_found_by_name_until_it_is_mended(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = made.found()
    assert {check for check, _ in said} == set(CHECKS)
    assert not unsaid(FIRST, said), said
    with monkeypatch.context() as fewer:
        fewer.setattr(checks, "SHOWN", 2)
        refused = [finding for _, finding in made.found("refusals")]
    whole = sum(check == "refusals" for check, _ in said)
    assert len(refused) == 3 and refused[-1].is_failure
    assert refused[-1].sentence == f"and {whole - 2} more, {whole} in all"
    assert not any("could not be looked at" in finding.sentence for _, finding in said)

    healthy = replace(
        made.settings, billing=tuple(one for one in made.settings.billing if one.name in SOURCES)
    )
    made.settings = healthy
    made.passes()
    said = made.found()
    can_be_mended = [one for one in FIRST if one.mend]
    assert not unsaid(can_be_mended, said), "still so after a pass with nothing new"
    made.settings = replace(healthy, billing=tuple(one for one in healthy.billing if one.name != "bad"))
    still = made.found("refusals")
    assert still and not any("bad.csv" in finding.sentence for _, finding in still), "its source is gone"
    made.settings = healthy

    for one in can_be_mended:
        assert one.mend
        one.mend(made)
    made.passes()
    said = made.found()
    left = [one for one in can_be_mended if is_said(one, said)]
    assert not left, [finding.sentence for check, finding in said for one in left if check == one.check]
    assert not any(check == "refusals" and finding.is_failure for check, finding in said)

    for one in AFTER:
        one.make(made)
    said = made.found()
    assert not unsaid(AFTER, said), said
    notes: list[str] = []
    assert read_only(made.root, "SELECT 1 AS one", "csv", notes.append) == '"one"\n1\n'
    for beside in (notes, list(broken_sentences(made.warehouse))):
        assert any(note.startswith("Not whole: edited 2024-09: 1 of 30 row(s)") for note in beside)
    assert [
        finding.is_failure for _, finding in made.found("clock", clock=datetime.now(UTC) + timedelta(1))
    ] == [False]


RULES = (
    ("version: [", "rules.yaml, line", True),
    (
        "version: '1'\nrules:\n  - {name: a, split: evenly}\n",
        "rules.yaml, line 3: rules[0].split is 'evenly'",
        True,
    ),
    (
        "version: '1'\nrules:\n  - {name: a, split: even, take: {app: shop}, to: {teams: unassigned}}\n"
        "  - {name: b, split: even, take: {app: till}, to: {teams: unassigned}}\n",
        "the rules give to each other in a circle: a -> b -> a",
        True,
    ),
    (
        "version: '1'\nrules:\n  - {name: a, split: even, to: {apps: [shop, shpo]}}\n",
        "rules.yaml, line 3: the rule a names the app shpo under to.apps, which neither",
        False,
    ),
    (
        "version: '1'\nrules:\n  - {name: a, split: even, to: {teams: [nobodys], lifecycles: '*'}}\n",
        "names the team nobodys under to.teams",
        False,
    ),
    (
        "version: '1'\nrules:\n  - {name: a, split: even, to: {criticalities: low}}\n",
        "rules.yaml, line 3: the rule a fits no app, so it can charge nobody",
        False,
    ),
)


def test_what_is_wrong_with_rules_is_found_by_name(
    tmp_path_factory: pytest.TempPathFactory, migrated: Migrated
) -> None:
    root = migrated(tmp_path_factory.mktemp("rules"))
    settings = Settings(
        root, root / "catalog", root / "teams.yaml", billing=(BillingSource("bill", "focus", "bill"),)
    )
    with open_warehouse(root) as warehouse:
        made = Made(settings, warehouse)
        lines = [{"Tags": f'{{"app_id": "{app}"}}', "ServiceName": app} for app in ("shop", "till")]
        made.write("bill/bill.csv", bill("bill", *lines, {"Tags": "{}"}))
        asked = "registry", "billing", "identities", "costs"
        assert run_pass(settings, steps=list(asked)).exit_code == 0
        assert not [one for _, one in made.found("shared cost rules") if one.advice]
        for text, words, fails in RULES:
            made.write("rules.yaml", text.encode())
            said = made.found("shared cost rules")
            assert is_said(Mistake("shared cost rules", words, fails, lambda _: None), said), said
        made.write(
            "rules.yaml",
            b"version: '1'\nrules:\n  - {name: all, split: even}\n  - {name: more, split: keep}\n",
        )
        assert not [one for _, one in made.found("shared cost rules") if one.advice]  # not applied yet
        assert run_pass(settings, steps=["costs"]).exit_code == 0
        [(_, one)] = made.found("shared cost rules")
        assert one.sentence.startswith(
            "rules.yaml, line 4: the rule more takes nothing of any published month"
        )
        assert not one.is_failure


def test_an_empty_configuration_is_advice(made: Made) -> None:
    empty = Settings(made.root, made.root / "catalog", made.root / "teams.yaml")
    ((_, one),) = replace(made, settings=empty).found("sources")
    assert "no source is configured" in one.sentence and "sources.billing in appfleet.yaml" in one.advice
    assert not one.is_failure


def test_a_check_that_cannot_be_made_is_a_failure_and_the_others_are_made(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> list[str]:
        raise WarehouseError("a block of raw_focus_costs cannot be read")

    monkeypatch.setattr(checks, "changed_totals", broken)
    around = ("lost parts", "control totals", "last pass")
    said = made.found(*around)
    (one,) = [finding for check, finding in said if check == "control totals"]
    assert one.sentence == "could not be looked at: a block of raw_focus_costs cannot be read"
    assert one.is_failure
    assert {check for check, _ in said} == set(around)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EDQUOT, "Disk quota exceeded")]
)
def test_a_disk_that_is_full_while_a_step_writes_is_said_as_such(
    made: Made, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def full(_: Ask) -> Done:
        raise error

    monkeypatch.setitem(WORK, "registry", full)  # type: ignore[arg-type]
    (one,) = run_pass(made.settings, steps=["registry"]).steps
    assert one.exit_code == 1 and one.failed and one.refused == ()
    assert "is full: make room and run again" in one.failed
    assert f"The last pass failed at registry: {one.failed}." in broken_sentences(made.warehouse)
    (said,) = [finding for _, finding in made.found("last pass") if "registry" in finding.sentence]
    assert "is full" in said.sentence and said.is_failure
