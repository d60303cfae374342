-- purpose: what the ledger says about the bytes of one telemetry object
-- parameters: sha256 String
-- columns: signal, rows, rejected, state, reason
SELECT toString(signal) AS signal, rows, rejected, toString(state) AS state, reason
FROM raw_deliveries
WHERE kind = 'telemetry' AND object_sha256 = {sha256:String} AND state IN ('loaded', 'refused')
ORDER BY recorded_at DESC
