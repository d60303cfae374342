-- Which days of a source's bill are whole: the one place that decides. And what manifests say of the months they deliver.

-- statement
CREATE TABLE IF NOT EXISTS core_cost_days
(
    source_name LowCardinality(String) COMMENT 'name of the source in appfleet.yaml',
    usage_date  Date                   COMMENT 'day (UTC) that is over',
    state       LowCardinality(String) COMMENT 'final (its provider says so), settled (its settling time passed), arrived (usage reaches its end, and may change yet) or open',
    is_whole    Bool                   COMMENT 'whether figures of the day are those of a whole day: every state but open',
    since       DateTime('UTC')        COMMENT 'when it got its state; of an open day its end',
    reason      String                 COMMENT 'why, in words',
    usage_rows  UInt64                 COMMENT 'charges of usage of the day, in the two newest months of the source; 0 in older ones',
    batch_id    UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, source_name, usage_date)
COMMENT 'Which days of each source are whole';

-- statement
CREATE OR REPLACE VIEW core_cost_days_current AS
SELECT * EXCEPT batch_id FROM core_cost_days
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'core_cost_days');

-- statement
CREATE TABLE IF NOT EXISTS raw_manifest_states
(
    source_name   LowCardinality(String) COMMENT 'name of the source in appfleet.yaml',
    manifest_name String                 COMMENT 'path or key of the manifest below the source location',
    period        Date                   COMMENT 'billing month it delivers',
    state         LowCardinality(String) COMMENT 'final: its provider changes the month no more; estimate: it may',
    reason        String                 COMMENT 'what of the manifest says so',
    object_names  Array(String)          COMMENT 'objects it lists',
    modified_at   DateTime64(9, 'UTC')   COMMENT 'when the manifest was written',
    recorded_at   DateTime64(9, 'UTC')   COMMENT 'when this line was written'
)
ENGINE = {{merge_tree}}
ORDER BY (source_name, period, recorded_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What manifests say of the months they deliver: the newest line of a source and month holds'
