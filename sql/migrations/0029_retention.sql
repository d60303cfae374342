-- Retention of raw telemetry: rows are stamped with the days they are kept as they are loaded, and whole partitions
-- (day, retention_days) are dropped. The tables have that key from 0003 on, so none is made anew: rows loaded before are
-- stamped with 0 and go by day, in partitions of their own.

-- statement
CREATE OR REPLACE FUNCTION otlp_retention AS (app, criticality, kept) -> transform(
    app, tupleElement(kept, 1), tupleElement(kept, 2),
    transform(otlp_identity(criticality), tupleElement(kept, 3), tupleElement(kept, 4), tupleElement(kept, 5)))

-- statement
CREATE TABLE IF NOT EXISTS telemetry_removals
(
    removal_id     UUID                   COMMENT 'one partition that was removed, or is being',
    table_name     LowCardinality(String) COMMENT 'table of the database of telemetry',
    day            Date                   COMMENT 'day (UTC) of the rows',
    retention_days UInt16                 COMMENT 'days they were stamped with; 0: with none',
    state          LowCardinality(String) COMMENT 'removing: a line for each batch, written before its rows go; removed: the whole partition is gone',
    batch_id       UUID                   COMMENT 'load attempt that wrote the rows; zero: a collector inserted them directly, or the line is of a whole partition',
    rows           UInt64                 COMMENT 'rows of the batch, or of the whole partition',
    bytes          UInt64                 COMMENT 'bytes on disk of the whole partition, about; 0 in lines of batches',
    median_ns      Int64                  COMMENT 'of spans: the median start of the batch on that day, nanoseconds, before the first of them were removed; else 0',
    recorded_at    DateTime64(9, 'UTC')   COMMENT 'when the line was written'
)
ENGINE = {{merge_tree}}
ORDER BY (table_name, day, retention_days, state, batch_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What was removed of raw telemetry because it was past its retention, and who counted it: it is not lost'

-- statement
ALTER TABLE {{otel}}.otel_traces
    COMMENT COLUMN retention_days 'days the row is kept after its own; 0: no load stamped it, it is kept as long as any'

-- statement
ALTER TABLE {{otel}}.otel_traces_current
    COMMENT COLUMN retention_days 'days the row is kept after its own; 0: no load stamped it, it is kept as long as any'

-- statement
ALTER TABLE {{otel}}.otel_logs
    COMMENT COLUMN retention_days 'days the row is kept after its own; 0: no load stamped it, it is kept as long as any'

-- statement
ALTER TABLE {{otel}}.otel_logs_current
    COMMENT COLUMN retention_days 'days the row is kept after its own; 0: no load stamped it, it is kept as long as any'

-- statement
ALTER TABLE {{otel}}.otel_metrics_gauge
    COMMENT COLUMN retention_days 'days the row is kept after its own; 0: no load stamped it, it is kept as long as any'

-- statement
ALTER TABLE {{otel}}.otel_metrics_gauge_current
    COMMENT COLUMN retention_days 'days the row is kept after its own; 0: no load stamped it, it is kept as long as any'

-- statement
ALTER TABLE {{otel}}.otel_metrics_sum
    COMMENT COLUMN retention_days 'days the row is kept after its own; 0: no load stamped it, it is kept as long as any'

-- statement
ALTER TABLE {{otel}}.otel_metrics_sum_current
    COMMENT COLUMN retention_days 'days the row is kept after its own; 0: no load stamped it, it is kept as long as any'

-- statement
ALTER TABLE {{otel}}.otel_metrics_histogram
    COMMENT COLUMN retention_days 'days the row is kept after its own; 0: no load stamped it, it is kept as long as any'

-- statement
ALTER TABLE {{otel}}.otel_metrics_histogram_current
    COMMENT COLUMN retention_days 'days the row is kept after its own; 0: no load stamped it, it is kept as long as any'

-- statement
ALTER TABLE {{otel}}.otel_metrics_exponential_histogram
    COMMENT COLUMN retention_days 'days the row is kept after its own; 0: no load stamped it, it is kept as long as any'

-- statement
ALTER TABLE {{otel}}.otel_metrics_exponential_histogram_current
    COMMENT COLUMN retention_days 'days the row is kept after its own; 0: no load stamped it, it is kept as long as any'

-- statement
ALTER TABLE {{otel}}.otel_metrics_summary
    COMMENT COLUMN retention_days 'days the row is kept after its own; 0: no load stamped it, it is kept as long as any'

-- statement
ALTER TABLE {{otel}}.otel_metrics_summary_current
    COMMENT COLUMN retention_days 'days the row is kept after its own; 0: no load stamped it, it is kept as long as any'
