-- Requests by the hour beside those by five minutes: an objective's window is thirty days, of which all but the last three
-- need no finer sums, and an app's rhythm is one of hours.

-- statement
CREATE TABLE IF NOT EXISTS core_request_hours
(
    hour        DateTime('UTC')        COMMENT 'start of the hour',
    app_id      String                 COMMENT 'app of the spans',
    environment LowCardinality(String) COMMENT 'deployment.environment.name, or empty',
    kind        LowCardinality(String) COMMENT 'server, consumer (CONSUMER spans) or health (health checks of a server)',
    requests    UInt64                 COMMENT 'requests of the slices of the hour',
    errors      UInt64                 COMMENT 'requests that went wrong',
    timed       UInt64                 COMMENT 'requests whose span has an end: the only ones with a duration',
    within      Array(UInt64)          COMMENT 'timed requests that took at most each bound of the latency ladder, in its order',
    last_slice  DateTime('UTC')        COMMENT 'start of the last slice with a request',
    batch_id    UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY toYYYYMM(hour) ORDER BY (batch_id, app_id, environment, hour)
COMMENT 'Hours of the requests an app answered or took from a queue: the sums of core_request_slices';

-- statement
CREATE OR REPLACE VIEW core_request_hours_current AS
SELECT * EXCEPT batch_id FROM core_request_hours
WHERE (toDate(hour), batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_request_hours')
