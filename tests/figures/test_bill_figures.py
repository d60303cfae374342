"""What is read from the published bill and its ledger, cell by cell against an independent count in plain Python."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sql.publish import new_batch_id
from sql.warehouse import Warehouse
from tests.figures.bill import DAMAGED, NOTHING_LEFT, SHORT, Bill, publish_bill
from tests.figures.counted import groups, total
from tests.figures.rows import DAYS, MONTHS, SOURCES, Row, Sample, publish_sample
from tests.figures.test_figures import differing

METRICS = {"BilledCost": "billed_cost", "EffectiveCost": "effective_cost"}


@pytest.fixture(scope="module")
def sample(fresh_warehouse: Warehouse) -> Sample:
    """Computed tables, so that attributed has something to differ from."""
    return publish_sample(fresh_warehouse)


@pytest.fixture(scope="module")
def bill(fresh_warehouse: Warehouse, sample: Sample) -> Bill:
    """The published bill."""
    return publish_bill(fresh_warehouse)


def check(warehouse: Warehouse, name: str, want: list[tuple[Any, ...]], **given: Any) -> None:
    frame = warehouse.frame(f"queries/{name}", **given)
    assert not differing(frame, want), (name, given, differing(frame, want))


def attributed(sample: Sample, source: str, month: date) -> dict[str, Decimal]:
    rows = [
        row
        for row in sample["core_app_costs_daily"]
        if (row["source_name"], row["billing_period"]) == (source, month)
    ]
    return {
        f"{currency}/{metric}": total(own, column)
        for (currency,), own in groups(rows, "billing_currency").items()
        for metric, column in METRICS.items()
    }


def test_reconciliation_is_published_against_attributed(
    fresh_warehouse: Warehouse, sample: Sample, bill: Bill
) -> None:
    for month in MONTHS:
        want = []
        for source in SOURCES:
            told = {
                key: cost for key, cost in bill.sums[source, month].items() if key.split("/")[1] in METRICS
            }
            ours = attributed(sample, source, month)
            for key in sorted({*told, *ours}):
                pair = told.get(key, Decimal(0)), ours.get(key, Decimal(0))
                want.append((source, *key.split("/"), *pair, pair[0] - pair[1]))
        assert want
        check(
            fresh_warehouse,
            "finance/reconciliation",
            want,
            teams=["alpha"],
            see_whole_bills=True,
            billing_period=month,
        )
        for teams, right in ((["unassigned"], False), ([], True)):
            check(
                fresh_warehouse,
                "finance/reconciliation",
                [],
                teams=teams,
                see_whole_bills=right,
                billing_period=month,
            )


def test_control_totals_tell_damage_and_what_is_not_attributed(
    fresh_warehouse: Warehouse, sample: Sample, bill: Bill
) -> None:
    want = []
    for (source, month), told in sorted(bill.sums.items()):
        ours = attributed(sample, source, month)
        for key in sorted(told):
            currency, metric = key.split("/")
            if metric in METRICS:
                own = [
                    r
                    for r in bill.rows
                    if (r["x_SourceName"], r["x_BillingPeriod"], r["BillingCurrency"])
                    == (source, month, currency)
                ]
                held = total(own, metric)
                mine = ours.get(key, Decimal(0))
                want.append(
                    (
                        source,
                        month,
                        currency,
                        metric,
                        told[key],
                        held,
                        mine,
                        told[key] - mine,
                        told[key] - held,
                    )
                )
    assert [one[:4] for one in want if one[-1]] == [(*DAMAGED, "EUR", "BilledCost")]
    check(fresh_warehouse, "billing/control_totals", want)


def test_held_deliveries_are_the_newest_line_of_a_source_where_it_waits(
    fresh_warehouse: Warehouse, bill: Bill
) -> None:
    seen = []
    for month in MONTHS:
        want = []
        for source in sorted(SOURCES):
            own = [one for one in bill.holds if (one["source_name"], one["period"]) == (source, month)]
            newest = max(own, key=lambda one: one["recorded_at"])
            if newest["state"] != "held":
                continue
            told, published = newest["sums"], newest["published_sums"]
            currencies = sorted({key.split("/")[0] for key in (*told, *published)}) or [""]
            names = ("source_name", "sha256", "cause", "reason")
            for currency in currencies:
                key = f"{currency}/BilledCost"
                pair = told.get(key, Decimal(0)), published.get(key, Decimal(0))
                row = (*(newest[name] for name in names), ", ".join(newest["object_names"]), newest["rows"])
                want.append((*row, currency, *pair, pair[0] - pair[1], newest["recorded_at"]))
        seen += want
        given = {"teams": ["alpha"], "see_whole_bills": True, "billing_period": month}
        check(fresh_warehouse, "finance/held_deliveries", want, **given)
        check(fresh_warehouse, "finance/held_deliveries", [], **{**given, "see_whole_bills": False})
        check(fresh_warehouse, "finance/held_deliveries", [], **{**given, "teams": []})
    assert len({row[0] for row in seen}) == len(SOURCES) and len(seen) > 3


def test_deliveries_are_those_of_the_current_batches(fresh_warehouse: Warehouse, bill: Bill) -> None:
    for month in MONTHS:
        want = []
        for line in sorted(bill.deliveries, key=lambda line: (line["source_name"], line["object_name"])):
            at, seq = bill.published[line["source_name"], month]
            current = str(bill.batches[line["source_name"], month]) == line["batch_id"]
            if (
                line["kind"] == "billing"
                and line["state"] == "loaded"
                and line["period"] == month
                and current
            ):
                names = ("source_name", "object_name", "object_sha256", "rows", "rejected", "modified_at")
                recorded = line["recorded_at"]
                want.append((*(line[name] for name in names), recorded, line["batch_id"], at, seq))
        assert len(want) == 4
        check(
            fresh_warehouse,
            "finance/deliveries",
            want,
            teams=["alpha"],
            see_whole_bills=True,
            billing_period=month,
        )
        for teams, right in ((["unassigned"], False), ([], True)):
            check(
                fresh_warehouse,
                "finance/deliveries",
                [],
                teams=teams,
                see_whole_bills=right,
                billing_period=month,
            )


def test_rejects_are_counted_once_by_object(fresh_warehouse: Warehouse, bill: Bill) -> None:
    want = []
    for key, own in groups(bill.rejects, "kind", "source_name", "reason", "object_name").items():
        newest = max(row["rejected_at"] for row in own) + timedelta(
            days=1
        )  # each was met once more a day later
        want.append((*key, len(own), min(row["position"] for row in own), newest))
    assert want
    check(fresh_warehouse, "doctor/rejects", sorted(want))


def test_sub_accounts_are_those_of_a_source(fresh_warehouse: Warehouse, bill: Bill) -> None:
    for source in (*SOURCES, "none"):
        seen = {row["SubAccountId"] or "" for row in bill.rows if row["x_SourceName"] == source}
        check(fresh_warehouse, "doctor/sub_accounts", [(one,) for one in sorted(seen)], source_name=source)


def test_identities_are_each_told_once(fresh_warehouse: Warehouse, bill: Bill) -> None:
    want = {}
    begun: dict[int, list[datetime]] = {}
    for row in bill.rows:
        begun.setdefault(row["x_IdentityHash"], []).append(row["ChargePeriodStart"])
        names = ("ResourceId", "ResourceName", "SubAccountId", "BillingAccountId", "x_ResourceGroupName")
        want[row["x_IdentityHash"]] = (
            row["x_IdentityHash"],
            row["Tags"],
            *(row[name] or "" for name in names),
            min(begun[row["x_IdentityHash"]]),
            max(begun[row["x_IdentityHash"]]),
            1,
        )
    check(fresh_warehouse, "identities/distinct", [row for _, row in sorted(want.items())])


def newest_complete_day(rows: list[Row], until: date) -> date | None:
    """As finance would say it: usage decides, then charges of a day, then whatever there is."""
    over = [row for row in rows if row["ChargePeriodStart"].date() <= until]
    for own in ([row for row in over if row["ChargeCategory"] == "Usage"], over):
        if own:
            last = max(row["ChargePeriodStart"].date() for row in own)
            ends = [
                row["ChargePeriodEnd"]
                for row in own
                if row["ChargePeriodEnd"] - row["ChargePeriodStart"] <= SHORT
            ]
            return min(last, max(ends).date() - timedelta(days=1)) if ends else last
    return None


def test_cost_days_are_of_the_newest_months_that_have_rows(fresh_warehouse: Warehouse, bill: Bill) -> None:
    """A month restated to nothing is no newest month: its source would have no day at all, and nobody would miss it."""
    first, last = min(DAYS), max(DAYS)
    months = set()
    for until in (last + timedelta(days=400), *sorted(DAYS), first - timedelta(days=1)):
        want = []
        for source in SOURCES:
            own = [
                row for row in bill.rows if row["x_SourceName"] == source and row["x_BillingPeriod"] <= until
            ]
            newest = sorted({row["x_BillingPeriod"] for row in own})[-2:]
            day = newest_complete_day([row for row in own if row["x_BillingPeriod"] in newest], until)
            if day:
                want.append((source, day))
                months.add(day.month)
        check(fresh_warehouse, "freshness/cost_days", want, until=until)
    assert NOTHING_LEFT[0] in SOURCES and len(months) == len(MONTHS)


def test_usage_of_a_day_to_come_is_told(fresh_warehouse: Warehouse, bill: Bill) -> None:
    found = 0
    for today in (*sorted(DAYS), max(DAYS) + timedelta(days=1)):
        ahead = [
            row
            for row in bill.rows
            if row["ChargeCategory"] == "Usage" and row["ChargePeriodStart"].date() > today
        ]
        want = [
            (
                *key,
                len(own),
                sum(row["BilledCost"] for row in own),
                min(row["ChargePeriodStart"] for row in own).date(),
                max(row["ChargePeriodStart"] for row in own).date(),
            )
            for key, own in sorted(groups(ahead, "x_SourceName", "BillingCurrency").items())
        ]
        found += len(want)
        check(fresh_warehouse, "doctor/charges_ahead", want, today=today)
    assert found > len(DAYS)


def lines_of(sample: Sample, hash_: int) -> list[Row]:
    """The lines of an identity in the order they begin to hold."""
    lines = [row for row in sample["core_identities"] if row["x_IdentityHash"] == hash_]
    return sorted(lines, key=lambda row: row["holds_from"])


def app_at(sample: Sample, hash_: int, moment: datetime) -> Row:
    """The line of an identity that held at a moment; an empty one where none did."""
    lines = [row for row in lines_of(sample, hash_) if row["holds_from"] <= moment]
    return lines[-1] if lines else {"app_id": ""}


def largest_remainder(amount: Decimal, shares: list[int]) -> list[Decimal]:
    """An amount in parts of 1e-18 by whole numbers alone."""
    units, whole = int(amount.scaleb(18)), sum(shares)
    floors = [units * share // whole for share in shares]
    rest = [units * share % whole for share in shares]
    order = sorted(range(len(shares)), key=lambda place: (-rest[place], place))
    for place in order[: units - sum(floors)]:
        floors[place] += 1
    return [Decimal(one).scaleb(-18) for one in floors]


def parts_of(sample: Sample, row: Row) -> list[tuple[Row, Decimal, Decimal]]:
    """Line, billed and effective cost of each part of a charge: cut where another line of its identity begins to hold."""
    start, end = row["ChargePeriodStart"], row["ChargePeriodEnd"]
    held = app_at(sample, row["x_IdentityHash"], start)
    later = [one for one in lines_of(sample, row["x_IdentityHash"]) if start < one["holds_from"] < end]
    if len(held) == 1:
        later = []  # nobody had it when it began
    edges = [start, *(one["holds_from"] for one in later), end]
    shares = [
        (after - before) // timedelta(microseconds=1) for before, after in zip(edges, edges[1:], strict=False)
    ]
    costs = (largest_remainder(row[metric], shares) for metric in METRICS)
    return list(zip((held, *later), *costs, strict=True))


def test_costs_per_app_and_day_are_the_bill_attributed(
    fresh_warehouse: Warehouse, sample: Sample, bill: Bill
) -> None:
    """``core_app_costs_daily`` as it is computed: every row of the published bill, by the lines of its identity that held in
    its charge period, each with its part of the time, exactly."""
    cut = 0
    identities = fresh_warehouse.frame_of(
        "SELECT toString(batch_id) AS batch FROM current_batches WHERE table_name = 'core_identities'"
    )["batch"].item()
    keys = (
        "billing_period", "usage_date", "source_name", "app_id", "team", "cost_center", "environment", "provider", "service_name",
        "charge_category", "charge_class", "charge_frequency", "billing_currency", "attribution_rule", "confidence",
    )  # fmt: skip
    for month in MONTHS:
        batch = new_batch_id()
        given = {"billing_period": month, "batch_id": batch, "identities_batch": identities, "pools": []}
        fresh_warehouse.execute("statements/core_app_costs_daily", **given)
        rows = []
        for row in bill.rows:
            if row["x_BillingPeriod"] != month:
                continue
            day = row["ChargePeriodStart"].date()
            for line, billed, effective in parts_of(sample, row):
                cut += billed != row["BilledCost"]
                known = bool(line["app_id"])
                rows.append(
                    {
                        "billing_period": month,
                        "usage_date": day,
                        "source_name": row["x_SourceName"],
                        "app_id": line["app_id"] or "unallocated",
                        "team": line["team"] if known else "unassigned",
                        "cost_center": line.get("cost_center", ""),
                        "environment": line.get("environment", ""),
                        "provider": row["ServiceProviderName"] or row["ProviderName"] or "",
                        "service_name": row["ServiceName"],
                        "charge_category": row["ChargeCategory"],
                        "charge_class": row["ChargeClass"] or "",
                        "charge_frequency": row["ChargeFrequency"] or "",
                        "billing_currency": row["BillingCurrency"],
                        "attribution_rule": line["attribution_rule"] if known else "unallocated",
                        "confidence": line.get("confidence", 0.0),
                        "BilledCost": billed,
                        "EffectiveCost": effective,
                    }
                )
        want = [
            (*key, total(own, "BilledCost"), total(own, "EffectiveCost"))
            for key, own in groups(rows, *keys).items()
        ]
        columns = ", ".join(
            f"toString({key}) AS {key}" if key not in ("billing_period", "usage_date", "confidence") else key
            for key in keys
        )
        got = fresh_warehouse.frame_of(
            f"SELECT {columns}, billed_cost, effective_cost FROM core_app_costs_daily WHERE batch_id = {{batch:UUID}}",
            batch=batch,
        )
        assert any(row["app_id"] == "unallocated" for row in rows) and len(want) > 20
        got = got.sort(*keys)
        assert not differing(got, sorted(want)), differing(got, sorted(want))
    assert cut > 10


def test_pools_are_all_charges_of_their_apps_and_no_others(
    fresh_warehouse: Warehouse, sample: Sample, bill: Bill
) -> None:
    """What rules take from: of some apps, of what is nobody's and of both, whichever lines an identity has had."""
    identities, live = (
        fresh_warehouse.frame_of(
            "SELECT DISTINCT toString(batch_id) AS batch FROM current_batches WHERE table_name = {name:String} ORDER BY batch",
            name=name,
        )["batch"].to_list()
        for name in ("core_identities", "raw_focus_costs")
    )
    parts = [
        (row, line["app_id"] or "unallocated", billed, effective)
        for row in bill.rows
        for line, billed, effective in parts_of(sample, row)
    ]
    apps, seen = sorted({app for _, app, _, _ in parts} - {"unallocated"}), 0
    for asked in (["unallocated"], apps[:1], ["unallocated", *apps[:3]]):
        for month in MONTHS:
            rows = [
                {
                    "day": row["ChargePeriodStart"].date(),
                    "app": app,
                    "service": row["ServiceName"],
                    "currency": row["BillingCurrency"],
                    "billed": billed,
                    "effective": effective,
                }
                for row, app, billed, effective in parts
                if row["x_BillingPeriod"] == month and app in asked
            ]
            keys = ("day", "app", "service", "currency")
            want = [
                (*key, len(own), total(own, "billed"), total(own, "effective"))
                for key, own in groups(rows, *keys).items()
            ]
            found = fresh_warehouse.frame(
                "queries/costs/pools",
                billing_period=month,
                sources=sorted({row["x_SourceName"] for row in bill.rows}),
                batches=live,
                identities_batch=identities[0],
                pools=asked,
                looked_at=[],
                tag_keys=[],
                hourly=False,
            )
            got = [
                (*key, sum(own["charges"]), sum(own["billed_cost"]), sum(own["effective_cost"]))
                for key, own in found.partition_by(
                    "usage_date", "app_id", "service_name", "billing_currency", as_dict=True
                ).items()
            ]
            assert sorted(got) == sorted(want)
            seen += len(rows)
    assert seen > 20


def test_what_each_identity_cost_is_told_with_who_had_it_and_why(
    fresh_warehouse: Warehouse, sample: Sample, bill: Bill
) -> None:
    """Charges that are cut stand apart, with their time and what each owner has of it; their sum is the bill."""
    identities = fresh_warehouse.frame_of(
        "SELECT toString(batch_id) AS batch FROM current_batches WHERE table_name = 'core_identities'"
    )["batch"].item()
    never = datetime(1970, 1, 1, tzinfo=UTC)
    keys = ("source_name", "x_IdentityHash", "service_name", "app_id", "team", "cost_center", "attribution_rule", "confidence",
            "evidence", "owner_basis", "charge_start", "charge_end", "owned_from", "owned_to", "billing_currency")  # fmt: skip
    for month in MONTHS:
        rows = []
        for row in bill.rows:
            if row["x_BillingPeriod"] != month:
                continue
            parts = parts_of(sample, row)
            edges = [
                row["ChargePeriodStart"],
                *(line["holds_from"] for line, *_ in parts[1:]),
                row["ChargePeriodEnd"],
            ]
            for place, (line, billed, effective) in enumerate(parts):
                known, cut = bool(line["app_id"]), len(parts) > 1
                times = (row["ChargePeriodStart"], row["ChargePeriodEnd"], edges[place], edges[place + 1])
                rows.append(
                    {
                        "source_name": row["x_SourceName"],
                        "x_IdentityHash": row["x_IdentityHash"],
                        "service_name": row["ServiceName"],
                        "app_id": line["app_id"] or "unallocated",
                        "team": line["team"] if known else "unassigned",
                        "cost_center": line.get("cost_center", ""),
                        "attribution_rule": line["attribution_rule"] if known else "unallocated",
                        "confidence": line.get("confidence", 0.0),
                        "evidence": line.get("evidence", ""),
                        "owner_basis": "owner_changed" if cut else "",
                        **dict(zip(keys[10:14], times if cut else (never,) * 4, strict=True)),
                        "billing_currency": row["BillingCurrency"],
                        "charges": int(place == 0),
                        "billed": billed,
                        "effective": effective,
                    }
                )
        want = [
            (*key, sum(row["charges"] for row in own), total(own, "billed"), total(own, "effective"))
            for key, own in groups(rows, *keys).items()
        ]
        batch = new_batch_id()
        given = {"billing_period": month, "batch_id": batch}
        fresh_warehouse.execute("statements/core_identity_costs", **given, identities_batch=identities)
        texts = (
            "source_name",
            "service_name",
            "team",
            "cost_center",
            "attribution_rule",
            "owner_basis",
            "billing_currency",
        )
        columns = ", ".join(f"toString({key}) AS {key}" if key in texts else key for key in keys)
        got = fresh_warehouse.frame_of(
            f"SELECT {columns}, charges, billed_cost, effective_cost FROM core_identity_costs WHERE batch_id = {{batch:UUID}}",
            batch=batch,
        ).sort(*keys)
        assert not differing(got, sorted(want)), differing(got, sorted(want))
        sums = [
            (*key, total(own, "BilledCost"), total(own, "EffectiveCost"))
            for key, own in sorted(
                groups(
                    [row for row in bill.rows if row["x_BillingPeriod"] == month],
                    "x_SourceName",
                    "BillingCurrency",
                ).items()
            )
        ]
        check(
            fresh_warehouse,
            "costs/identity_sums",
            [(*one, len([k for k in want if (k[0], k[14]) == one[:2]])) for one in sums],
            **given,
        )


def test_services_of_an_identity_are_those_it_is_charged_for(fresh_warehouse: Warehouse, bill: Bill) -> None:
    want = sorted({(row["x_IdentityHash"], row["ServiceName"]) for row in bill.rows})
    check(fresh_warehouse, "identities/services", want)


def test_the_bill_names_the_app_of_the_day(fresh_warehouse: Warehouse, sample: Sample, bill: Bill) -> None:
    frame = fresh_warehouse.frame_of(
        "SELECT x_IdentityHash, ChargePeriodStart, BilledCost, x_AppId FROM raw_focus_costs_current ORDER BY ALL"
    )
    want = sorted(
        (
            row["x_IdentityHash"],
            row["ChargePeriodStart"],
            row["BilledCost"],
            app_at(sample, row["x_IdentityHash"], row["ChargePeriodStart"])["app_id"] or "unallocated",
        )
        for row in bill.rows
    )
    assert not differing(frame, want), differing(frame, want)


def test_pages_end_where_the_newest_month_with_rows_ends(fresh_warehouse: Warehouse, bill: Bill) -> None:
    told = fresh_warehouse.frame("queries/dashboards/as_of", teams=["alpha"])
    newest = fresh_warehouse.frame_of("SELECT max(published_at) AS at FROM period_head")["at"].item()
    assert told["published_at"].item().replace(microsecond=0) == newest.replace(microsecond=0)
    assert datetime.now(UTC) - told["published_at"].item() < timedelta(hours=1)
