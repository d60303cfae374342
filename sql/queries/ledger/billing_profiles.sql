-- purpose: what the ledger remembers of the objects of a billing source, counted from their bytes under the same rules
-- parameters: source_name, rules String
-- columns: object_sha256, period (1970-01-01: no rows), rows, rejected, sums Map(String, String), residues Map(String, String), ignored_columns
SELECT
    line.object_sha256 AS object_sha256,
    line.period AS period,
    max(line.rows) AS rows,
    max(line.rejected) AS rejected,
    mapApply((k, v) -> (k, toString(v)), any(line.sums)) AS sums,
    mapApply((k, v) -> (k, toString(v)), any(line.residues)) AS residues,
    any(line.ignored_columns) AS ignored_columns
FROM raw_deliveries AS line
WHERE line.kind = 'billing' AND line.source_name = {source_name:String} AND line.state = 'profiled' AND line.reason = {rules:String}
GROUP BY object_sha256, period
ORDER BY object_sha256, period
