-- Alert policies of objectives: what each objective alerts by, by which policy it fired and who is told; how an alert ended; how
-- long an app is waited for before it counts as silent.

-- statement
ALTER TABLE mart_slo_objectives
    ADD COLUMN IF NOT EXISTS alerting String DEFAULT '' COMMENT 'the rules of its own alert policies as JSON; empty: the built-in windows of alerts' AFTER without_cold_starts;
-- statement
CREATE OR REPLACE VIEW mart_slo_objectives_current AS
SELECT * EXCEPT batch_id FROM mart_slo_objectives
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_slo_objectives');
-- statement
ALTER TABLE core_alerts
    ADD COLUMN IF NOT EXISTS ending LowCardinality(String) DEFAULT '' COMMENT 'of a resolved alert: empty where what was wrong is over, else why it ended otherwise: retired, deprecated or given up' AFTER episode,
    ADD COLUMN IF NOT EXISTS by_routes Bool DEFAULT true COMMENT 'whether the routes of alerts.yaml say who is told' AFTER ending,
    ADD COLUMN IF NOT EXISTS targets Array(String) DEFAULT [] COMMENT 'names in alerts.yaml of who is told by the policies that fired' AFTER by_routes,
    ADD COLUMN IF NOT EXISTS tells_end Bool DEFAULT true COMMENT 'whether it is told that it ended' AFTER targets;
-- statement
CREATE OR REPLACE VIEW core_alerts_current AS
SELECT * EXCEPT batch_id FROM core_alerts
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'core_alerts');
-- statement
ALTER TABLE mart_app_silences
    ADD COLUMN IF NOT EXISTS wait_hours Float64 DEFAULT 0 COMMENT 'hours without a request after which its own traffic before says that this is no chance' AFTER apps_together;
-- statement
CREATE OR REPLACE VIEW mart_app_silences_current AS
SELECT * EXCEPT batch_id FROM mart_app_silences
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_app_silences');
-- statement
ALTER TABLE mart_slo_status
    ADD COLUMN IF NOT EXISTS fired_by String DEFAULT '' COMMENT 'alert policies by which it pages or needs a ticket; empty: the built-in windows, or it does neither' AFTER sli_scaled;
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
