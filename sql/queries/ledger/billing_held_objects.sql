-- purpose: the objects of a delivery of one month that waits for a person, as they were counted from their bytes
-- parameters: source_name String, batch_id UUID, period Date
-- columns: object_name, object_sha256, object_bytes, modified_at, rows, sums Map(String, String), residues Map(String, String)
SELECT
    line.object_name AS object_name,
    line.object_sha256 AS object_sha256,
    max(line.object_bytes) AS object_bytes,
    max(line.modified_at) AS modified_at,
    max(line.rows) AS rows,
    mapApply((k, v) -> (k, toString(v)), any(line.sums)) AS sums,
    mapApply((k, v) -> (k, toString(v)), any(line.residues)) AS residues
FROM raw_deliveries AS line
WHERE line.kind = 'billing' AND line.source_name = {source_name:String} AND line.state = 'held'
    AND line.batch_id = {batch_id:UUID} AND line.period = {period:Date}
GROUP BY object_name, object_sha256
ORDER BY object_name
