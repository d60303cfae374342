-- purpose: the newest line of the ledger for every object and month of a billing source, profiles aside
-- parameters: source_name String
-- columns: object_name, period, object_sha256, state, reason
SELECT
    line.object_name AS object_name,
    line.period AS period,
    argMax(line.object_sha256, line.recorded_at) AS object_sha256,
    toString(argMax(line.state, line.recorded_at)) AS state,
    argMax(line.reason, line.recorded_at) AS reason
FROM raw_deliveries AS line
WHERE line.kind = 'billing' AND line.source_name = {source_name:String} AND line.state != 'profiled'
GROUP BY object_name, period
ORDER BY object_name, period
