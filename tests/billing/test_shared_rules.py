"""Shared cost rules on a small bill: what a rule takes by tags and hours, and a month that stays where a rule cannot hold."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
from focus_data_toolkit.validate.allocation import validate_split_allocation

from models.identity import UNALLOCATED
from models.settings import Settings
from pipelines.commands.explain import by_which_rules
from pipelines.compute import compute_costs, compute_identities
from pipelines.ingest.shared_rules import load_rules
from pipelines.reports.focus_export import export_focus
from sql.closings import Closing
from sql.publish import head
from tests.billing.conftest import Bills

SEPTEMBER = date(2024, 9, 1)


def published(bills: Bills) -> dict[tuple[str, str], tuple[Decimal, str]]:
    rows = bills.warehouse.frame_of(
        "SELECT app_id, toString(attribution_rule), sum(billed_cost), any(toString(cost_type))"
        " FROM mart_chargeback_lines_current WHERE cost_type != 'rounding' GROUP BY 1, 2"
    ).rows()
    return {row[:2]: row[2:] for row in rows}


def unsplit_of_export(bills: Bills) -> Mapping[str, Decimal]:
    """What an export that is not split says it does not follow."""
    return export_focus(
        bills.warehouse, bills.settings, SEPTEMBER, "1.4", bills.settings.root / "out", is_split=False
    ).unsplit


def exported(bills: Bills) -> dict[tuple[str, ...], list[Decimal]]:
    """Billed costs of an export by app, rule, allocated resource and ratio, in their order."""
    found: dict[tuple[str, ...], list[Decimal]] = {}
    for version, behind in (("1.2", "x_"), ("1.4", "")):
        done = export_focus(bills.warehouse, bills.settings, SEPTEMBER, version, bills.settings.root / "out")
        with done.paths[0].open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert done.unsplit == {} and done.rows == len(rows)
        found = {}
        for row in rows:
            details = json.loads(
                row[f"{behind}AllocatedMethodDetails"] or '{"Elements":[{"AllocatedRatio":""}]}'
            )
            [element] = details["Elements"]
            key = (row["x_AppId"], row["x_AttributionRule"], row[f"{behind}AllocatedResourceId"])
            found.setdefault((*key, str(element["AllocatedRatio"])), []).append(Decimal(row["BilledCost"]))
        if not behind:
            assert validate_split_allocation(rows, cost_tolerance=Decimal(0)) == []
    return {key: sorted(costs) for key, costs in sorted(found.items())}


def test_rules_hold_from_the_pass_on_that_reads_them_and_a_month_they_cannot_be_applied_to_stays(
    bills: Bills, focus_csv: Any
) -> None:
    def charge(cost: str, **more: Any) -> dict[str, Any]:
        return {"BilledCost": cost, "EffectiveCost": cost, "Tags": "{}", **more}

    bills.put(
        "a.csv",
        focus_csv(
            charge("30", Tags='{"app_id": "a"}', SkuId="1"),
            charge("10", Tags='{"app_id": "b"}', SkuId="2"),
            charge("8", Tags='{" Env ": "Shared"}', SkuId="3"),
            charge("-2", Tags='{"Env": "shared"}', ChargeCategory="Credit", SkuId="4"),
            charge("5", SkuId="5"),
        ),
    )
    bills.ingest()
    compute_identities(bills.warehouse, bills.settings)
    compute_costs(bills.warehouse, bills.settings)
    direct = {("a", "app_tag"): (Decimal(30), "direct"), ("b", "app_tag"): (Decimal(10), "direct")}
    assert published(bills) == {**direct, (UNALLOCATED, UNALLOCATED): (Decimal(11), "unallocated")}
    assert unsplit_of_export(bills) == {}

    rules = bills.settings.root / "rules.yaml"
    rules.write_text(
        'version: "1"\nrules:\n'
        "  - {name: env, take: {tags: {env: shared}}, split: direct_cost, fallback: refuse}\n"
        "  - {name: rest, split: keep}\n"
    )
    [release] = compute_costs(bills.warehouse, bills.settings).releases
    shared = {
        ("a", "shared:env"): (Decimal("4.5"), "shared"),
        ("b", "shared:env"): (Decimal("1.5"), "shared"),
        (UNALLOCATED, "shared:rest"): (Decimal(5), "unallocated"),
    }
    assert published(bills) == {**direct, **shared}
    assert release.sums["USD/BilledCost"] == 51
    assert unsplit_of_export(bills) == {"USD": Decimal(6)}  # 8 and -2; what is kept is nobody else's
    assert exported(bills) == {
        ("a", "app_tag", "", ""): [Decimal(30)],
        ("b", "app_tag", "", ""): [Decimal(10)],
        ("a", "shared:env", "a", "0.75"): [Decimal("-1.5"), Decimal(6)],  # of -2 and of 8
        ("b", "shared:env", "b", "0.25"): [Decimal("-0.5"), Decimal(2)],
        (UNALLOCATED, "shared:rest", "", ""): [Decimal(5)],
    }
    assert compute_costs(bills.warehouse, bills.settings).releases == ()
    rules.write_text(rules.read_text().replace("- {name: rest", "# a comment\n  - {name: rest"))
    assert compute_costs(bills.warehouse, bills.settings).releases == ()

    rules.write_text('version: "2"\nrules:\n  - {name: asked, split: requests, fallback: refuse}\n')
    outcome = compute_costs(bills.warehouse, bills.settings)
    assert outcome.releases == ()
    [sentence] = outcome.refused
    assert sentence.startswith(
        "costs of 2024-09 stay as they were: rules.yaml, line 3: the rule asked has no requests"
    )
    assert published(bills) == {**direct, **shared}
    current = head(bills.warehouse, "costs", SEPTEMBER)
    assert current is not None
    assert current.seq == release.seq

    rules.unlink()
    assert len(compute_costs(bills.warehouse, bills.settings).releases) == 1
    assert published(bills) == {**direct, (UNALLOCATED, UNALLOCATED): (Decimal(11), "unallocated")}
    assert load_rules(Settings(Path("x"), Path("x"), Path("x"))).lines == ()


def test_explain_says_by_which_rules_a_month_was_closed() -> None:
    shared = pl.DataFrame({"rule_version": ["2", "2"]})
    told = Closing(SEPTEMBER, "closed", UUID(int=0), "ada", datetime(2024, 10, 9, tzinfo=UTC))
    assert by_which_rules(shared, None) == by_which_rules(shared, told) == []  # closed before it was kept
    told = replace(told, shared_rules_version="1", shared_rules_sha256="ab12")
    assert by_which_rules(shared, told) == [
        "The statement of 2024-09 is closed, by shared cost rules 1, sha256 ab12.",
        "What is told here is by rules 2: `appfleet reclassify` charges the month by them.",
    ]
    assert len(by_which_rules(shared, replace(told, shared_rules_version="2"))) == 1
    [none] = by_which_rules(shared.head(0), replace(told, shared_rules_version=""))
    assert none == "The statement of 2024-09 is closed, by no shared cost rules."
