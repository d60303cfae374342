-- purpose: says in the ledger that a batch of telemetry was loaded again as others; its lines still count until they are removed
-- parameters: batch_id UUID, reason String
-- columns: none
INSERT INTO raw_deliveries
SELECT line.* REPLACE ('replaced' AS state, {reason:String} AS reason, now64(9) AS recorded_at)
FROM raw_deliveries AS line
WHERE line.kind = 'telemetry' AND line.state = 'loaded' AND line.batch_id = {batch_id:UUID}
