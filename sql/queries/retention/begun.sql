-- purpose: partitions whose removal was begun and not ended: it was killed, or is at work
-- parameters: none
-- columns: removal_id String, table_name, day, retention_days UInt16, rows UInt64, batches Array(String) (that are counted)
SELECT
    toString(removal_id) AS removal_id,
    toString(any(line.table_name)) AS table_name,
    any(line.day) AS day,
    any(line.retention_days) AS retention_days,
    sumIf(line.rows, line.state = 'removing') AS rows,
    groupUniqArrayIf(toString(line.batch_id), line.state = 'removing') AS batches
FROM telemetry_removals AS line
GROUP BY removal_id
HAVING countIf(line.state = 'removed') = 0
ORDER BY day, table_name, retention_days, removal_id
