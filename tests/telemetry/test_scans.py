"""A pass over many objects: groups are loaded while the next ones are fetched, and no object is lost or counted twice."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.errors import WarehouseError
from models.settings import Settings, TelemetrySource
from pipelines.ingest.telemetry import TelemetryOutcome, ingest_source
from pipelines.ingest.telemetry import source as source_module
from sql.warehouse import Warehouse
from tests.telemetry import otlp_messages as otlp

WRITTEN = datetime(2026, 1, 2, tzinfo=UTC).timestamp()


def scan(warehouse: Warehouse, root: Path) -> TelemetryOutcome:
    (root / "catalog").mkdir(exist_ok=True)
    (root / "teams.yaml").write_text("teams: []\n", encoding="utf-8")
    settings = Settings(root=root, catalog=root / "catalog", teams=root / "teams.yaml")
    return ingest_source(warehouse, settings, TelemetrySource("files", "otlp", "files"))


def written(root: Path, objects: Mapping[str, bytes]) -> None:
    (root / "files").mkdir(exist_ok=True)
    for name, content in objects.items():
        path = root / "files" / name
        path.write_bytes(content)
        os.utime(path, (WRITTEN, WRITTEN))


def spans(warehouse: Warehouse) -> int:
    return int(warehouse.frame_of("SELECT count() FROM otel.otel_traces_current").item())


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "GROUP_OBJECTS", 4)


def mixed(objects: int) -> dict[str, bytes]:
    """Objects of both encodings, of one span each beside what stands in ``expected``."""
    found = {}
    for number in range(objects):
        request = otlp.traces(1, first=1 + number)
        if number % 3 == 0:
            found[f"{number:03}.jsonl"] = otlp.as_json(request)
        else:
            found[f"{number:03}.binpb"] = otlp.delimited(request)
    return found


@pytest.mark.usefixtures("small_groups")
def test_groups_that_fill_at_different_times_give_every_object_once(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    objects = mixed(15)
    objects["100-copy.jsonl"] = objects["000.jsonl"]
    objects["004-empty.jsonl"] = b""
    late = otlp.traces(1, first=500, start_time_unix_nano=1, end_time_unix_nano=2)
    objects["007-faulty.jsonl"] = otlp.as_json(otlp.traces(2, first=400)) + otlp.as_json(late)
    objects["005-other.txt"] = b"not telemetry at all"
    written(tmp_path, objects)
    outcome = scan(warehouse, tmp_path)
    assert (outcome.loaded, outcome.already, outcome.records) == (16, 1, {"traces": 17})
    assert spans(warehouse) == 17
    assert [one.object_name for one in outcome.refusals] == ["004-empty.jsonl", "005-other.txt"]
    assert [one.object_name for one in outcome.set_aside] == ["007-faulty.jsonl"]
    lines = "SELECT count() FROM raw_deliveries"
    before = warehouse.frame_of(lines).item()
    again = scan(warehouse, tmp_path)
    assert (again.loaded, again.already, len(again.refusals)) == (0, 17, 2)
    assert warehouse.frame_of(lines).item() == before, "what is listed as it was is not fetched"
    assert spans(warehouse) == 17


@pytest.mark.usefixtures("small_groups")
def test_a_warehouse_that_goes_away_in_the_middle_ends_the_pass_and_the_next_one_completes_it(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, mixed(20))
    load_group, calls = source_module.load_group, []

    def away(*given: Any) -> Any:
        calls.append(given)
        if len(calls) > 2:
            raise WarehouseError("the warehouse went away")
        return load_group(*given)

    monkeypatch.setattr(source_module, "load_group", away)
    with pytest.raises(WarehouseError, match="the warehouse went away"):
        scan(warehouse, tmp_path)
    assert (len(calls), spans(warehouse)) == (3, 8)
    monkeypatch.setattr(source_module, "load_group", load_group)
    outcome = scan(warehouse, tmp_path)
    assert (outcome.loaded, outcome.already) == (12, 8)
    assert spans(warehouse) == 20


@pytest.mark.usefixtures("small_groups")
def test_what_is_loaded_makes_room_for_what_comes(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source may be larger than the disk of this machine: of each shape a group waits, one is loaded, one is full."""
    written(tmp_path, {name: content for name, content in mixed(36).items() if name.endswith("binpb")})
    load_group, most = source_module.load_group, 0

    def watched(together: Warehouse, folder: Path, *given: Any) -> Any:
        nonlocal most
        most = max(most, sum(path.is_file() for path in folder.parent.iterdir()))
        return load_group(together, folder, *given)

    monkeypatch.setattr(source_module, "load_group", watched)
    assert scan(warehouse, tmp_path).loaded == 24
    assert 4 <= most <= 8


def test_a_group_holds_no_more_bytes_than_it_may_and_a_larger_object_is_loaded_alone(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = {f"{number}.binpb": otlp.delimited(otlp.traces(2, first=1 + 2 * number)) for number in range(5)}
    size = max(map(len, objects.values()))
    objects["9.binpb"] = otlp.delimited(*(otlp.traces(2, first=100 + 2 * number) for number in range(3)))
    written(tmp_path, objects)
    load_group, groups = source_module.load_group, []

    def watched(together: Warehouse, folder: Path, delivered: Any, *given: Any) -> Any:
        groups.append(len(delivered))
        return load_group(together, folder, delivered, *given)

    monkeypatch.setattr(source_module, "load_group", watched)
    monkeypatch.setattr(source_module, "GROUP_BYTES", 2 * size + 1)
    assert scan(warehouse, tmp_path).records == {"traces": 16}
    assert (groups, spans(warehouse)) == ([2, 2, 1], 16)


def test_an_object_written_again_in_the_same_second_with_as_many_bytes_is_read_again(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    first, second = (otlp.delimited(otlp.traces(1, first=number)) for number in (1, 2))
    assert len(first) == len(second)
    for after, content in ((0.25, first), (0.5, second)):
        path = tmp_path / "files" / "spans.binpb"
        written(tmp_path, {path.name: content})
        os.utime(path, (WRITTEN + after, WRITTEN + after))
        assert scan(warehouse, tmp_path).loaded == 1
    assert (scan(warehouse, tmp_path).already, spans(warehouse)) == (1, 2)
