-- purpose: records set aside, counted per object and reason, with the first of them
-- parameters: none
-- columns: kind, source_name, reason, object_name, records, position, rejected_at (of the last)
SELECT
    toString(kind) AS kind,
    toString(source_name) AS source_name,
    toString(reason) AS reason,
    object_name,
    sum(rejects.records) AS records,
    min(rejects.position) AS position,
    max(rejects.rejected_at) AS rejected_at
FROM raw_rejects AS rejects FINAL
GROUP BY kind, source_name, reason, object_name
ORDER BY kind, source_name, reason, object_name
