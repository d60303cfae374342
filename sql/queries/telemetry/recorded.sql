-- purpose: what the ledger says about the bytes of one telemetry object
-- parameters: sha256 String
-- columns: signal, rows, rejected, state, reason
SELECT
    toString(signal) AS signal,
    sum(delivery.rows) AS rows,
    sum(delivery.rejected) AS rejected,
    toString(state) AS state,
    any(delivery.reason) AS reason
FROM raw_deliveries AS delivery
WHERE kind = 'telemetry' AND object_sha256 = {sha256:String} AND state IN ('loaded', 'refused')
GROUP BY signal, state
