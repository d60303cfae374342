"""Why an app's bill of a month is what it is, for the terminal: down to rows of the bill and counts of telemetry.

Reads published tables by named queries; no figure is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

import polars as pl
from rich.console import Console
from rich.table import Table

from models.errors import ConfigurationError
from models.money import exact_total
from models.policy import shared_cost_policy
from models.registry import normalised_app_id
from models.settings import Settings
from models.statement_csv import plain
from sql.closings import Closing, closed_months
from sql.opening import open_warehouse
from sql.publish import NO_BATCH, WHOLE_TABLE, head
from sql.warehouse import Warehouse

COSTS = ("billed_cost", "effective_cost")


def print_explanation(console: Console, settings: Settings, app: str, month: date) -> None:
    """What an app has of a billing month: by the bill, by shared cost rules, what those took, and that it sums.

    Raises:
        ConfigurationError: the month has no published cost, or the app none in it.
    """
    app_id = normalised_app_id(app)
    with open_warehouse(settings.root, role="reader") as warehouse:
        if head(warehouse, "costs", month) is None:
            raise ConfigurationError(
                f"--month: no cost of {month:%Y-%m} is published; run `appfleet run` first"
            )
        told = explanation(warehouse, app_id, month)
        closing = closed_months(warehouse).get(month)
        credits = warehouse.frame("queries/explain/credits", app_id=app_id, billing_period=month)
        if told.direct.is_empty() and told.shared.is_empty() and credits.is_empty():
            raise ConfigurationError(
                f"{app_id} has no cost in {month:%Y-%m}; `appfleet sql` on mart_app_inventory_current lists the apps"
            )
    for row in told.total.iter_rows(named=True):
        console.print(
            f"{app_id} ({row['team']}), {month:%Y-%m}: {row['billing_currency']} {plain(row['billed_cost'])} billed, "
            f"{plain(row['effective_cost'])} effective"
        )
    _print_direct(console, told.direct)
    for row in told.shared.iter_rows(named=True):
        console.print(_sentence(row))
    for row in told.usage.iter_rows(named=True):
        unit = shared_cost_policy().units[row["measure"]]
        console.print(
            f"Telemetry of the app in that time: {row['measure']} {plain(row['quantity'])} {unit}, from {row['counted']:,} spans or "
            f"points in {row['hours']:,} hours."
        )
    for sentence in (*sums(told.direct, told.shared, told.total), *by_which_rules(told.shared, closing)):
        console.print(sentence)
    for row in credits.iter_rows(named=True):
        console.print(credit_sentence(row))


def credit_sentence(row: Mapping[str, Any]) -> str:
    """What an app pays or gets on a statement for failures of a shared app, and who decided so."""
    side = "Charged" if row["billed_cost"] > 0 else "Credited"
    return (
        f"{side} on the statement of {row['statement_period']:%Y-%m} for failures of {row['from_app_id']} in "
        f"{row['billing_period']:%Y-%m}, beside what is billed: {row['billing_currency']} {plain(row['billed_cost'])}, for "
        f"{row['hurt_requests']:,} requests hurt by {row['failed_calls']:,} failed calls from {row['first_day']} to "
        f"{row['last_day']}; {row['adjustment_of']}, {row['decision']} by {row['decided_by']} at {row['decided_at']:%Y-%m-%d %H:%M} "
        f"UTC: {row['reason']}"
    )


def by_which_rules(shared: pl.DataFrame, closing: Closing | None) -> list[str]:
    """Which edition of the shared cost rules a closed month's statement follows, and that what is told here follows another."""
    if closing is None or not closing.shared_rules_sha256:
        return []
    version = closing.shared_rules_version
    named = (
        f"shared cost rules {version}, sha256 {closing.shared_rules_sha256}"
        if version
        else "no shared cost rules"
    )
    sentences = [f"The statement of {closing.statement_period:%Y-%m} is closed, by {named}."]
    others = sorted({*shared["rule_version"]} - {version})
    if others:
        sentences.append(
            f"What is told here is by rules {', '.join(others)}: `appfleet reclassify` charges the month by them."
        )
    return sentences


class Explanation(NamedTuple):
    """Why an app has what it has of a month, columns as ``sql/queries/explain`` declares them."""

    direct: pl.DataFrame
    shared: pl.DataFrame
    total: pl.DataFrame
    usage: pl.DataFrame


def explanation(warehouse: Warehouse, app_id: str, month: date) -> Explanation:
    """What is published of an app in a billing month, and what it rests on."""
    asked: dict[str, Any] = {"app_id": app_id, "billing_period": month}
    identities = head(warehouse, "identities", WHOLE_TABLE)
    batch = identities.batches["core_identities"] if identities else NO_BATCH
    direct = warehouse.frame("queries/explain/direct", identities_batch=batch, **asked)
    shared, total = (warehouse.frame(f"queries/explain/{name}", **asked) for name in ("shared", "total"))
    return Explanation(direct, shared, total, _usage(warehouse, app_id, shared))


def _usage(warehouse: Warehouse, app_id: str, shared: pl.DataFrame) -> pl.DataFrame:
    """What telemetry measured of an app where a rule gave by it."""
    measured = shared.filter(pl.col("is_given") & pl.col("basis").is_in(list(shared_cost_policy().units)))
    if measured.is_empty():
        return measured.head(0).with_columns(measure=pl.lit(""))
    return warehouse.frame(
        "queries/explain/usage",
        app_id=app_id,
        measures=sorted(set(measured["basis"])),
        first=measured["first_window"].min(),
        last=measured["last_window"].max(),
    )


def _print_direct(console: Console, direct: pl.DataFrame) -> None:
    if direct.is_empty():
        console.print("No row of the bill is this app's by itself.")
        return
    table = Table(
        "rule", "sure", "evidence", "service", "category", "rows", "from", "currency", "billed", "effective"
    )
    for row in direct.iter_rows(named=True):
        more = f" and {row['objects'] - 1} more" if row["objects"] > 1 else ""
        table.add_row(
            row["attribution_rule"],
            f"{row['confidence']:.0%}",
            row["evidence"],
            row["service_name"],
            row["charge_category"],
            f"{row['rows']:,}",
            f"{row['first_object']}{more}",
            row["billing_currency"],
            plain(row["billed_cost"]),
            plain(row["effective_cost"]),
        )
    console.print(table)


def _sentence(row: Mapping[str, Any]) -> str:
    """What one rule gave, or took, in words."""
    amounts = f"{row['billing_currency']} {plain(row['billed_cost'])} billed, {plain(row['effective_cost'])} effective"
    rule = f"rule {row['allocation_rule']} (rules {row['rule_version']})"
    rows = f"{row['charges']:,} rows of the bill"
    if not row["is_given"]:
        return f"Given on to others by {rule}: {amounts}, of {rows}."
    why = f" (there was no {row['instead_of']} to split by)" if row["instead_of"] else ""
    if row["basis"] == "keep":
        return f"Kept apart by {rule}: {amounts}, of {rows}{why}."
    if row["basis"] == "idle":
        return f"Capacity nobody used, by {rule}: {amounts}, of {rows}."
    low, high = (f"{row[name] * 100:.4f}".rstrip("0").rstrip(".") for name in ("low_ratio", "high_ratio"))
    ratio = f"{low} %" if low == high else f"{low} to {high} %"
    return (
        f"Shared by {rule} from {row['from_app_id']}: {amounts}, of {rows}; by {row['basis']}{why}: {plain(row['quantity'])} of "
        f"{plain(row['total_quantity'])} in {row['windows']:,} periods, a share of {ratio}, {row['confidence']:.0%} sure."
    )


def sums(direct: pl.DataFrame, shared: pl.DataFrame, total: pl.DataFrame) -> list[str]:
    """That direct and shared cost sum to what is published, per currency; or by how much they do not."""
    sentences = []
    for currency in sorted({*direct["billing_currency"], *shared["billing_currency"]}):
        differences = []
        for column in COSTS:
            own, given, has = (
                frame.filter(pl.col("billing_currency") == currency) for frame in (direct, shared, total)
            )
            taken = given.filter(~pl.col("is_given") | pl.col("basis").is_in(["keep", "idle"]))
            gained = given.filter("is_given")
            told = exact_total(own[column]) + exact_total(gained[column]) - exact_total(taken[column])
            differences.append(told - exact_total(has[column]))
        if any(differences):
            sentences.append(
                f"{currency}: this differs from what is published by {', '.join(map(plain, differences))}; `appfleet run` "
                "computes it anew"
            )
        else:
            sentences.append(
                f"{currency}: direct, plus shared, less given on is what is published, to the last digit."
            )
    return sentences
