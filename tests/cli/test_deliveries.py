"""A bill that needs a person, as its user meets it: exit code, notes, doctor, and the decision; sources named throughout."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from tests.cli.conftest import appfleet, make_workspace, owned, rows
from tests.cli.test_bad_input import focus
from tests.conftest import Migrated

LINES = [{"BilledCost": str(cost), "ResourceId": f"r-{cost}"} for cost in range(1, 11)]
MORE = [{"BilledCost": "100", "ResourceId": "more"}]


def _billed(workspace: Path) -> Decimal:
    found = rows(workspace, "SELECT toString(sum(BilledCost)) AS billed FROM raw_focus_costs_current")
    return Decimal(found[0]["billed"])


def test_a_held_bill_is_said_everywhere_until_somebody_decides(tmp_path: Path, migrated: Migrated) -> None:
    sources = [{"name": name, "format": "focus", "location": f"bills/{name}"} for name in ("one", "two")]
    workspace = make_workspace(migrated(tmp_path / "w"), sources={"billing": sources})
    for name in ("one", "two"):
        (workspace / "bills" / name).mkdir(parents=True)
        (workspace / "bills" / name / "bad.csv").write_bytes(b"no,bill\n")
    (workspace / "bills/one/2024-09-07.csv").write_bytes(focus(*LINES))
    with owned(workspace):
        said = appfleet(workspace, "run", "--only", "billing", code=3).out
        assert said.count("refused: one: bad.csv") == said.count("refused: two: bad.csv") == 1
        assert "2 refused" in said
        for name in ("one", "two"):
            (workspace / "bills" / name / "bad.csv").unlink()
        (workspace / "bills/one/2024-09-08.csv").write_bytes(focus(*LINES, *MORE))
        for _ in range(2):
            said = appfleet(workspace, "run", "--only", "billing", code=3).out
            assert "held: one/2024-09/" in said
            assert "USD 210.00 billed would count, 55.00 is published" in said
            assert _billed(workspace) == 55
        found = appfleet(workspace, "doctor", code=1).out
        assert "held deliveries" in found and "one/2024-09/" in found
        listed = appfleet(workspace, "deliveries", anew=True).out
        assert "2024-09-08.csv" in listed and "210.00" in listed and "55.00" in listed
        assert appfleet(workspace, "deliveries", "accept", code=2).err.startswith("appfleet: ")
        assert (
            "no such delivery waits" in appfleet(workspace, "deliveries", "reject", "two/2024-09", code=2).err
        )
        done = appfleet(
            workspace,
            "deliveries",
            "accept",
            "one/2024-09",
            "--newest",
            "--why",
            "month to date",
            "--by",
            "ann",
        ).out
        assert "accepted by ann" in done
        assert _billed(workspace) == 155
        assert "held:" not in appfleet(workspace, "run", "--only", "billing").out
        listed = appfleet(workspace, "deliveries", "list").out
        assert "Nothing is held." in listed and "ann" in listed and "month to date" in listed
        sources[1]["location"] = "bills/one/*-08.csv"
        make_workspace(workspace, sources={"billing": sources})
        refused = appfleet(workspace, "run", "--only", "billing", code=2).out
        assert "source one" in refused and "source two" in refused and "2024-09-08.csv" in refused
        assert _billed(workspace) == 155
