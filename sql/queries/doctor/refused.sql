-- purpose: objects whose last line in the ledger is a refusal
-- parameters: shown UInt64
-- columns: kind, source_name, object_name, reason, matching UInt64 (how many there are in all)
SELECT
    toString(kind) AS kind,
    toString(source_name) AS source_name,
    object_name,
    argMax(lines.reason, lines.recorded_at) AS reason,
    count() OVER () AS matching
FROM raw_deliveries AS lines
GROUP BY kind, source_name, object_name
HAVING argMax(lines.state, lines.recorded_at) = 'refused'
ORDER BY kind, source_name, object_name
LIMIT {shown:UInt64}
