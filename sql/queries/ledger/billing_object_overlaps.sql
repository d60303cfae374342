-- purpose: objects of a billing source that were found to share charges, where the source says that the newer one counts
-- parameters: source_name String
-- columns: period, object_sha256, other_object_sha256
SELECT DISTINCT period, object_sha256, other_object_sha256
FROM raw_object_overlaps
WHERE source_name = {source_name:String}
ORDER BY period, object_sha256, other_object_sha256
