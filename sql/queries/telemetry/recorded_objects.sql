-- purpose: objects of a source the ledger has an answer for, by what a listing shows of them, so they are not fetched again
-- parameters: source_name String
-- columns: object_name, object_bytes, modified_at DateTime64(9), state, reason
SELECT
    object_name,
    object_bytes,
    modified_at,
    toString(state) AS state,
    any(delivery.reason) AS reason
FROM raw_deliveries AS delivery
WHERE kind = 'telemetry' AND source_name = {source_name:String} AND state IN ('loaded', 'refused')
GROUP BY object_name, object_bytes, modified_at, state
ORDER BY object_name
