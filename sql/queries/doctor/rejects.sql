-- purpose: records set aside, counted per source and reason, with the first of them
-- parameters: shown UInt64
-- columns: kind, source_name, reason, records, object_name, position, matching UInt64 (how many there are in all)
SELECT
    toString(kind) AS kind,
    toString(source_name) AS source_name,
    toString(reason) AS reason,
    count() AS records,
    argMin(rejects.object_name, (rejects.object_name, rejects.position)) AS object_name,
    argMin(rejects.position, (rejects.object_name, rejects.position)) AS position,
    count() OVER () AS matching
FROM raw_rejects AS rejects FINAL
GROUP BY kind, source_name, reason
ORDER BY records DESC, source_name, reason, kind
LIMIT {shown:UInt64}
