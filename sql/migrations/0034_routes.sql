-- Objectives of one route or without cold starts, and what of requests is a sample: slices count cold starts apart and say what
-- their requests stand for.

-- statement
ALTER TABLE core_request_slices
    ADD COLUMN IF NOT EXISTS is_cold_start Bool DEFAULT false COMMENT 'requests that started an instance anew (faas.coldstart): in every sum of an app, and left out by objectives that say so' AFTER counted_from,
    ADD COLUMN IF NOT EXISTS stands_for Nullable(Decimal(38, 9)) COMMENT 'requests there were for those counted, by what each sampled span says it stands for; the same number where none is sampled; NULL where a sampler does not say' AFTER is_cold_start,
    ADD COLUMN IF NOT EXISTS errors_stand_for Nullable(Decimal(38, 9)) COMMENT 'the same of those that went wrong' AFTER stands_for;
-- statement
CREATE OR REPLACE VIEW core_request_slices_current AS
SELECT * EXCEPT batch_id FROM core_request_slices
WHERE (toDate(slice_start), batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_request_slices');
-- statement
ALTER TABLE core_app_telemetry_daily
    ADD COLUMN IF NOT EXISTS sampled_requests UInt64 DEFAULT 0 COMMENT 'requests of the day that are a sample of those there were, health checks too' AFTER last_span_at;
-- statement
CREATE OR REPLACE VIEW core_app_telemetry_daily_current AS
SELECT * EXCEPT batch_id FROM core_app_telemetry_daily
WHERE (usage_date, batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_app_telemetry_daily');
-- statement
ALTER TABLE mart_slo_objectives
    ADD COLUMN IF NOT EXISTS route String DEFAULT '' COMMENT 'the route it is of, with its method or of any; empty: the whole app' AFTER source,
    ADD COLUMN IF NOT EXISTS without_cold_starts Bool DEFAULT false COMMENT 'whether requests that started an instance anew do not count' AFTER route;
-- statement
CREATE OR REPLACE VIEW mart_slo_objectives_current AS
SELECT * EXCEPT batch_id FROM mart_slo_objectives
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_slo_objectives');
-- statement
ALTER TABLE mart_slo_status
    ADD COLUMN IF NOT EXISTS route String DEFAULT '' COMMENT 'the route it is of, with its method or of any; empty: the whole app' AFTER health_errors,
    ADD COLUMN IF NOT EXISTS without_cold_starts Bool DEFAULT false COMMENT 'whether requests that started an instance anew do not count' AFTER route,
    ADD COLUMN IF NOT EXISTS kept_out UInt64 DEFAULT 0 COMMENT 'requests of the window that did not count because they started an instance' AFTER without_cold_starts,
    ADD COLUMN IF NOT EXISTS sampled UInt64 DEFAULT 0 COMMENT 'requests of the window that are a sample of those there were' AFTER kept_out,
    ADD COLUMN IF NOT EXISTS stands_for Nullable(Float64) COMMENT 'requests there were in the window for those that came, where every sampled span says what it stands for; NULL: no sample, or it is not said' AFTER sampled,
    ADD COLUMN IF NOT EXISTS sli_scaled Nullable(Float64) COMMENT 'share of good requests by what they stand for, where errors are counted and all spans say it; sli and state rest on what came' AFTER stands_for;
-- statement
CREATE OR REPLACE VIEW mart_slo_states_current AS
SELECT * EXCEPT batch_id FROM mart_slo_status
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_slo_status');
-- statement
CREATE OR REPLACE VIEW mart_slo_status_current AS
SELECT s.* EXCEPT batch_id,
    b.burn_rate_5m AS burn_rate_5m, b.burn_rate_30m AS burn_rate_30m, b.burn_rate_1h AS burn_rate_1h,
    b.burn_rate_2h AS burn_rate_2h, b.burn_rate_6h AS burn_rate_6h, b.burn_rate_1d AS burn_rate_1d,
    b.burn_rate_3d AS burn_rate_3d
FROM mart_slo_status AS s
LEFT JOIN
(
    SELECT
        app_id, environment, objective,
        anyIf(burn_rate, window = '5m') AS burn_rate_5m, anyIf(burn_rate, window = '30m') AS burn_rate_30m,
        anyIf(burn_rate, window = '1h') AS burn_rate_1h, anyIf(burn_rate, window = '2h') AS burn_rate_2h,
        anyIf(burn_rate, window = '6h') AS burn_rate_6h, anyIf(burn_rate, window = '1d') AS burn_rate_1d,
        anyIf(burn_rate, window = '3d') AS burn_rate_3d
    FROM mart_slo_burn
    WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_slo_burn')
    GROUP BY app_id, environment, objective
) AS b USING (app_id, environment, objective)
WHERE s.batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_slo_status');
-- statement
ALTER TABLE mart_slo_status_current
    COMMENT COLUMN burn_rate_5m 'error rate of the last 5 minutes over what the target allows; NULL without events',
    COMMENT COLUMN burn_rate_30m 'the same of the last 30 minutes',
    COMMENT COLUMN burn_rate_1h 'the same of the last hour',
    COMMENT COLUMN burn_rate_2h 'the same of the last 2 hours',
    COMMENT COLUMN burn_rate_6h 'the same of the last 6 hours',
    COMMENT COLUMN burn_rate_1d 'the same of the last day',
    COMMENT COLUMN burn_rate_3d 'the same of the last 3 days';
