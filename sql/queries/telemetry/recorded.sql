-- purpose: what the ledger says about the bytes of telemetry objects; of one that waits for its end it says nothing final
-- parameters: sha256s Array(String)
-- columns: sha256, signal, rows, rejected, state, reason
SELECT
    object_sha256 AS sha256,
    toString(signal) AS signal,
    sum(delivery.rows) AS rows,
    sum(delivery.rejected) AS rejected,
    toString(state) AS state,
    any(delivery.reason) AS reason
FROM raw_deliveries AS delivery
WHERE kind = 'telemetry' AND object_sha256 IN {sha256s:Array(String)} AND state IN ('loaded', 'refused')
    AND waiting_bytes = 0
GROUP BY sha256, signal, state
ORDER BY sha256, signal, state
