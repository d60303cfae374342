-- purpose: what the ledger remembers of the charges of a source's objects, made by the same rules
-- parameters: source_name, rules String
-- columns: object_sha256, period, rows, row_hash_sum UInt64, gross Map(String, String)
SELECT
    line.object_sha256 AS object_sha256,
    line.period AS period,
    any(line.rows) AS rows,
    any(line.row_hash_sum) AS row_hash_sum,
    mapApply((k, v) -> (k, toString(v)), any(line.gross)) AS gross
FROM raw_object_charges AS line
WHERE line.source_name = {source_name:String} AND line.rules = {rules:String}
GROUP BY object_sha256, period
ORDER BY object_sha256, period
