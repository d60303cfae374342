-- purpose: the batches that have rows in a part; fails where that column cannot be read in any part of its table
-- parameters: is_telemetry UInt8 (which database the table is in), pattern String (of the table's name); part String
-- columns: batch_id String
-- A filter on _part would read another column of the part, which may be the one that cannot be read.
SELECT batch_id
FROM
(
    SELECT concat('', COLUMNS('^(x_BatchId|batch_id)$')) AS batch_id, groupUniqArray(_part) AS parts
    FROM merge(if({is_telemetry:UInt8}, '{{otel}}', currentDatabase()), {pattern:String})
    GROUP BY batch_id
)
WHERE has(parts, {part:String})
ORDER BY batch_id
