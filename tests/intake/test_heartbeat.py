"""How far live telemetry is loaded: never further than the oldest request that waits, and never held by one set aside."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

from models.settings import IntakeSettings
from pipelines.ingest.intake import Intake, Limits
from pipelines.ingest.intake.journal import Journal
from pipelines.ingest.intake.wire import PROTOBUF
from sql.warehouse import Warehouse
from tests.intake.conftest import eventually, patience
from tests.intake.otlp import post, spans


def test_what_waits_holds_the_moment_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Limits(seal_seconds=0.05))
    journal.start()
    before = datetime.now(UTC)
    assert before <= journal.loaded_through() <= datetime.now(UTC)
    journal.append("traces", PROTOBUF, b"a").result(5)
    acknowledged = datetime.now(UTC)
    held = journal.loaded_through()
    assert before <= held <= acknowledged
    segment = journal.next_sealed("traces", 5)
    assert segment is not None
    journal.append("logs", PROTOBUF, b"b").result(5)
    journal.postpone(segment)
    assert journal.loaded_through() == held
    journal.close()
    # Another process finds both, and is held back by the older one all the same.
    again = Journal(tmp_path, Limits())
    again.start()
    assert abs(again.loaded_through() - held) < timedelta(milliseconds=1)
    for signal in ("traces", "logs"):
        left = again.next_sealed(signal, 5)  # type: ignore[arg-type]
        assert left is not None
        again.set_aside(left) if signal == "logs" else again.remove(left)
    assert datetime.now(UTC) - again.loaded_through() < timedelta(seconds=1)
    again.close()


def test_the_intake_says_how_far_it_is_also_while_idle(tmp_path: Path, warehouse: Warehouse) -> None:
    limits = Limits(heartbeat_seconds=0.1)
    settings = IntakeSettings(name="beat")
    intake = Intake(tmp_path, limits, 0, 0, lambda _: nullcontext(warehouse), settings=settings)

    def through() -> datetime:
        frame = warehouse.frame_of(
            "SELECT intake, loaded_through FROM raw_intake_heartbeats FINAL WHERE intake = 'beat'"
        )
        assert len(frame) in (0, 1)
        return frame["loaded_through"].to_list()[0] if len(frame) else datetime(1970, 1, 1, tzinfo=UTC)

    intake.start()
    try:
        started = datetime.now(UTC)
        eventually(lambda: through() > started, patience(10))
        assert post(intake.addresses.http, "traces", spans(77, 3, "beat").SerializeToString())[0] == 200
        acknowledged = datetime.now(UTC)
        eventually(lambda: through() > acknowledged, patience(20))
        rows = warehouse.frame_of("SELECT count() FROM otel.otel_traces_current WHERE app_id = 'beat'")
        assert rows.item() == 3
    finally:
        intake.stop()
