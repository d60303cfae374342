-- Maintenance windows: those said by command, as lines that are only ever added to; when which apps are in maintenance, published with
-- the objectives; and what was left out of each objective.

-- statement
CREATE TABLE IF NOT EXISTS maintenance_acts
(
    act_id       String                 COMMENT 'id of the line; of an addition that of the window',
    act          LowCardinality(String) COMMENT 'add, end (it ends earlier) or withdraw (as if it had never been)',
    acted_by     String                 COMMENT 'who',
    acted_at     DateTime64(3, 'UTC')   COMMENT 'when it was said',
    reason       String                 COMMENT 'why',
    apps         Array(String)          COMMENT 'apps the window is about; none, and no team: all',
    teams        Array(String)          COMMENT 'teams whose apps it is about',
    environments Array(String)          COMMENT 'environments it is about; none: all',
    begins_at    Nullable(DateTime('UTC')) COMMENT 'begin of a window that is added',
    ends_at      Nullable(DateTime('UTC')) COMMENT 'end of a window that is added, or the earlier end of one',
    of_act       String                 COMMENT 'window that is ended or withdrawn'
)
ENGINE = {{merge_tree}} ORDER BY (acted_at, act_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Maintenance windows said by command, and what became of them; never deleted';

-- statement
CREATE TABLE IF NOT EXISTS mart_maintenance
(
    name        String                 COMMENT 'window: its name in maintenance.yaml, or the id of one said by command',
    reason      String                 COMMENT 'why',
    said_by     String                 COMMENT 'who said it by command; empty: maintenance.yaml does',
    app_id      String                 COMMENT 'app that is in maintenance; *: all apps',
    environment LowCardinality(String) COMMENT 'environment that is; *: all',
    begins_at   DateTime('UTC')        COMMENT 'begin of one stretch of it',
    ends_at     DateTime('UTC')        COMMENT 'end of that stretch',
    batch_id    UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, app_id, environment, begins_at)
COMMENT 'When which apps are in maintenance, from the begin of the longest window that is judged to some days ahead';

-- statement
CREATE OR REPLACE VIEW mart_maintenance_current AS
SELECT * EXCEPT batch_id FROM mart_maintenance
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_maintenance');

-- statement
CREATE TABLE IF NOT EXISTS core_maintenance_hours
(
    hour        DateTime('UTC')        COMMENT 'start of the hour',
    app_id      String                 COMMENT 'app that is in maintenance',
    environment LowCardinality(String) COMMENT 'environment that is',
    kind        LowCardinality(String) COMMENT 'server, consumer (CONSUMER spans) or health (health checks of a server)',
    requests    UInt64                 COMMENT 'requests of those slices of the hour that are in maintenance',
    errors      UInt64                 COMMENT 'requests that went wrong',
    timed       UInt64                 COMMENT 'requests whose span has an end',
    within      Array(UInt64)          COMMENT 'timed requests that took at most each bound of the latency ladder, in its order',
    batch_id    UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY toYYYYMM(hour) ORDER BY (batch_id, app_id, environment, hour)
COMMENT 'What of core_request_hours is in maintenance, and counts neither as good nor as bad';

-- statement
CREATE OR REPLACE VIEW core_maintenance_hours_current AS
SELECT * EXCEPT batch_id FROM core_maintenance_hours
WHERE (toDate(hour), batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_maintenance_hours');

-- statement
ALTER TABLE mart_slo_status
    ADD COLUMN IF NOT EXISTS maintenance_minutes UInt32 DEFAULT 0 COMMENT 'minutes of the window of the objective that are left out as maintenance' AFTER fired_by,
    ADD COLUMN IF NOT EXISTS maintenance_events UInt64 DEFAULT 0 COMMENT 'events in them, which count neither as good nor as bad' AFTER maintenance_minutes,
    ADD COLUMN IF NOT EXISTS maintained_until Nullable(DateTime('UTC')) COMMENT 'end of the maintenance the newest slice lies in; NULL: it lies in none' AFTER maintenance_events,
    ADD COLUMN IF NOT EXISTS maintenance_reason String DEFAULT '' COMMENT 'why it is in maintenance' AFTER maintained_until;
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
