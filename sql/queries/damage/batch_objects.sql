-- purpose: the objects whose records are in batches of a source of telemetry, as the ledger remembers them
-- parameters: source_name String, batches Array(String)
-- columns: batch_id String, object_name, object_sha256, content_bytes, content_sha256
SELECT DISTINCT
    toString(batch_id) AS batch_id, object_name, object_sha256, content_bytes, content_sha256
FROM raw_deliveries AS delivery
WHERE kind = 'telemetry' AND state = 'loaded' AND source_name = {source_name:String}
    AND has({batches:Array(String)}, toString(batch_id))
ORDER BY batch_id, object_name
