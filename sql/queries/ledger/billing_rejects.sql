-- purpose: the rows of one object of a billing source that were set aside
-- parameters: source_name, object_sha256 String
-- columns: position, reason, detail
SELECT position, toString(reason) AS reason, detail
FROM raw_rejects FINAL
WHERE kind = 'billing' AND source_name = {source_name:String} AND object_sha256 = {object_sha256:String} AND position > 0
ORDER BY position, detail
