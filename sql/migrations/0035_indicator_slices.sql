-- What objectives count beside requests: records of logs, spans and metrics, good and all, by five minutes.

-- statement
CREATE TABLE IF NOT EXISTS core_indicator_slices
(
    slice_start DateTime('UTC')        COMMENT 'start of the five minutes',
    app_id      String                 COMMENT 'app of the records',
    environment LowCardinality(String) COMMENT 'deployment.environment.name, or empty',
    indicator   LowCardinality(String) COMMENT 'what is counted, as mart_slo_objectives has it: its kind and the question as JSON',
    good        UInt64                 COMMENT 'events that count as good, never more than total',
    total       UInt64                 COMMENT 'all events; of a freshness one a slice',
    set_aside   UInt64                 COMMENT 'records that could not be counted, and part events beyond all of them',
    batch_id    UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY toYYYYMM(slice_start) ORDER BY (batch_id, app_id, indicator, environment, slice_start)
COMMENT 'Good and all events of every objective that counts something else than requests, in five minutes';

-- statement
CREATE OR REPLACE VIEW core_indicator_slices_current AS
SELECT * EXCEPT batch_id FROM core_indicator_slices
WHERE (toDate(slice_start), batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_indicator_slices');
