-- purpose: the median start of the spans of each batch on a day, whatever they are stamped with: as queries/freshness/receipts
--   asks for it
-- parameters: day Date
-- columns: batch_id String, median_ns Int64
SELECT toString(x_BatchId) AS batch_id, toInt64(quantile(0.5)(toUnixTimestamp64Nano(Timestamp))) AS median_ns
FROM {{otel}}.otel_traces
WHERE toDate(Timestamp) = {day:Date}
GROUP BY x_BatchId
ORDER BY batch_id
