-- purpose: removes the lines that make a batch of telemetry visible, once all its objects were loaded again as others
-- parameters: batch_id UUID
-- columns: none
DELETE FROM raw_deliveries WHERE kind = 'telemetry' AND state = 'loaded' AND batch_id = {batch_id:UUID}
