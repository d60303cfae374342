"""Columns of the computed tables, as frames hold them: name and Polars type, in the order of the database.

``batch_id`` is not among them: it belongs to the release, not to the answer. A test compares every table here with
the migrated database.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

MONEY = pl.Decimal(38, 18)
"""Type of every amount."""

QUANTITY = pl.Decimal(38, 9)
"""Type of what telemetry measured, in its own unit."""

SECOND = pl.Datetime("us", "UTC")
"""Times kept to the second."""

MOMENT = pl.Datetime("ns", "UTC")
"""Times as telemetry gives them."""

_STATEMENT_LINE: Mapping[str, pl.DataType] = {
    "line": pl.UInt64(),
    "cost_center": pl.String(),
    "team": pl.String(),
    "owner": pl.String(),
    "app_id": pl.String(),
    "app_name": pl.String(),
    "source_name": pl.String(),
    "provider": pl.String(),
    "service_name": pl.String(),
    "charge_category": pl.String(),
    "charge_class": pl.String(),
    "cost_type": pl.String(),
    "attribution_rule": pl.String(),
    "billing_currency": pl.String(),
    "billed_cost": MONEY,
    "effective_cost": MONEY,
    "amount": MONEY,
}
"""What a line of any statement says."""

_ADJUSTED_LINE: Mapping[str, pl.DataType] = {
    "statement_period": pl.Date(),
    "billing_period": pl.Date(),
    **_STATEMENT_LINE,
    "adjustment": pl.String(),
    "adjustment_of": pl.String(),
}
"""The same of a line that may adjust another month's."""

SCHEMAS: Mapping[str, pl.Schema] = {
    "core_apps": pl.Schema(
        {
            "app_id": pl.String(),
            "valid_from": pl.Date(),
            "valid_to": pl.Date(),
            "holds_from": MOMENT,
            "holds_to": MOMENT,
            "app_name": pl.String(),
            "team": pl.String(),
            "system": pl.String(),
            "lifecycle": pl.String(),
            "criticality": pl.String(),
            "tags": pl.Map(pl.String, pl.String),
            "lead": pl.String(),
            "cost_center": pl.String(),
            "resource_ids": pl.List(pl.String),
            "patterns": pl.Map(pl.String, pl.String),
            "source": pl.String(),
        }
    ),
    "core_teams": pl.Schema(
        {
            "team": pl.String(),
            "lead": pl.String(),
            "cost_center": pl.String(),
            "members": pl.List(pl.String),
            "holds_from": MOMENT,
            "holds_to": MOMENT,
        }
    ),
    "core_identities": pl.Schema(
        {
            "x_IdentityHash": pl.UInt64(),
            "service_name": pl.String(),
            "valid_from": pl.Date(),
            "holds_from": MOMENT,
            "app_id": pl.String(),
            "team": pl.String(),
            "cost_center": pl.String(),
            "environment": pl.String(),
            "attribution_rule": pl.String(),
            "basis": pl.String(),
            "confidence": pl.Float64(),
            "evidence": pl.String(),
            "spans": pl.UInt64(),
            "first_seen": MOMENT,
            "last_seen": MOMENT,
            "covered": pl.Map(pl.String, pl.String),
        }
    ),
    "core_identity_costs": pl.Schema(
        {
            "billing_period": pl.Date(),
            "source_name": pl.String(),
            "x_IdentityHash": pl.UInt64(),
            "service_name": pl.String(),
            "resource_id": pl.String(),
            "app_id": pl.String(),
            "team": pl.String(),
            "cost_center": pl.String(),
            "attribution_rule": pl.String(),
            "basis": pl.String(),
            "confidence": pl.Float64(),
            "evidence": pl.String(),
            "spans": pl.UInt64(),
            "first_seen": MOMENT,
            "last_seen": MOMENT,
            "covered": pl.Map(pl.String, pl.String),
            "owner_basis": pl.String(),
            "charge_start": MOMENT,
            "charge_end": MOMENT,
            "owned_from": MOMENT,
            "owned_to": MOMENT,
            "billing_currency": pl.String(),
            "charges": pl.UInt64(),
            "billed_cost": MONEY,
            "effective_cost": MONEY,
        }
    ),
    "core_app_costs_daily": pl.Schema(
        {
            "billing_period": pl.Date(),
            "usage_date": pl.Date(),
            "source_name": pl.String(),
            "app_id": pl.String(),
            "team": pl.String(),
            "cost_center": pl.String(),
            "environment": pl.String(),
            "provider": pl.String(),
            "service_name": pl.String(),
            "charge_category": pl.String(),
            "charge_class": pl.String(),
            "charge_frequency": pl.String(),
            "billing_currency": pl.String(),
            "billed_cost": MONEY,
            "effective_cost": MONEY,
            "attribution_rule": pl.String(),
            "confidence": pl.Float64(),
        }
    ),
    "core_cost_allocations": pl.Schema(
        {
            "billing_period": pl.Date(),
            "usage_date": pl.Date(),
            "source_name": pl.String(),
            "allocation_rule": pl.String(),
            "rule_version": pl.String(),
            "from_app_id": pl.String(),
            "app_id": pl.String(),
            "team": pl.String(),
            "basis": pl.String(),
            "instead_of": pl.String(),
            "window_start": SECOND,
            "window_end": SECOND,
            "quantity": QUANTITY,
            "total_quantity": QUANTITY,
            "ratio": MONEY,
            "confidence": pl.Float64(),
            "charges": pl.UInt64(),
            "billing_currency": pl.String(),
            "billed_cost": MONEY,
            "effective_cost": MONEY,
        }
    ),
    "core_app_usage_hours": pl.Schema(
        {
            "hour": SECOND,
            "app_id": pl.String(),
            "measure": pl.String(),
            "quantity": QUANTITY,
            "counted": pl.UInt64(),
        }
    ),
    "core_cost_days": pl.Schema(
        {
            "source_name": pl.String(),
            "usage_date": pl.Date(),
            "state": pl.String(),
            "is_whole": pl.Boolean(),
            "since": SECOND,
            "reason": pl.String(),
            "usage_rows": pl.UInt64(),
        }
    ),
    "core_request_slices": pl.Schema(
        {
            "slice_start": SECOND,
            "app_id": pl.String(),
            "environment": pl.String(),
            "version": pl.String(),
            "route": pl.String(),
            "kind": pl.String(),
            "requests": pl.UInt32(),
            "errors": pl.UInt32(),
            "errors_by_class": pl.Map(pl.String, pl.UInt32),
            "timed": pl.UInt32(),
            "within": pl.List(pl.UInt32),
            "counted_from": pl.String(),
            "is_cold_start": pl.Boolean(),
            "stands_for": pl.Decimal(38, 9),
            "errors_stand_for": pl.Decimal(38, 9),
        }
    ),
    "core_request_hours": pl.Schema(
        {
            "hour": SECOND,
            "app_id": pl.String(),
            "environment": pl.String(),
            "kind": pl.String(),
            "requests": pl.UInt64(),
            "errors": pl.UInt64(),
            "timed": pl.UInt64(),
            "within": pl.List(pl.UInt64),
            "last_slice": SECOND,
        }
    ),
    "core_maintenance_hours": pl.Schema(
        {
            "hour": SECOND,
            "app_id": pl.String(),
            "environment": pl.String(),
            "kind": pl.String(),
            "requests": pl.UInt64(),
            "errors": pl.UInt64(),
            "timed": pl.UInt64(),
            "within": pl.List(pl.UInt64),
        }
    ),
    "core_indicator_slices": pl.Schema(
        {
            "slice_start": SECOND,
            "app_id": pl.String(),
            "environment": pl.String(),
            "indicator": pl.String(),
            "good": pl.UInt64(),
            "total": pl.UInt64(),
            "set_aside": pl.UInt64(),
        }
    ),
    "core_app_telemetry_daily": pl.Schema(
        {
            "usage_date": pl.Date(),
            "app_id": pl.String(),
            "environment": pl.String(),
            "spans": pl.UInt64(),
            "logs": pl.UInt64(),
            "metric_points": pl.UInt64(),
            "requests": pl.UInt64(),
            "errors": pl.UInt64(),
            "health_checks": pl.UInt64(),
            "health_errors": pl.UInt64(),
            "duration_p50_ms": pl.Float64(),
            "duration_p95_ms": pl.Float64(),
            "last_seen": MOMENT,
            "last_span_at": MOMENT,
            "sampled_requests": pl.UInt64(),
        }
    ),
    "core_app_resources": pl.Schema(
        {
            "usage_date": pl.Date(),
            "app_id": pl.String(),
            "attribute": pl.String(),
            "resource_id": pl.String(),
            "spans": pl.UInt64(),
            "points": pl.UInt64(),
            "first_seen": MOMENT,
            "last_seen": MOMENT,
        }
    ),
    "mart_slo_status": pl.Schema(
        {
            "as_of": SECOND,
            "app_id": pl.String(),
            "team": pl.String(),
            "environment": pl.String(),
            "is_production": pl.Boolean(),
            "objective": pl.String(),
            "target": pl.Float64(),
            "threshold_ms": pl.UInt32(),
            "window_days": pl.UInt16(),
            "good": pl.UInt64(),
            "total": pl.UInt64(),
            "sli": pl.Float64(),
            "budget_remaining": pl.Float64(),
            "is_spent": pl.Boolean(),
            "state": pl.String(),
            "state_rank": pl.UInt8(),
            "since": SECOND,
            "silent_since": SECOND,
            "health_checks": pl.UInt64(),
            "health_errors": pl.UInt64(),
            "route": pl.String(),
            "without_cold_starts": pl.Boolean(),
            "kept_out": pl.UInt64(),
            "sampled": pl.UInt64(),
            "stands_for": pl.Float64(),
            "sli_scaled": pl.Float64(),
            "fired_by": pl.String(),
            "maintenance_minutes": pl.UInt32(),
            "maintenance_events": pl.UInt64(),
            "maintained_until": SECOND,
            "maintenance_reason": pl.String(),
        }
    ),
    "mart_maintenance": pl.Schema(
        {
            "name": pl.String(),
            "reason": pl.String(),
            "said_by": pl.String(),
            "app_id": pl.String(),
            "environment": pl.String(),
            "begins_at": SECOND,
            "ends_at": SECOND,
        }
    ),
    "mart_slo_burn": pl.Schema(
        {
            "as_of": SECOND,
            "app_id": pl.String(),
            "team": pl.String(),
            "environment": pl.String(),
            "objective": pl.String(),
            "window": pl.String(),
            "window_seconds": pl.UInt32(),
            "bad": pl.UInt64(),
            "total": pl.UInt64(),
            "burn_rate": pl.Float64(),
            "bad_slices": pl.UInt32(),
            "first_bad": SECOND,
        }
    ),
    "mart_slo_budgets": pl.Schema(
        {
            "as_of": SECOND,
            "app_id": pl.String(),
            "team": pl.String(),
            "environment": pl.String(),
            "objective": pl.String(),
            "events_left": pl.Float64(),
            "minutes_spent": pl.Float64(),
            "minutes_allowed": pl.Float64(),
            "exhausts_at": SECOND,
            "sli_low": pl.Float64(),
            "sli_high": pl.Float64(),
            "requests_per_day": pl.Float64(),
            "clustering": pl.Float64(),
            "shortest_outage_hours": pl.Float64(),
            "unseen": pl.String(),
            "budgeting_method": pl.String(),
            "slices_bad": pl.Float64(),
            "slices_counted": pl.UInt32(),
            "slices_missing": pl.UInt32(),
            "slices_quiet": pl.UInt32(),
            "coverage": pl.Float64(),
            "coverage_recent": pl.Float64(),
            "is_frozen": pl.Boolean(),
            "days": pl.List(pl.Date()),
            "days_bad": pl.List(pl.Float64()),
            "days_counted": pl.List(pl.Float64()),
        }
    ),
    "mart_slo_objectives": pl.Schema(
        {
            "app_id": pl.String(),
            "team": pl.String(),
            "environment": pl.String(),
            "objective": pl.String(),
            "generation": pl.UInt32(),
            "valid_from": SECOND,
            "valid_to": SECOND,
            "indicator": pl.String(),
            "target": pl.Decimal(38, 18),
            "threshold_ms": pl.UInt32(),
            "time_window": pl.String(),
            "budgeting_method": pl.String(),
            "slice_minutes": pl.UInt16(),
            "slice_target": pl.Decimal(38, 18),
            "missing_slices": pl.String(),
            "quiet_slices": pl.String(),
            "span_kinds": pl.List(pl.String()),
            "source": pl.String(),
            "route": pl.String(),
            "without_cold_starts": pl.Boolean(),
            "alerting": pl.String(),
        }
    ),
    "mart_as_of": pl.Schema(
        {"slice_end": SECOND, "cost_day": pl.Date(), "basis": pl.String(), "note": pl.String()}
    ),
    "mart_app_silences": pl.Schema(
        {
            "app_id": pl.String(),
            "team": pl.String(),
            "environment": pl.String(),
            "silent_since": SECOND,
            "received": pl.UInt64(),
            "expected": pl.Float64(),
            "requests_per_day": pl.Float64(),
            "clustering": pl.Float64(),
            "apps_together": pl.UInt32(),
            "wait_hours": pl.Float64(),
        }
    ),
    "mart_cost_anomalies": pl.Schema(
        {
            "app_id": pl.String(),
            "team": pl.String(),
            "billing_currency": pl.String(),
            "start_date": pl.Date(),
            "end_date": pl.Date(),
            "kind": pl.String(),
            "expected_cost": MONEY,
            "actual_cost": MONEY,
            "impact": MONEY,
            "state": pl.String(),
        }
    ),
    "mart_cost_causes": pl.Schema(
        {
            "subject": pl.String(),
            "app_id": pl.String(),
            "team": pl.String(),
            "billing_currency": pl.String(),
            "kind": pl.String(),
            "first_day": pl.Date(),
            "last_day": pl.Date(),
            "before_first_day": pl.Date(),
            "before_last_day": pl.Date(),
            "cost_before": MONEY,
            "cost_now": MONEY,
            "change": MONEY,
            "volume_change": MONEY,
            "price_change": MONEY,
            "mix_change": MONEY,
            "efficiency_change": MONEY,
            "started_change": MONEY,
            "ended_change": MONEY,
            "other_change": MONEY,
            "requests_ratio": pl.Float64(),
            "driver_service": pl.String(),
            "driver_account": pl.String(),
            "driver_region": pl.String(),
            "driver_sku": pl.String(),
            "driver_change": MONEY,
            "driver_share": pl.Float64(),
            "version": pl.String(),
            "version_since": SECOND,
            "sentence": pl.String(),
        }
    ),
    "mart_cost_cause_parts": pl.Schema(
        {
            "subject": pl.String(),
            "app_id": pl.String(),
            "team": pl.String(),
            "billing_currency": pl.String(),
            "first_day": pl.Date(),
            "dimension": pl.String(),
            "value": pl.String(),
            "cost_before": MONEY,
            "cost_now": MONEY,
            "change": MONEY,
        }
    ),
    "mart_cost_anomaly_rollups": pl.Schema(
        {
            "scope": pl.String(),
            "team": pl.String(),
            "service_name": pl.String(),
            "billing_currency": pl.String(),
            "start_date": pl.Date(),
            "end_date": pl.Date(),
            "expected_cost": MONEY,
            "actual_cost": MONEY,
            "impact": MONEY,
            "share": pl.Float64(),
            "apps": pl.UInt32(),
            "top_app": pl.String(),
            "top_impact": MONEY,
            "state": pl.String(),
        }
    ),
    "mart_charges_apart": pl.Schema(
        {
            "team": pl.String(),
            "app_id": pl.String(),
            "billing_currency": pl.String(),
            "kind": pl.String(),
            "first_day": pl.Date(),
            "last_day": pl.Date(),
            "billed": MONEY,
            "before_first_day": pl.Date(),
            "before_last_day": pl.Date(),
            "billed_before": MONEY,
        }
    ),
    "mart_cost_forecasts": pl.Schema(
        {
            "scope": pl.String(),
            "name": pl.String(),
            "team": pl.String(),
            "billing_currency": pl.String(),
            "month": pl.Date(),
            "as_of": pl.Date(),
            "usage_to_date": MONEY,
            "other_charges": MONEY,
            "recurring_expected": MONEY,
            "expected_rest": pl.Float64(),
            "expected_total": pl.Float64(),
            "low_total": pl.Float64(),
            "high_total": pl.Float64(),
            "state": pl.String(),
            "apps": pl.UInt32(),
            "apps_unpredicted": pl.UInt32(),
            "known_days": pl.UInt32(),
        }
    ),
    "mart_budget_states": pl.Schema(
        {
            "scope": pl.String(),
            "name": pl.String(),
            "team": pl.String(),
            "billing_currency": pl.String(),
            "period": pl.String(),
            "first_day": pl.Date(),
            "last_day": pl.Date(),
            "as_of": pl.Date(),
            "budget": MONEY,
            "spent": MONEY,
            "expected_total": pl.Float64(),
            "low_total": pl.Float64(),
            "high_total": pl.Float64(),
            "alert_share": MONEY,
            "next_share": MONEY,
            "state": pl.String(),
            "exhausted_on": pl.Date(),
            "expected_on": pl.Date(),
            "earliest_on": pl.Date(),
            "latest_on": pl.Date(),
            "basis": pl.String(),
        }
    ),
    "mart_app_unit_costs_daily": pl.Schema(
        {
            "usage_date": pl.Date(),
            "app_id": pl.String(),
            "team": pl.String(),
            "billing_currency": pl.String(),
            "billed_cost": MONEY,
            "effective_cost": MONEY,
            "requests": pl.UInt64(),
            "errors": pl.UInt64(),
            "duration_p95_ms": pl.Float64(),
            "cost_per_1000_requests": MONEY,
        }
    ),
    "core_app_calls": pl.Schema(
        {
            "usage_date": pl.Date(),
            "caller": pl.String(),
            "callee": pl.String(),
            "calls": pl.UInt64(),
            "failed": pl.UInt64(),
            "retries": pl.UInt64(),
            "failed_retries": pl.UInt64(),
            "hurt": pl.UInt64(),
        }
    ),
    "core_app_telemetry_volumes": pl.Schema(
        {
            "usage_date": pl.Date(),
            "app_id": pl.String(),
            "signal": pl.String(),
            "records": pl.UInt64(),
            "bytes": pl.UInt64(),
            "series": pl.UInt64(),
            "widest_metric": pl.String(),
            "widest_series": pl.UInt64(),
        }
    ),
    "mart_reliability_costs_daily": pl.Schema(
        {
            "usage_date": pl.Date(),
            "app_id": pl.String(),
            "team": pl.String(),
            "billing_currency": pl.String(),
            "state": pl.String(),
            "effective_cost": MONEY,
            "requests": pl.UInt64(),
            "failed": pl.UInt64(),
            "retries": pl.UInt64(),
            "good": QUANTITY,
            "cost_per_good_request": MONEY,
            "good_cost": MONEY,
            "failed_cost": MONEY,
            "retry_cost": MONEY,
        }
    ),
    "mart_app_worth": pl.Schema(
        {
            "app_id": pl.String(),
            "team": pl.String(),
            "billing_currency": pl.String(),
            "first_day": pl.Date(),
            "last_day": pl.Date(),
            "days_known": pl.UInt16(),
            "days_not_known": pl.UInt16(),
            "effective_cost": MONEY,
            "requests": pl.UInt64(),
            "failed": pl.UInt64(),
            "retries": pl.UInt64(),
            "cost_per_good_request": MONEY,
            "cohort_apps": pl.UInt32(),
            "cohort_place": pl.UInt32(),
            "failed_cost": MONEY,
            "retry_cost": MONEY,
            "target": MONEY,
            "budget_cost": MONEY,
            "burnt_share": pl.Float64(),
            "verdict": pl.String(),
            "price_of_a_nine": MONEY,
            "price_inputs": pl.String(),
            "telemetry_bytes": pl.UInt64(),
            "telemetry_share": pl.Float64(),
            "spans": pl.UInt64(),
            "log_records": pl.UInt64(),
            "metric_points": pl.UInt64(),
            "series": pl.UInt64(),
            "proposal": pl.String(),
            "sentence": pl.String(),
        }
    ),
    "mart_reliability_credits": pl.Schema(
        {
            "month": pl.Date(),
            "first_day": pl.Date(),
            "last_day": pl.Date(),
            "from_app_id": pl.String(),
            "from_team": pl.String(),
            "app_id": pl.String(),
            "team": pl.String(),
            "billing_currency": pl.String(),
            "failed_calls": pl.UInt64(),
            "hurt_requests": pl.UInt64(),
            "credit": MONEY,
        }
    ),
    "mart_team_costs_weekly": pl.Schema(
        {
            "iso_week": pl.String(),
            "week_start": pl.Date(),
            "days": pl.UInt8(),
            "team": pl.String(),
            "app_id": pl.String(),
            "charge_category": pl.String(),
            "charge_class": pl.String(),
            "billing_currency": pl.String(),
            "billed_cost": MONEY,
            "effective_cost": MONEY,
        }
    ),
    "mart_chargeback_lines": pl.Schema({"billing_period": pl.Date(), **_STATEMENT_LINE}),
    "mart_statement_adjustments": pl.Schema(_ADJUSTED_LINE),
    "mart_statement_lines": pl.Schema(
        {
            **_ADJUSTED_LINE,
            "gl_account": pl.String(),
            "legal_entity": pl.String(),
            "erp_cost_center": pl.String(),
        }
    ),
    "mart_reporting_rates": pl.Schema(
        {
            "statement_period": pl.Date(),
            "usage_date": pl.Date(),
            "billing_currency": pl.String(),
            "reporting_currency": pl.String(),
            "rate": MONEY,
            "rate_date": pl.Date(),
            "rate_source": pl.String(),
        }
    ),
    "mart_reporting_lines": pl.Schema(
        {
            "statement_period": pl.Date(),
            "line": pl.UInt64(),
            "reporting_currency": pl.String(),
            "billed_cost": MONEY,
            "effective_cost": MONEY,
            "amount": MONEY,
        }
    ),
    "mart_cost_bridges": pl.Schema(
        {
            "billing_period": pl.Date(),
            "source_name": pl.String(),
            "billing_currency": pl.String(),
            "position": pl.UInt8(),
            "part": pl.String(),
            "amount": MONEY,
        }
    ),
    "mart_unused_commitments": pl.Schema(
        {
            "billing_period": pl.Date(),
            "source_name": pl.String(),
            "billing_currency": pl.String(),
            "commitment_id": pl.String(),
            "commitment_name": pl.String(),
            "app_id": pl.String(),
            "team": pl.String(),
            "unused_cost": MONEY,
            "used_cost": MONEY,
        }
    ),
    "mart_app_inventory": pl.Schema(
        {
            "app_id": pl.String(),
            "app_name": pl.String(),
            "team": pl.String(),
            "lifecycle": pl.String(),
            "is_registered": pl.Boolean(),
            "is_billed": pl.Boolean(),
            "is_observed": pl.Boolean(),
            "has_indicator": pl.Boolean(),
            "first_cost_date": pl.Date(),
            "last_cost_date": pl.Date(),
            "last_seen": MOMENT,
            "requests_30d": pl.UInt64(),
            "billed_cost_30d": pl.Map(pl.String, MONEY),
            "effective_cost_30d": pl.Map(pl.String, MONEY),
            "is_idle": pl.Boolean(),
            "worst_state": pl.String(),
        }
    ),
    "core_alerts": pl.Schema(
        {
            "alert_key": pl.String(),
            "kind": pl.String(),
            "subject": pl.String(),
            "environment": pl.String(),
            "team": pl.String(),
            "severity": pl.String(),
            "state": pl.String(),
            "cause": pl.String(),
            "sentence": pl.String(),
            "since": SECOND,
            "pending_at": SECOND,
            "fired_at": SECOND,
            "clear_at": SECOND,
            "frozen_at": SECOND,
            "resolved_at": SECOND,
            "episode": pl.UInt32(),
            "ending": pl.String(),
            "by_routes": pl.Boolean(),
            "targets": pl.List(pl.String()),
            "tells_end": pl.Boolean(),
        }
    ),
    "mart_slo_newest": pl.Schema(
        {
            "app_id": pl.String(),
            "environment": pl.String(),
            "objective": pl.String(),
            "team": pl.String(),
            "target": pl.Float64(),
            "threshold_ms": pl.UInt32(),
            "since": SECOND,
            "fired_at": SECOND,
            "seen_at": SECOND,
            "bad": pl.UInt64(),
            "total": pl.UInt64(),
            "window_seconds": pl.UInt32(),
            "route": pl.String(),
            "version": pl.String(),
        }
    ),
    "core_access_log": pl.Schema(
        {
            "event_id": pl.String(),
            "at": MOMENT,
            "event": pl.String(),
            "person": pl.String(),
            "subject": pl.String(),
            "session": pl.String(),
            "page": pl.String(),
            "file_name": pl.String(),
            "parameters": pl.Map(pl.String, pl.String),
            "teams": pl.List(pl.String),
            "rights": pl.List(pl.String),
            "reason": pl.String(),
            "lost": pl.UInt64(),
        }
    ),
}
