"""What `appfleet evidence` says: the pages' suspects in their order, in a terminal; a range that is none is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from models.errors import ConfigurationError
from models.settings import Settings
from pipelines.commands.evidence import NOTHING_KNOWN, Wanted, print_evidence
from pipelines.simulate.faults import drawn_fault
from sql.opening import open_warehouse
from tests.cli.test_budgets import said
from tests.conftest import Migrated
from tests.evidence.planting import insert_spans, publish_apps, utc


def test_an_apps_evidence_is_told_with_its_suspects_first(tmp_path: Path, migrated: Migrated) -> None:
    root = migrated(tmp_path / "workspace")
    settings = Settings(root, root, root)
    fault = drawn_fault(7, "version", "shop", utc(2026, 3, 1, 10), requests=200)
    wanted = Wanted("shop", "2026-03-01T10:00", "2026-03-01T10:30")
    with open_warehouse(root) as warehouse:
        publish_apps(warehouse, {span.app_id: "own" for span in fault.spans})
        insert_spans(warehouse, fault.spans)
        told = said(lambda console: print_evidence(console, settings, wanted)).splitlines()
        asked = said(lambda console: print_evidence(console, settings, wanted, with_sql=True))
        quiet = said(
            lambda console: print_evidence(console, settings, Wanted("nobody", wanted.start, wanted.end))
        )
        with pytest.raises(ConfigurationError, match="is no time"):
            print_evidence(Console(), settings, Wanted("shop", "soon", wanted.end))
        with pytest.raises(ConfigurationError, match=NOTHING_KNOWN[:20]):
            print_evidence(Console(), settings, Wanted("shop", None, None))
    bad = sum(
        span.failed
        and span.app_id == "shop"
        and span.kind == "server"
        and span.start >= int(fault.begins.timestamp()) * 10**9
        for span in fault.spans
    )
    assert told[0].startswith(
        f"shop, 2026-03-01 10:00 to 2026-03-01 10:30 UTC: {bad} bad requests, the first at 10:"
    )
    assert told[1] == "Suspects, the likeliest first:"
    assert told[2].startswith("  1. version 2.1.0: ")
    assert any(line.startswith("Status: 503 (") for line in told)
    assert "-- evidence/attributes\n" in asked and "CAST('shop', 'String')" in asked
    assert (
        quiet.strip() == "nobody, 2026-03-01 10:00 to 2026-03-01 10:30 UTC: no bad request among 0 good ones."
    )
