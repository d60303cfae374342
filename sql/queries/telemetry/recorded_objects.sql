-- purpose: objects of a source the ledger has an answer for, by what a listing shows of them, so they are not fetched again
-- parameters: source_name String
-- columns: object_name, object_bytes, modified_at DateTime64(9), state, reason, waiting_bytes (of the last line)
SELECT
    object_name,
    object_bytes,
    modified_at,
    toString(argMax(delivery.state, delivery.recorded_at)) AS state,
    argMax(delivery.reason, delivery.recorded_at) AS reason,
    argMax(delivery.waiting_bytes, delivery.recorded_at) AS waiting_bytes
FROM raw_deliveries AS delivery
WHERE kind = 'telemetry' AND source_name = {source_name:String}
    AND delivery.state IN ('loaded', 'refused', 'unchanged')
GROUP BY object_name, object_bytes, modified_at
ORDER BY object_name
