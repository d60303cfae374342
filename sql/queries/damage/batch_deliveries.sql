-- purpose: the sources of telemetry whose records of a day are in some batches
-- parameters: day Date, batches Array(String), or none for all
-- columns: source_name, batch_id String
SELECT DISTINCT toString(source_name) AS source_name, toString(batch_id) AS batch_id
FROM raw_deliveries AS delivery
WHERE kind = 'telemetry' AND state = 'loaded' AND delivery.rows > 0 AND period = {day:Date}
    AND (empty({batches:Array(String)}) OR has({batches:Array(String)}, toString(batch_id)))
ORDER BY source_name, batch_id
