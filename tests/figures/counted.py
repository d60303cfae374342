"""What each query must answer, counted row by row in plain Python over the same rows: no SQL, no frame, no float for money.

One function per query, named by its path. Each is written from the query's purpose and columns, not from its text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

from tests.figures.rows import Row, Sample, month_of

Answer = list[tuple[Any, ...]]
Counted = Callable[..., Answer]
COUNTED: dict[str, Counted] = {}


def query(name: str) -> Callable[[Counted], Counted]:
    def add(function: Counted) -> Counted:
        COUNTED[name] = function
        return function

    return add


def total(rows: Iterable[Row], column: str) -> Decimal:
    with localcontext(prec=120):
        return sum((row[column] for row in rows), Decimal(0))


def groups(rows: Iterable[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return found


def of(rows: Iterable[Row], teams: Iterable[str], **equal: Any) -> list[Row]:
    """Rows of these teams whose columns equal the given values."""
    return [row for row in rows if row["team"] in teams and all(row[k] == v for k, v in equal.items())]


def between(rows: Iterable[Row], first: date, last: date) -> list[Row]:
    return [row for row in rows if first <= row["usage_date"] <= last]


def back(day: date, days: int) -> date:
    return day - timedelta(days=days)


def monday_of(day: date) -> date:
    return back(day, day.weekday())


def month_before(day: date) -> date:
    return month_of(back(month_of(day), 1))


# --- fleet ---


def line_of(row: Row) -> str:
    """The line of the bill a cost stands on."""
    return "Correction" if row["charge_class"] else str(row["charge_category"])


def is_usage(row: Row) -> bool:
    return line_of(row) == "Usage"


@query("dashboards/teams")
def teams_seen(s: Sample, teams: Any, see_all_teams: bool) -> Answer:
    seen = set(teams)
    if see_all_teams:
        for table in ("core_teams", "mart_app_inventory", "core_app_costs_daily"):
            seen |= {row["team"] for row in s[table]}
        seen.add("unassigned")
    return [(team,) for team in sorted(seen)]


@query("dashboards/bill_lines")
def bill_lines(
    s: Sample,
    teams: Any,
    first_day: date,
    last_day: date,
    compared_last_day: date,
    before_first_day: date,
    before_last_day: date,
) -> Answer:
    rows = [{**row, "line": line_of(row)} for row in of(s["core_app_costs_daily"], teams)]
    shown = between(rows, first_day, last_day)
    before = between(rows, before_first_day, before_last_day)
    out = []
    for (currency, line), _ in groups([*shown, *before], "billing_currency", "line").items():
        now, then = (
            [row for row in some if (row["billing_currency"], row["line"]) == (currency, line)]
            for some in (shown, before)
        )
        nobody = [row for row in now if row["app_id"] == "unallocated"]
        like = between(now, first_day, compared_last_day)
        out.append((currency, line, *(total(some, "billed_cost") for some in (now, like, then, nobody))))
    return sorted(out, key=lambda one: (one[0], one[1] != "Usage", one[1]))


@query("fleet/idle_cost")
def fleet_idle_cost(s: Sample, teams: Any) -> Answer:
    held: dict[str, list[Decimal]] = {}
    for row in of(s["mart_app_inventory"], teams, is_idle=True):
        for currency, cost in row["billed_cost_30d"].items():
            held.setdefault(currency, []).append(cost)
    return [(currency, sum(costs, Decimal(0)), len(costs)) for currency, costs in sorted(held.items())]


@query("fleet/counts")
def fleet_counts(s: Sample, teams: Any) -> Answer:
    apps = [row for row in of(s["mart_app_inventory"], teams) if row["app_id"] != "unallocated"]
    slo = of(s["mart_slo_status"], teams)
    return [
        (
            len(apps),
            sum(not row["is_registered"] for row in apps),
            sum(row["is_idle"] for row in apps),
            sum(row["total"] > 0 for row in slo),
            sum(row["is_spent"] for row in slo),
            sum(row["state"] == "page" for row in slo),
            sum(row["state"] == "ticket" for row in slo),
            sum(row["state"] == "silent" for row in slo),
            len(of(s["mart_cost_anomalies"], teams, state="open")),
        )
    ]


@query("fleet/apps")
def fleet_apps(
    s: Sample,
    teams: Any,
    first_day: date,
    last_day: date,
    before_first_day: date,
    before_last_day: date,
    search: str,
    only: Any,
    order_by: str,
    states: Any,
) -> Answer:
    costs = of(s["core_app_costs_daily"], teams)
    shown, earlier = between(costs, first_day, last_day), between(costs, before_first_day, before_last_day)
    per_app = groups(shown, "app_id", "billing_currency")
    weights: dict[str, float] = {}
    for (_, currency), own in per_app.items():
        weights[currency] = weights.get(currency, 0.0) + abs(float(total(own, "billed_cost")))
    rows = []
    for app in of(s["mart_app_inventory"], teams):
        name = app["app_id"]
        if name == "unallocated":
            continue
        cost, usage, before = {}, {}, {}
        cost_share, change_share = [], []
        for (currency,), own in groups(
            [row for row in (*shown, *earlier) if row["app_id"] == name], "billing_currency"
        ).items():
            now, then = between(own, first_day, last_day), between(own, before_first_day, before_last_day)
            cost[currency] = total(now, "billed_cost")
            usage[currency] = total(filter(is_usage, now), "billed_cost")
            before[currency] = total(filter(is_usage, then), "billed_cost")
            whole = weights.get(currency, 0.0)
            cost_share.append(float(cost[currency]) / whole if whole else 0.0)
            change_share.append(float(usage[currency] - before[currency]) / whole if whole else 0.0)
        seen = between(
            [row for row in s["core_app_telemetry_daily"] if row["app_id"] == name], first_day, last_day
        )
        slo = of(s["mart_slo_status"], teams, app_id=name)
        held = {
            "unregistered": not app["is_registered"],
            "no_owner": app["team"] == "unassigned",
            "idle": app["is_idle"],
            "breached": any(one["is_spent"] and one["is_production"] for one in slo),
            "anomaly": bool(of(s["mart_cost_anomalies"], teams, app_id=name, state="open")),
        }
        flags = [flag for flag, holds in held.items() if holds]
        state = app["worst_state"]
        text = "\n".join((name, app["app_name"], app["team"], app["lifecycle"])).lower()
        if search.lower() in text and (not only or {*flags, state} & set(only)):
            requests, errors = (sum(row[key] for row in seen) for key in ("requests", "errors"))
            row = (
                name,
                app["app_name"],
                app["team"],
                app["lifecycle"],
                cost,
                usage,
                before,
                requests,
                errors,
            )
            by = {
                "cost": -max(cost_share, default=0.0),
                "change": -max(change_share, default=0.0),
                "worst": list(states).index(state),
                "requests": -requests,
                "errors": -errors,
                "name": 0,
            }
            rows.append((by[order_by], (*row, state, flags)))
    return [row for _, row in sorted(rows, key=lambda one: (one[0], one[1][0]))]


# --- team ---


@query("team/health")
def team_health(s: Sample, teams: Any) -> Answer:
    slo = of(s["mart_slo_status"], teams)
    worst_first = ("page", "ticket", "spent", "silent", "too_few", "stale", "ok", "no_data")
    held = [(state, sum(row["state"] == state for row in slo)) for state in worst_first]
    return [(state, objectives) for state, objectives in held if objectives]


@query("team/idle")
def team_idle(s: Sample, teams: Any) -> Answer:
    rows = [
        (row["app_id"], row["app_name"], row["team"], currency, cost, row["last_seen"])
        for row in of(s["mart_app_inventory"], teams, is_idle=True)
        for currency, cost in row["billed_cost_30d"].items()
    ]
    return sorted(rows, key=lambda one: (one[3], -one[4], one[0]))


@query("team/movers")
def team_movers(
    s: Sample,
    teams: Any,
    first_day: date,
    last_day: date,
    before_first_day: date,
    before_last_day: date,
    row_limit: int,
) -> Answer:
    usage = list(filter(is_usage, of(s["core_app_costs_daily"], teams)))
    out = []
    for (app, currency), own in groups(usage, "app_id", "billing_currency").items():
        moved = {}
        for (service,), some in groups(own, "service_name").items():
            now = total(between(some, first_day, last_day), "billed_cost")
            before = total(between(some, before_first_day, before_last_day), "billed_cost")
            moved[service] = (now, before, now - before)
        now, before, change = (sum((one[k] for one in moved.values()), Decimal(0)) for k in range(3))
        if change:
            up = 1 if change > 0 else -1
            service = min(moved, key=lambda name: (-up * moved[name][2], name))
            out.append((app, currency, now, before, change, service, moved[service][2]))
    out.sort(key=lambda one: (one[1], -abs(one[4]), one[0]))
    kept: dict[tuple[str, bool], int] = {}
    answer = []
    for one in out:
        key = (one[1], one[4] > 0)
        kept[key] = kept.get(key, 0) + 1
        if kept[key] <= row_limit:
            answer.append(one)
    return answer


@query("team/weeks")
def team_weeks(s: Sample, teams: Any) -> Answer:
    newest = max(row["week_start"] for row in s["mart_team_costs_weekly"])
    rows = [
        row
        for row in of(s["mart_team_costs_weekly"], teams)
        if row["week_start"] > back(newest, 91) and row["charge_category"]
    ]
    return [
        (
            week,
            start,
            max(row["days"] for row in own),
            currency,
            total((row for row in own if is_usage(row)), "billed_cost"),
            total((row for row in own if not is_usage(row)), "billed_cost"),
        )
        for (start, currency, week), own in sorted(
            groups(rows, "week_start", "billing_currency", "iso_week").items()
        )
    ]


# --- app ---


@query("app/activity_daily")
def app_activity(s: Sample, teams: Any, app_id: str, first_day: date, last_day: date) -> Answer:
    names = (
        "usage_date",
        "billing_currency",
        "requests",
        "errors",
        "duration_p95_ms",
        "cost_per_1000_requests",
    )
    rows = between(of(s["mart_app_unit_costs_daily"], teams, app_id=app_id), first_day, last_day)
    return sorted((tuple(row[name] for name in names) for row in rows), key=lambda one: one[:2])


@query("app/anomalies")
def app_anomalies(s: Sample, teams: Any, app_id: str) -> Answer:
    names = (
        "billing_currency",
        "start_date",
        "end_date",
        "kind",
        "expected_cost",
        "actual_cost",
        "impact",
        "state",
    )
    why = {
        (one["billing_currency"], one["first_day"]): one["sentence"]
        for one in of(s["mart_cost_causes"], teams, subject="anomaly", app_id=app_id)
    }
    rows = [
        (*(row[name] for name in names), why.get((row["billing_currency"], row["start_date"]), ""))
        for row in of(s["mart_cost_anomalies"], teams, app_id=app_id)
    ]
    return sorted(
        rows, key=lambda one: (-one[1].toordinal(), -one[2].toordinal(), one[0], one[3], one[6], one[5])
    )[:50]


@query("app/attribution")
def app_attribution(s: Sample, teams: Any, app_id: str, first_day: date, last_day: date) -> Answer:
    rows = between(of(s["core_app_costs_daily"], teams, app_id=app_id), first_day, last_day)
    out = [
        (*key, total(own, "billed_cost"), len({row["usage_date"] for row in own}))
        for key, own in groups(rows, "attribution_rule", "confidence", "billing_currency").items()
    ]
    return sorted(out, key=lambda one: (one[2], -one[3], one[0], one[1]))


@query("app/shared")
def app_shared(s: Sample, teams: Any, app_id: str, first_day: date, last_day: date) -> Answer:
    rows = between(of(s["core_cost_allocations"], teams, app_id=app_id), first_day, last_day)
    keys = ("allocation_rule", "from_app_id", "basis", "instead_of", "confidence", "billing_currency")
    out = []
    for key, own in groups(rows, *keys).items():
        weighed = [window[0] for window in groups(own, "window_start", "window_end").values()]
        sums = (total(weighed, "quantity"), total(weighed, "total_quantity"))
        out.append((*key, *sums, sum(row["charges"] for row in own), total(own, "billed_cost")))
    return sorted(out, key=lambda one: (one[5], -one[9], one[:5]))


@query("app/choices")
def app_choices(s: Sample, teams: Any) -> Answer:
    apps = {row["app_id"] for row in of(s["mart_app_inventory"], teams)} - {"unallocated"}
    apps |= {row["app_id"] for row in of(s["core_app_costs_daily"], teams, app_id="unallocated")}
    return [(app,) for app in sorted(apps)]


@query("app/costs_daily")
def app_costs_daily(s: Sample, teams: Any, app_id: str, first_day: date, last_day: date) -> Answer:
    rows = between(of(s["core_app_costs_daily"], teams, app_id=app_id), first_day, last_day)
    lined = [{**row, "line": line_of(row)} for row in rows]
    return [
        (*key, total(own, "billed_cost"), total(own, "effective_cost"))
        for key, own in sorted(groups(lined, "usage_date", "billing_currency", "line").items())
    ]


@query("app/evidence")
def app_evidence(s: Sample, teams: Any, app_id: str) -> Answer:
    rows = groups(
        of(s["core_identities"], teams, app_id=app_id), "attribution_rule", "confidence", "evidence"
    )
    out = [(*key, len(own)) for key, own in rows.items()]
    return sorted(out, key=lambda one: (-one[3], one[2], one[0], one[1]))[:20]


@query("app/facts")
def app_facts(s: Sample, teams: Any, app_id: str) -> Answer:
    lines = of(s["core_apps"], teams, app_id=app_id)
    newest = max(lines, key=lambda row: row["valid_from"]) if lines else {}
    names = (
        "app_id", "app_name", "team", "lifecycle", "is_registered", "is_billed", "is_observed", "has_indicator",
        "first_cost_date", "last_cost_date", "last_seen", "requests_30d", "is_idle", "worst_state",
    )  # fmt: skip
    registry = tuple(newest.get(name, "") for name in ("system", "lead", "cost_center", "source"))
    return [
        (*(row[name] for name in names), *registry)
        for row in of(s["mart_app_inventory"], teams, app_id=app_id)
    ]


@query("app/services")
def app_services(s: Sample, teams: Any, app_id: str, first_day: date, last_day: date) -> Answer:
    rows = between(of(s["core_app_costs_daily"], teams, app_id=app_id), first_day, last_day)
    out = [
        (*key, total(own, "billed_cost"), total(own, "effective_cost"))
        for key, own in groups(rows, "provider", "service_name", "billing_currency").items()
    ]
    return sorted(out, key=lambda one: (one[2], -one[3], one[1], one[0]))


# --- finance ---


def statement_rows(s: Sample, teams: Any, bills: bool, billing_period: date) -> list[Row]:
    rows = [row for row in s["mart_chargeback_lines"] if row["billing_period"] == billing_period]
    return [row for row in rows if row["team"] in teams or (bills and row["cost_type"] == "rounding")]


@query("finance/months")
def finance_months(s: Sample, teams: Any) -> Answer:
    return [
        (month,)
        for month in sorted(
            {row["billing_period"] for row in of(s["mart_chargeback_lines"], teams)}, reverse=True
        )
    ]


@query("finance/statement")
def finance_statement(s: Sample, teams: Any, see_whole_bills: bool, billing_period: date) -> Answer:
    rows = statement_rows(s, teams, see_whole_bills, billing_period)
    out = []
    for (center, team, currency), own in groups(rows, "cost_center", "team", "billing_currency").items():
        nobody = [row for row in own if row["app_id"] == "unallocated"]
        sums = [total(own, name) for name in ("billed_cost", "effective_cost", "amount")]
        apps = {row["app_id"] for row in own} - {"unallocated", ""}
        out.append(
            (
                center,
                team,
                own[0]["owner"],
                currency,
                *sums,
                total(nobody, "billed_cost"),
                len(own),
                len(apps),
            )
        )
    return sorted(out, key=lambda one: (one[3], one[1] == "", -one[6], one[1], one[0]))


@query("finance/lines")
def finance_lines(s: Sample, teams: Any, see_whole_bills: bool, billing_period: date, search: str) -> Answer:
    names = (
        "line", "cost_center", "team", "app_id", "app_name", "source_name", "service_name", "charge_category", "charge_class",
        "cost_type", "attribution_rule", "billing_currency", "billed_cost", "effective_cost", "amount",
    )  # fmt: skip
    rows = [
        row
        for row in statement_rows(s, teams, see_whole_bills, billing_period)
        if search.lower()
        in "\n".join(
            row[name] for name in ("app_id", "app_name", "team", "cost_center", "service_name")
        ).lower()
    ]
    rows.sort(key=lambda row: row["line"])
    return [tuple(row[name] for name in names) for row in rows]


LINE = (
    "billing_period", "line", "cost_center", "team", "owner", "app_id", "app_name", "source_name", "provider", "service_name",
    "charge_category", "charge_class", "cost_type", "attribution_rule", "billing_currency", "billed_cost", "effective_cost", "amount",
)  # fmt: skip


@query("finance/statement_lines")
def finance_statement_lines(s: Sample, teams: Any, see_whole_bills: bool, billing_period: date) -> Answer:
    rows = statement_rows(s, teams, see_whole_bills, billing_period)
    every = [row for row in s["mart_chargeback_lines"] if row["billing_period"] == billing_period]
    return [
        (billing_period, *(row[name] for name in LINE), *5 * ("",), 2, len(rows) == len(every))
        for row in sorted(rows, key=lambda row: row["line"])
    ]


# --- chargeback: what a statement file is made of ---


@query("chargeback/lines")
def chargeback_lines(s: Sample, billing_period: date, team: str) -> Answer:
    rows = [
        row
        for row in s["mart_chargeback_lines"]
        if row["billing_period"] == billing_period and team in ("", row["team"])
    ]
    return [tuple(row[name] for name in LINE) for row in sorted(rows, key=lambda row: row["line"])]


@query("chargeback/sums")
def chargeback_sums(s: Sample, billing_period: date) -> Answer:
    rows = [row for row in s["mart_chargeback_lines"] if row["billing_period"] == billing_period]
    out = []
    for (currency,), own in sorted(groups(rows, "billing_currency").items()):
        nobody = [row for row in own if row["cost_type"] == "unallocated"]
        sums = [total(own, name) for name in ("billed_cost", "effective_cost", "amount")]
        out.append((currency, *sums, total(nobody, "billed_cost"), total(nobody, "effective_cost")))
    return out


@query("chargeback/teams")
def chargeback_teams(s: Sample, billing_period: date) -> Answer:
    rows = [row for row in s["mart_chargeback_lines"] if row["billing_period"] == billing_period]
    return [(team,) for team in sorted({row["team"] for row in rows} - {""})]


@query("chargeback/version")
def chargeback_version(s: Sample, billing_period: date) -> Answer:
    return [(2,)]


@query("chargeback/costs")
def chargeback_costs(s: Sample, billing_period: date) -> Answer:
    keys = (
        "billing_currency", "cost_center", "team", "app_id", "source_name", "provider", "service_name", "charge_category",
        "charge_class", "attribution_rule",
    )  # fmt: skip
    rows = [row for row in s["core_app_costs_daily"] if row["billing_period"] == billing_period]
    return [
        (*key, total(own, "billed_cost"), total(own, "effective_cost"))
        for key, own in sorted(groups(rows, *keys).items())
    ]


# --- costs ---


@query("costs/batch_rows")
def costs_batch_rows(s: Sample, billing_period: date) -> Answer:
    return [(sum(row["billing_period"] == billing_period for row in s["core_app_costs_daily"]),)]


@query("costs/batch_sums")
def costs_batch_sums(s: Sample, billing_period: date) -> Answer:
    rows = [row for row in s["core_app_costs_daily"] if row["billing_period"] == billing_period]
    return [
        (*key, total(own, "billed_cost"), total(own, "effective_cost"))
        for key, own in sorted(groups(rows, "source_name", "billing_currency").items())
    ]


@query("costs/daily")
def costs_daily(s: Sample, month: date) -> Answer:
    rows = [row for row in s["core_app_costs_daily"] if month_of(row["usage_date"]) == month]
    out = []
    for (day, app, currency), own in sorted(groups(rows, "usage_date", "app_id", "billing_currency").items()):
        team = "unassigned" if app == "unallocated" else max(row["team"] for row in own)
        out.append((day, app, team, currency, total(own, "billed_cost"), total(own, "effective_cost")))
    return out


@query("costs/daily_by_team")
def costs_daily_by_team(s: Sample, as_of: date) -> Answer:
    rows = [row for row in s["core_app_costs_daily"] if row["usage_date"] <= as_of]
    keys = ("usage_date", "team", "app_id", "charge_category", "charge_class", "billing_currency")
    return [
        (*key, total(own, "billed_cost"), total(own, "effective_cost"))
        for key, own in sorted(groups(rows, *keys).items())
    ]


@query("costs/months")
def costs_months(s: Sample) -> Answer:
    return sorted({(row["billing_period"], month_of(row["usage_date"])) for row in s["core_app_costs_daily"]})


@query("anomalies/series")
def anomalies_series(s: Sample, as_of: date, newest: dict[str, date], no_trend: tuple[str, ...]) -> Answer:
    rows = [
        row
        for row in s["core_app_costs_daily"]
        if row["charge_category"] == "Usage"
        and row["charge_class"] == ""
        and row["charge_frequency"] not in no_trend
        and row["app_id"] != "unallocated"
        and row["usage_date"] <= min(newest.get(row["source_name"], date(1970, 1, 1)), as_of)
    ]
    out = []
    for (app, currency, day), own in sorted(groups(rows, "app_id", "billing_currency", "usage_date").items()):
        until = max(min(newest[row["source_name"]], as_of) for row in own)
        out.append((app, currency, day, max(row["team"] for row in own), total(own, "effective_cost"), until))
    return out


@query("forecasts/charges")
def forecasts_charges(
    s: Sample, first_day: date, as_of: date, last_day: date, newest: dict[str, date]
) -> Answer:
    keys = (
        "app_id", "billing_currency", "usage_date", "team", "charge_category", "charge_class", "charge_frequency",
    )  # fmt: skip
    out = []
    for key, own in sorted(groups(between(s["core_app_costs_daily"], first_day, last_day), *keys).items()):
        app, currency, day, team, category, kind, frequency = key
        until = max(min(newest.get(row["source_name"], date(1970, 1, 1)), as_of) for row in own)
        out.append((app, team, currency, day, category, kind, frequency, total(own, "billed_cost"), until))
    return out


FORECAST = (
    "name", "billing_currency", "month", "as_of", "usage_to_date", "other_charges", "recurring_expected", "expected_total",
    "low_total", "high_total", "state", "apps", "apps_unpredicted", "known_days",
)  # fmt: skip
BUDGET = (
    "scope", "name", "billing_currency", "period", "first_day", "last_day", "as_of", "budget", "spent", "expected_total",
    "low_total", "high_total", "alert_share", "next_share", "state", "exhausted_on", "expected_on", "earliest_on",
    "latest_on", "basis",
)  # fmt: skip
URGENCY = ("exhausted", "over", "alert", "unknown", "ok")


@query("team/forecasts")
def team_forecasts(s: Sample, teams: Any, app_id: str) -> Answer:
    wanted = {"scope": "app", "name": app_id} if app_id else {"scope": "team"}
    rows = of(s["mart_cost_forecasts"], teams, **wanted)
    rows.sort(key=lambda row: (row["billing_currency"], row["name"]))
    return [tuple(row[name] for name in FORECAST) for row in rows]


@query("fleet/forecasts")
def fleet_forecasts(s: Sample, teams: Any, see_all_teams: bool) -> Answer:
    rows = [row for row in s["mart_cost_forecasts"] if row["scope"] == "fleet" and teams and see_all_teams]
    rows.sort(key=lambda row: row["billing_currency"])
    return [tuple(row[name] for name in FORECAST) for row in rows]


@query("team/budgets")
def team_budgets(s: Sample, teams: Any, app_id: str) -> Answer:
    wanted = {"scope": "app", "name": app_id} if app_id else {}
    rows = [row for row in of(s["mart_budget_states"], teams, **wanted) if row["scope"] != "fleet"]
    rows.sort(
        key=lambda row: (
            URGENCY.index(row["state"]),
            row["scope"] == "app",
            row["name"],
            row["billing_currency"],
            row["period"],
        )
    )
    return [tuple(row[name] for name in BUDGET) for row in rows]


@query("fleet/budgets")
def fleet_budgets(s: Sample, teams: Any, see_all_teams: bool) -> Answer:
    rows = [row for row in s["mart_budget_states"] if row["scope"] == "fleet" and teams and see_all_teams]
    rows.sort(key=lambda row: (row["billing_currency"], row["period"]))
    return [tuple(row[name] for name in BUDGET) for row in rows]


@query("summary/budgets")
def summary_budgets(s: Sample) -> Answer:
    rows = sorted(
        s["mart_budget_states"],
        key=lambda row: (
            URGENCY.index(row["state"]),
            row["scope"],
            row["name"],
            row["billing_currency"],
            row["period"],
        ),
    )
    return [tuple(row[name] for name in BUDGET) for row in rows]


# --- dashboards and summary ---


@query("dashboards/silent")
def dashboards_silent(s: Sample, teams: Any) -> Answer:
    silent = sorted(
        of(s["mart_app_silences"], teams),
        key=lambda row: (-row["apps_together"], row["silent_since"], row["app_id"], row["environment"]),
    )
    names = (
        *("app_id", "team", "environment", "silent_since", "received", "expected", "requests_per_day"),
        "apps_together",
        "wait_hours",
    )
    return [tuple(row[name] for name in names) for row in silent]


@query("dashboards/as_of")
def dashboards_as_of(s: Sample, teams: Any) -> Answer:
    [moment] = s["mart_as_of"]
    return [
        (
            moment["cost_day"],
            max(row["as_of"] for row in s["mart_slo_status"]),
            s["mart_as_of"][0]["note"],
            s.releases,
        )
    ]


@query("dashboards/first_cost_days")
def first_cost_days(s: Sample, teams: Any) -> Answer:
    usage = groups(filter(is_usage, s["core_app_costs_daily"] if teams else ()), "billing_currency")
    return sorted((currency, min(row["usage_date"] for row in own)) for (currency,), own in usage.items())


@query("summary/teams")
def summary_teams(s: Sample, first_day: date, last_day: date) -> Answer:
    out = [
        (*key, total(own, "billed_cost"), total(own, "effective_cost"), len({row["app_id"] for row in own}))
        for key, own in groups(
            between(s["core_app_costs_daily"], first_day, last_day), "team", "billing_currency"
        ).items()
    ]
    return sorted(out, key=lambda one: (one[1], -one[2], one[0]))


@query("summary/unallocated")
def summary_unallocated(s: Sample, first_day: date, last_day: date) -> Answer:
    out = []
    for (currency,), own in sorted(
        groups(between(s["core_app_costs_daily"], first_day, last_day), "billing_currency").items()
    ):
        billed = total(own, "billed_cost")
        nobody = total((row for row in own if row["app_id"] == "unallocated"), "billed_cost")
        out.append((currency, billed, nobody, float(nobody) / float(billed) if billed else None))
    return out


@query("summary/counts")
def summary_counts(s: Sample) -> Answer:
    apps, slo, episodes = s["mart_app_inventory"], s["mart_slo_status"], s["mart_cost_anomalies"]
    flags = [
        sum(row[name] for row in apps) for name in ("is_registered", "is_billed", "is_observed", "is_idle")
    ]
    return [
        (
            len(apps),
            *flags,
            sum(row["state"] != "no_data" for row in slo),
            *(
                sum(row["state"] == state for row in slo)
                for state in ("page", "ticket", "spent", "silent", "stale")
            ),
            len(episodes),
            sum(row["state"] == "open" for row in episodes),
            max(row["slice_end"] for row in s["mart_as_of"]),
            s["mart_as_of"][0]["cost_day"],
        )
    ]


# --- inventory, identities, unit costs ---


@query("inventory/apps")
def inventory_apps(s: Sample) -> Answer:
    registry: dict[str, Row] = {}
    for row in sorted(s["core_apps"], key=lambda row: row["valid_from"]):
        registry[row["app_id"]] = row
    billed = [row for row in s["core_app_costs_daily"] if row["app_id"] != "unallocated"]
    observed = {row["app_id"] for row in s["core_app_telemetry_daily"]} - {"", "unallocated"}
    out = []
    for app in sorted({*registry, *(row["app_id"] for row in billed), *observed}):
        line = registry.get(app, {})
        named = [
            (row["usage_date"], row["team"])
            for row in billed
            if row["app_id"] == app and row["team"] != "unassigned"
        ]
        team = line.get("team", "")
        if team in ("", "unassigned"):
            team = max(named)[1] if named else "unassigned"
        in_bill = any(row["app_id"] == app for row in billed)
        out.append(
            (
                app,
                line.get("app_name") or app,
                team,
                line.get("lifecycle", ""),
                line.get("criticality", ""),
                app in registry,
                in_bill,
                app in observed,
            )
        )
    return out


@query("inventory/costs")
def inventory_costs(s: Sample, as_of: date) -> Answer:
    rows = [
        row
        for row in s["core_app_costs_daily"]
        if row["app_id"] != "unallocated" and row["usage_date"] <= as_of
    ]
    out = []
    for key, own in sorted(groups(rows, "app_id", "billing_currency").items()):
        days = [row["usage_date"] for row in own if row["billed_cost"] or row["effective_cost"]]
        now = between(own, back(as_of, 29), as_of)
        ends = (min(days), max(days)) if days else (None, None)
        out.append((*key, *ends, total(now, "billed_cost"), total(now, "effective_cost")))
    return out


@query("inventory/telemetry")
def inventory_telemetry(s: Sample, as_of: date) -> Answer:
    rows = [
        row
        for row in s["core_app_telemetry_daily"]
        if row["app_id"] not in ("", "unallocated") and row["usage_date"] <= as_of
    ]
    out = []
    for (app,), own in sorted(groups(rows, "app_id").items()):
        now = between(own, back(as_of, 29), as_of)
        signals = sum(row["spans"] + row["logs"] + row["metric_points"] for row in now)
        last = max(row["last_seen"] for row in own)
        out.append(
            (app, last, sum(row["requests"] for row in now), signals, sum(row["requests"] for row in own))
        )
    return out


@query("inventory/slo_states")
def inventory_slo_states(s: Sample) -> Answer:
    slo = s["mart_slo_status"]
    in_production = {row["app_id"] for row in slo if row["is_production"]}
    speaking = [row for row in slo if row["is_production"] or row["app_id"] not in in_production]
    speaking.sort(key=lambda row: (row["app_id"], row["environment"], row["objective"]))
    return [(row["app_id"], row["objective"], row["state_rank"]) for row in speaking]


def burns_of(s: Sample, row: Any, windows: tuple[str, ...]) -> list[Any]:
    """Burn rates of an objective in some windows."""
    key = ("app_id", "environment", "objective")
    own = {b["window"]: b["burn_rate"] for b in s["mart_slo_burn"] if all(b[k] == row[k] for k in key)}
    return [own.get(window) for window in windows]


_PARTS = ("route", "without_cold_starts", "kept_out", "sampled", "stands_for", "sli_scaled")
"""Columns that say of which requests an objective is, and what of them is a sample."""


def question_of(s: Sample, row: Any) -> str:
    """What an objective counts now instead of requests; empty where it counts requests."""
    key = ("app_id", "environment", "objective")
    own = [one for one in s["mart_slo_objectives"] if all(one[k] == row[k] for k in key)]
    return next((one["indicator"] for one in own if one["valid_to"] is None and one["indicator"] not in ("availability", "latency")), "")  # fmt: skip


@query("app/objectives")
def app_objectives(s: Sample, teams: Any, app_id: str) -> Answer:
    own = of(s["mart_slo_status"], teams, app_id=app_id)
    own.sort(key=lambda row: (not row["is_production"], row["environment"], row["objective"]))
    first = ("environment", "objective", "target", "threshold_ms", "window_days", "good", "total", "sli", "budget_remaining")  # fmt: skip
    last = ("state", "since", "health_checks", "health_errors", *_PARTS)
    return [
        (
            *(row[k] for k in first),
            *burns_of(s, row, ("5m", "1h", "6h", "3d")),
            *(row[k] for k in last),
            question_of(s, row),
            row["fired_by"],
            *(row[name] for name in _MAINTENANCE),
        )
        for row in own
    ]


_MAINTENANCE = ("maintenance_minutes", "maintenance_events", "maintained_until", "maintenance_reason")
_LEFT = (
    "app_id", "environment", "objective", "as_of", "budgeting_method", "events_left", "minutes_spent", "minutes_allowed",
    "exhausts_at", "sli_low", "sli_high", "slices_counted", "slices_missing", "slices_quiet", "coverage", "coverage_recent",
    "is_frozen", "unseen",
)  # fmt: skip


def budgets_left(rows: list[Any], *more: str) -> Answer:
    """What is left of budgets, in the order they are told in."""
    rows.sort(key=lambda row: (row["app_id"], row["environment"], row["objective"]))
    return [tuple(row[name] for name in (*_LEFT, *more)) for row in rows]


@query("app/budgets")
def app_budgets(s: Sample, teams: Any, app_id: str) -> Answer:
    return budgets_left(of(s["mart_slo_budgets"], teams, app_id=app_id), "days", "days_bad", "days_counted")


@query("oncall/budgets")
def oncall_budgets(s: Sample, teams: Any) -> Answer:
    return budgets_left(of(s["mart_slo_budgets"], teams))


@query("slo/budgets")
def slo_budgets(s: Sample, app_id: str) -> Answer:
    return budgets_left([row for row in s["mart_slo_budgets"] if app_id in ("", row["app_id"])])


@query("oncall/burning")
def oncall_burning(s: Sample, teams: Any) -> Answer:
    own = [row for row in of(s["mart_slo_status"], teams) if row["state"] != "no_data"]
    own.sort(key=lambda row: (row["app_id"], row["environment"], row["objective"]))
    first = ("app_id", "environment", "is_production", "team", "objective", "state", "since", "target", "threshold_ms", "window_days", "good", "total", "sli", "budget_remaining")  # fmt: skip
    return [
        (
            *(row[k] for k in first),
            *burns_of(s, row, ("5m", "1h", "6h", "1d", "3d")),
            *(row[k] for k in _PARTS),
            question_of(s, row),
            row["fired_by"],
            *(row[name] for name in _MAINTENANCE),
        )
        for row in own
    ]


@query("slo/status")
def slo_status(s: Sample, app_id: str) -> Answer:
    own = [row for row in s["mart_slo_status"] if app_id in ("", row["app_id"])]
    own.sort(key=lambda row: (row["app_id"], row["environment"], row["objective"]))
    first = ("app_id", "environment", "is_production", "objective", "state", "since", "target", "sli", "budget_remaining")  # fmt: skip
    return [
        (
            *(row[k] for k in first),
            *burns_of(s, row, ("5m", "1h", "6h", "3d")),
            *(row[k] for k in _PARTS),
            question_of(s, row),
            row["fired_by"],
            *(row[name] for name in _MAINTENANCE),
        )
        for row in own
    ]


@query("silence/silent")
def silence_silent(s: Sample) -> Answer:
    names = ("app_id", "environment", "silent_since", "received", "expected", "apps_together")
    own = [tuple(row[name] for name in names) for row in s["mart_app_silences"]]
    return sorted(own, key=lambda one: (-one[5], one[2], one[0], one[1]))


@query("oncall/without_indicator")
def oncall_without_indicator(s: Sample, teams: Any) -> Answer:
    own = [
        r
        for r in of(s["mart_app_inventory"], teams)
        if not r["has_indicator"] and r["app_id"] != "unallocated"
    ]
    own.sort(
        key=lambda r: (
            r["last_seen"] is None,
            -(r["last_seen"].timestamp() if r["last_seen"] else 0),
            r["app_id"],
        )
    )
    return [(r["app_id"], r["app_name"], r["team"], r["last_seen"]) for r in own]


@query("dashboards/anomalies")
def dashboards_anomalies(s: Sample, teams: Any) -> Answer:
    causes = {
        (one["app_id"], one["billing_currency"], one["first_day"]): one
        for one in of(s["mart_cost_causes"], teams, subject="anomaly")
    }
    rows = []
    for one in of(s["mart_cost_anomalies"], teams):
        cause = causes.get((one["app_id"], one["billing_currency"], one["start_date"]))
        why: tuple[Any, ...] = ("", Decimal(0), None, "", None, "")
        if cause:
            told = ("driver_service", "driver_change", "driver_share", "version", "version_since", "sentence")
            why = tuple(cause[name] for name in told)
        names = ("app_id", "team", "billing_currency", "start_date", "end_date", "kind", "state", "expected_cost", "actual_cost", "impact")  # fmt: skip
        relative = abs(one["impact"] / one["expected_cost"]) if one["expected_cost"] else Decimal("Infinity")
        order = (
            one["state"] != "open",
            -one["start_date"].toordinal(),
            -relative,
            *(one[k] for k in ("app_id", "billing_currency")),
            -one["end_date"].toordinal(),
            *(one[k] for k in ("kind", "impact", "actual_cost")),
        )
        rows.append((order, (*(one[name] for name in names), *why)))
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


@query("dashboards/rollups")
def dashboards_rollups(s: Sample, teams: Any, see_all_teams: bool) -> Answer:
    seen = [
        row
        for row in s["mart_cost_anomaly_rollups"]
        if (see_all_teams and teams if row["scope"] == "fleet" else row["team"] in teams)
    ]
    seen.sort(
        key=lambda row: (
            row["state"] != "open",
            -row["start_date"].toordinal(),
            float("-inf") if row["share"] is None else -abs(row["share"]),
            *(row[k] for k in ("scope", "team", "service_name", "billing_currency")),
            -row["end_date"].toordinal(),
            row["impact"],
        )
    )
    names = (
        "scope", "team", "service_name", "billing_currency", "start_date", "end_date", "state", "expected_cost", "actual_cost",
        "impact", "share", "apps", "top_app", "top_impact",
    )  # fmt: skip
    return [tuple(row[name] for name in names) for row in seen]


@query("dashboards/apart")
def dashboards_apart(s: Sample, teams: Any) -> Answer:
    rows = sorted(
        of(s["mart_charges_apart"], teams),
        key=lambda row: (
            row["kind"],
            row["billing_currency"],
            -abs(row["billed"]),
            row["team"],
            row["app_id"],
        ),
    )
    names = ("team", "app_id", "billing_currency", "kind", "billed", "billed_before", "first_day", "last_day", "before_last_day")  # fmt: skip
    return [tuple(row[name] for name in names) for row in rows]


@query("team/causes")
def team_causes(s: Sample, teams: Any, row_limit: int) -> Answer:
    names = ("app_id", "team", "billing_currency", "first_day", "last_day", "cost_before", "cost_now", "change", "sentence")  # fmt: skip
    out: Answer = []
    for _, own in sorted(
        groups(of(s["mart_cost_causes"], teams, subject="week"), "billing_currency").items()
    ):
        own.sort(key=lambda row: (-abs(row["change"]), row["app_id"], row["team"]))
        out += [tuple(row[name] for name in names) for row in own[:row_limit]]
    return out


@query("summary/causes")
def summary_causes(s: Sample) -> Answer:
    opened = {
        (one["app_id"], one["billing_currency"], one["start_date"])
        for one in s["mart_cost_anomalies"]
        if one["state"] == "open"
    }
    rows = [
        row
        for row in s["mart_cost_causes"]
        if row["subject"] == "week" or (row["app_id"], row["billing_currency"], row["first_day"]) in opened
    ]
    rows.sort(
        key=lambda row: (
            row["subject"],
            -abs(row["change"] / row["cost_before"]) if row["cost_before"] else Decimal("-Infinity"),
            *(row[k] for k in ("app_id", "billing_currency", "first_day", "team")),
        )
    )
    names = ("subject", "app_id", "team", "billing_currency", "first_day", "last_day", "cost_before", "cost_now", "change", "sentence")  # fmt: skip
    return [tuple(row[name] for name in names) for row in rows]


@query("identities/apps")
def identities_apps(s: Sample) -> Answer:
    names = ("app_id", "app_name", "team", "lead", "cost_center", "lifecycle", "resource_ids")
    rows = sorted(s["core_apps"], key=lambda row: (row["app_id"], row["holds_from"]))
    return [
        (
            *(row[name] for name in names),
            {one["key"]: one["value"] for one in row["patterns"]},
            row["holds_from"],
            row["holds_to"],
        )
        for row in rows
    ]


@query("identities/teams")
def identities_teams(s: Sample) -> Answer:
    names = ("team", "lead", "cost_center", "holds_from", "holds_to")
    rows = sorted(s["core_teams"], key=lambda row: (row["team"], row["holds_from"]))
    return [tuple(row[name] for name in names) for row in rows]


@query("identities/resources")
def identities_resources(s: Sample) -> Answer:
    rows = groups(s["core_app_resources"], "resource_id", "app_id", "attribute")
    return [
        (
            app,
            attribute,
            resource,
            sum(row["spans"] + row["points"] for row in own),
            min(row["first_seen"] for row in own),
            max(row["last_seen"] for row in own),
        )
        for (resource, app, attribute), own in sorted(rows.items())
    ]


@query("telemetry/daily")
def telemetry_daily(s: Sample, month: date) -> Answer:
    rows = [row for row in s["core_app_telemetry_daily"] if month_of(row["usage_date"]) == month]
    out = []
    for key, own in sorted(groups(rows, "usage_date", "app_id").items()):
        requests = sum(row["requests"] for row in own)
        slowest = max(row["duration_p95_ms"] for row in own) if requests else None
        out.append((*key, requests, sum(row["errors"] for row in own), slowest))
    return out


def weekly(s: Sample, as_of: date) -> Answer:
    """``mart_team_costs_weekly`` of the costs up to a day."""
    rows = [
        {**row, "week": monday_of(row["usage_date"])}
        for row in s["core_app_costs_daily"]
        if row["usage_date"] <= as_of
    ]
    days = {
        key: len({row["usage_date"] for row in own})
        for key, own in groups(rows, "week", "billing_currency").items()
    }
    return [
        (
            "{}-W{:02d}".format(*week.isocalendar()[:2]), week, days[week, currency], team, app, category, kind, currency,
            total(own, "billed_cost"), total(own, "effective_cost"),
        )
        for (team, week, app, category, kind, currency), own in sorted(groups(rows, "team", "week", "app_id", "charge_category", "charge_class", "billing_currency").items())
    ]  # fmt: skip


def unit_costs(s: Sample, month: date) -> Answer:
    """``mart_app_unit_costs_daily`` of a calendar month."""
    owners = {row[0]: row[2] for row in inventory_apps(s)}
    seen = {(row[0], row[1]): row[2:] for row in telemetry_daily(s, month)}
    out = []
    billed = set()
    for day, app, team, currency, cost, effective in costs_daily(s, month):
        requests, errors, slowest = seen.get((day, app), (0, 0, None))
        billed.add((day, app))
        each = None
        if requests:
            with localcontext(prec=120):
                each = (effective * 1000 / requests).quantize(Decimal(1).scaleb(-18))
        out.append((day, app, team, currency, cost, effective, requests, errors, slowest, each))
    for (day, app), (requests, errors, slowest) in seen.items():
        if (day, app) not in billed:
            out.append(
                (
                    day,
                    app,
                    owners.get(app, "unassigned"),
                    "",
                    Decimal(0),
                    Decimal(0),
                    requests,
                    errors,
                    slowest,
                    None,
                )
            )
    return sorted(out, key=lambda one: (one[0], one[1], one[3]))


def moment(value: Any) -> Any:
    """A time without the places nobody wrote."""
    return value.replace(microsecond=0) if isinstance(value, datetime) else value
