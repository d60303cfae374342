-- purpose: beginnings of objects of a source that are loaded, so that an object that grew or came packed is read on from there
-- parameters: source_name String
-- columns: content_head, content_bytes, content_sha256
SELECT DISTINCT content_head, content_bytes, content_sha256
FROM raw_deliveries AS delivery
WHERE kind = 'telemetry' AND source_name = {source_name:String} AND state = 'loaded' AND content_bytes > 0
ORDER BY content_bytes, content_sha256
