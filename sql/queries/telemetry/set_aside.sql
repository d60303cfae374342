-- purpose: records of these objects that were set aside, counted per object and reason, with the first place
-- parameters: sha256s Array(String)
-- columns: object_name, reason, records, position
SELECT object_name, toString(reason) AS reason, count() AS records, min(rejects.position) AS position
FROM raw_rejects AS rejects FINAL
WHERE kind = 'telemetry' AND object_sha256 IN {sha256s:Array(String)}
GROUP BY object_name, reason
ORDER BY object_name, position, reason
