-- purpose: the current release of every scope and period whose scope starts with a prefix
-- parameters: scope_prefix String
-- columns: scope, period, fence, seq, batches Map(String, String), rows, sums Map(String, String), residues Map(String, String), sha256, version, state, published_at
SELECT
    toString(head.scope) AS scope,
    head.period AS period,
    head.fence AS fence,
    head.seq AS seq,
    CAST(head.batches, 'Map(String, String)') AS batches,
    head.rows AS rows,
    CAST(head.sums, 'Map(String, String)') AS sums,
    CAST(head.residues, 'Map(String, String)') AS residues,
    head.sha256 AS sha256,
    head.version AS version,
    toString(head.state) AS state,
    head.published_at AS published_at
FROM period_head AS head
WHERE startsWith(head.scope, {scope_prefix:String})
ORDER BY head.scope, head.period, head.fence DESC, head.seq DESC
LIMIT 1 BY head.scope, head.period
