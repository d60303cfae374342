-- purpose: what the newest manifest of each month of a billing source says of it
-- parameters: source_name String
-- columns: period, state, reason, object_names Array(String)
SELECT
    line.period AS period,
    argMax(toString(line.state), line.recorded_at) AS state,
    argMax(line.reason, line.recorded_at) AS reason,
    argMax(line.object_names, line.recorded_at) AS object_names
FROM raw_manifest_states AS line
WHERE line.source_name = {source_name:String}
GROUP BY period
ORDER BY period
