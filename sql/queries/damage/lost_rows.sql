-- purpose: releases whose tables hold more or fewer rows than were published: a part was lost, or a table was edited; and
--   months of a bill whose newest load no release names: a part of the ledger was lost, or a kill came before the release
-- parameters: teams Array(String), the viewer's, or of a command any: whoever has none is told nothing; with_slices Bool
--   (what is computed from telemetry by day too, which is most of what there is to count), settled_seconds UInt32 (younger
--   loads may still be published: their writer is at work, or was ended and is not yet run again)
-- columns: scope, period, published, held UInt64, is_released UInt8 (0: these rows were loaded, and no release names them)
-- Counts batches by what the tables are ordered by, and reads no figure. Every table with a batch_id must be named here, each
-- by itself: counting them through merge() takes four times as long.
SELECT scope, period, any(released.rows) AS published, sum(counted.rows) AS held, 1 AS is_released
FROM
(
    SELECT
        head.scope AS scope, head.period AS period, head.rows AS rows, entry.1 AS table_name, entry.2 AS batch_id,
        if(entry.1 IN (
                'raw_focus_costs', 'core_request_slices', 'core_request_hours', 'core_app_telemetry_daily', 'core_app_resources',
                'core_app_usage_hours', 'core_indicator_slices', 'core_maintenance_hours', 'core_app_calls', 'core_app_telemetry_volumes'),
            head.period, toDate('1970-01-01')) AS part_period
    FROM
    (
        SELECT toString(scope) AS scope, period, argMax(rows, (fence, seq)) AS rows,
            argMax(batches, (fence, seq)) AS latest
        FROM (SELECT scope, period, fence, seq, rows, batches FROM period_head)
        GROUP BY scope, period
    ) AS head
    ARRAY JOIN arrayZip(mapKeys(head.latest), mapValues(head.latest)) AS entry
    WHERE {with_slices:Bool} OR head.scope NOT IN ('slices', 'indicators', 'volumes')
) AS released
LEFT JOIN
(
    SELECT 'raw_focus_costs' AS table_name, x_BatchId AS batch_id, x_BillingPeriod AS part_period, count() AS rows
    FROM raw_focus_costs
    GROUP BY batch_id, part_period
    UNION ALL
    SELECT 'core_apps', batch_id, toDate('1970-01-01'), count() FROM core_apps GROUP BY batch_id
    UNION ALL
    SELECT 'core_teams', batch_id, toDate('1970-01-01'), count() FROM core_teams GROUP BY batch_id
    UNION ALL
    SELECT 'core_identities', batch_id, toDate('1970-01-01'), count() FROM core_identities GROUP BY batch_id
    UNION ALL
    SELECT 'core_app_costs_daily', batch_id, toDate('1970-01-01'), count() FROM core_app_costs_daily GROUP BY batch_id
    UNION ALL
    SELECT 'core_identity_costs', batch_id, toDate('1970-01-01'), count() FROM core_identity_costs GROUP BY batch_id
    UNION ALL
    SELECT 'core_cost_allocations', batch_id, toDate('1970-01-01'), count() FROM core_cost_allocations GROUP BY batch_id
    UNION ALL
    SELECT 'core_cost_days', batch_id, toDate('1970-01-01'), count() FROM core_cost_days GROUP BY batch_id
    UNION ALL
    SELECT 'mart_maintenance', batch_id, toDate('1970-01-01'), count() FROM mart_maintenance GROUP BY batch_id
    UNION ALL
    SELECT 'mart_slo_newest', batch_id, toDate('1970-01-01'), count() FROM mart_slo_newest GROUP BY batch_id
    UNION ALL
    SELECT 'core_alerts', batch_id, toDate('1970-01-01'), count() FROM core_alerts GROUP BY batch_id
    UNION ALL
    SELECT 'mart_slo_status', batch_id, toDate('1970-01-01'), count() FROM mart_slo_status GROUP BY batch_id
    UNION ALL
    SELECT 'mart_slo_burn', batch_id, toDate('1970-01-01'), count() FROM mart_slo_burn GROUP BY batch_id
    UNION ALL
    SELECT 'mart_slo_budgets', batch_id, toDate('1970-01-01'), count() FROM mart_slo_budgets GROUP BY batch_id
    UNION ALL
    SELECT 'mart_slo_objectives', batch_id, toDate('1970-01-01'), count() FROM mart_slo_objectives GROUP BY batch_id
    UNION ALL
    SELECT 'mart_as_of', batch_id, toDate('1970-01-01'), count() FROM mart_as_of GROUP BY batch_id
    UNION ALL
    SELECT 'mart_app_silences', batch_id, toDate('1970-01-01'), count() FROM mart_app_silences GROUP BY batch_id
    UNION ALL
    SELECT 'mart_cost_anomalies', batch_id, toDate('1970-01-01'), count() FROM mart_cost_anomalies GROUP BY batch_id
    UNION ALL
    SELECT 'mart_cost_causes', batch_id, toDate('1970-01-01'), count() FROM mart_cost_causes GROUP BY batch_id
    UNION ALL
    SELECT 'mart_cost_cause_parts', batch_id, toDate('1970-01-01'), count() FROM mart_cost_cause_parts GROUP BY batch_id
    UNION ALL
    SELECT 'mart_cost_anomaly_rollups', batch_id, toDate('1970-01-01'), count() FROM mart_cost_anomaly_rollups GROUP BY batch_id
    UNION ALL
    SELECT 'mart_charges_apart', batch_id, toDate('1970-01-01'), count() FROM mart_charges_apart GROUP BY batch_id
    UNION ALL
    SELECT 'mart_cost_forecasts', batch_id, toDate('1970-01-01'), count() FROM mart_cost_forecasts GROUP BY batch_id
    UNION ALL
    SELECT 'mart_budget_states', batch_id, toDate('1970-01-01'), count() FROM mart_budget_states GROUP BY batch_id
    UNION ALL
    SELECT 'mart_app_unit_costs_daily', batch_id, toDate('1970-01-01'), count() FROM mart_app_unit_costs_daily GROUP BY batch_id
    UNION ALL
    SELECT 'mart_team_costs_weekly', batch_id, toDate('1970-01-01'), count() FROM mart_team_costs_weekly GROUP BY batch_id
    UNION ALL
    SELECT 'mart_chargeback_lines', batch_id, toDate('1970-01-01'), count() FROM mart_chargeback_lines GROUP BY batch_id
    UNION ALL
    SELECT 'mart_app_inventory', batch_id, toDate('1970-01-01'), count() FROM mart_app_inventory GROUP BY batch_id
    UNION ALL
    SELECT 'mart_statement_adjustments', batch_id, toDate('1970-01-01'), count() FROM mart_statement_adjustments GROUP BY batch_id
    UNION ALL
    SELECT 'mart_reporting_rates', batch_id, toDate('1970-01-01'), count() FROM mart_reporting_rates GROUP BY batch_id
    UNION ALL
    SELECT 'mart_reporting_lines', batch_id, toDate('1970-01-01'), count() FROM mart_reporting_lines GROUP BY batch_id
    UNION ALL
    SELECT 'mart_cost_bridges', batch_id, toDate('1970-01-01'), count() FROM mart_cost_bridges GROUP BY batch_id
    UNION ALL
    SELECT 'mart_unused_commitments', batch_id, toDate('1970-01-01'), count() FROM mart_unused_commitments GROUP BY batch_id
    UNION ALL
    SELECT 'mart_reliability_costs_daily', batch_id, toDate('1970-01-01'), count() FROM mart_reliability_costs_daily GROUP BY batch_id
    UNION ALL
    SELECT 'mart_app_worth', batch_id, toDate('1970-01-01'), count() FROM mart_app_worth GROUP BY batch_id
    UNION ALL
    SELECT 'mart_reliability_credits', batch_id, toDate('1970-01-01'), count() FROM mart_reliability_credits GROUP BY batch_id
    UNION ALL
    SELECT 'core_request_slices' AS table_name, batch_id, toDate(slice_start) AS part_period, count() AS rows
    FROM core_request_slices
    WHERE {with_slices:Bool}
    GROUP BY batch_id, part_period
    UNION ALL
    SELECT 'core_maintenance_hours' AS table_name, batch_id, toDate(hour) AS part_period, count() AS rows
    FROM core_maintenance_hours
    GROUP BY batch_id, part_period
    UNION ALL
    SELECT 'core_request_hours' AS table_name, batch_id, toDate(hour) AS part_period, count() AS rows
    FROM core_request_hours
    WHERE {with_slices:Bool}
    GROUP BY batch_id, part_period
    UNION ALL
    SELECT 'core_app_telemetry_daily' AS table_name, batch_id, usage_date AS part_period, count() AS rows
    FROM core_app_telemetry_daily
    WHERE {with_slices:Bool}
    GROUP BY batch_id, part_period
    UNION ALL
    SELECT 'core_app_resources' AS table_name, batch_id, usage_date AS part_period, count() AS rows
    FROM core_app_resources
    WHERE {with_slices:Bool}
    GROUP BY batch_id, part_period
    UNION ALL
    SELECT 'core_app_usage_hours' AS table_name, batch_id, toDate(hour) AS part_period, count() AS rows
    FROM core_app_usage_hours
    WHERE {with_slices:Bool}
    GROUP BY batch_id, part_period
    UNION ALL
    SELECT 'core_indicator_slices' AS table_name, batch_id, toDate(slice_start) AS part_period, count() AS rows
    FROM core_indicator_slices
    WHERE {with_slices:Bool}
    GROUP BY batch_id, part_period
    UNION ALL
    SELECT 'core_app_calls' AS table_name, batch_id, usage_date AS part_period, count() AS rows
    FROM core_app_calls
    WHERE {with_slices:Bool}
    GROUP BY batch_id, part_period
    UNION ALL
    SELECT 'core_app_telemetry_volumes' AS table_name, batch_id, usage_date AS part_period, count() AS rows
    FROM core_app_telemetry_volumes
    WHERE {with_slices:Bool}
    GROUP BY batch_id, part_period
) AS counted ON counted.table_name = released.table_name AND counted.batch_id = released.batch_id
    AND counted.part_period = released.part_period
WHERE notEmpty({teams:Array(String)})
GROUP BY scope, period
HAVING published != held
UNION ALL
SELECT loaded.scope, loaded.period, loaded.rows, 0, 0
FROM
(
    SELECT scope, period, argMax(rows, at) AS rows, argMax(batch_id, at) AS batch_id, max(at) AS loaded_at
    FROM
    (
        SELECT concat('billing/', toString(source_name)) AS scope, period, batch_id, sum(rows) AS rows, max(recorded_at) AS at
        FROM raw_deliveries
        WHERE kind = 'billing' AND state = 'loaded'
        GROUP BY scope, period, batch_id
    )
    GROUP BY scope, period
) AS loaded
LEFT JOIN
(
    SELECT
        toString(scope) AS scope, period, groupArray(batches['raw_focus_costs']) AS batch_ids, max(published_at) AS published_at
    FROM period_head
    GROUP BY scope, period
) AS named ON named.scope = loaded.scope AND named.period = loaded.period
WHERE notEmpty({teams:Array(String)}) AND NOT has(named.batch_ids, loaded.batch_id) AND named.published_at < loaded.loaded_at
    AND loaded.loaded_at < now64(9) - toIntervalSecond({settled_seconds:UInt32})
ORDER BY scope, period
