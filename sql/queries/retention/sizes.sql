-- purpose: bytes on disk of a row in each partition of raw telemetry, on average over its active parts. Where a table is cut in
--   shards, those of the node that answers
-- parameters: telemetry_database String
-- columns: table_name, partition_id String (as 20260131-7: the day, and the days its rows are kept), bytes_per_row Float64
SELECT
    replaceRegexpOne(table, '_shard$', '') AS table_name,
    partition_id,
    sum(bytes_on_disk) / sum(rows) AS bytes_per_row
FROM system.parts
WHERE active AND database = {telemetry_database:String} AND rows > 0
GROUP BY table_name, partition_id
ORDER BY table_name, partition_id
