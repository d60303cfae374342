-- purpose: the lines on deliveries that wait or waited for a person, newest first, of one source or of all (empty name)
-- parameters: source_name String
-- columns: source_name, period, sha256, state, cause, reason, batch_id String, rows, sums, residues, published_sums Map(String, String),
--   version, object_names, object_sha256s, new_sha256s, newest_sha256s, kept_sha256s Array(String), decided_by, why, recorded_at,
--   is_latest UInt8 (the line that holds for its source and month)
SELECT
    toString(line.source_name) AS source_name,
    line.period AS period,
    line.sha256 AS sha256,
    toString(line.state) AS state,
    toString(line.cause) AS cause,
    line.reason AS reason,
    toString(line.batch_id) AS batch_id,
    line.rows AS rows,
    mapApply((k, v) -> (k, toString(v)), line.sums) AS sums,
    mapApply((k, v) -> (k, toString(v)), line.residues) AS residues,
    mapApply((k, v) -> (k, toString(v)), line.published_sums) AS published_sums,
    line.version AS version,
    line.object_names AS object_names,
    line.object_sha256s AS object_sha256s,
    line.new_sha256s AS new_sha256s,
    line.newest_sha256s AS newest_sha256s,
    line.kept_sha256s AS kept_sha256s,
    line.decided_by AS decided_by,
    line.why AS why,
    line.recorded_at AS recorded_at,
    row_number() OVER (PARTITION BY line.source_name, line.period ORDER BY line.recorded_at DESC) = 1 AS is_latest
FROM raw_held_deliveries AS line
WHERE {source_name:String} IN ('', line.source_name)
ORDER BY recorded_at DESC, source_name, period
