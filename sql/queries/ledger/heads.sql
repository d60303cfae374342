-- purpose: the current release of every scope and period whose scope starts with a prefix
-- parameters: scope_prefix String
-- columns: scope, period, seq, batches Map(String, String), rows, sums Map(String, String), residues Map(String, String), sha256, version, state, published_at
SELECT
    toString(scope) AS scope,
    period,
    max(head.seq) AS seq,
    mapApply((k, v) -> (k, toString(v)), argMax(head.batches, head.seq)) AS batches,
    argMax(head.rows, head.seq) AS rows,
    mapApply((k, v) -> (k, toString(v)), argMax(head.sums, head.seq)) AS sums,
    mapApply((k, v) -> (k, toString(v)), argMax(head.residues, head.seq)) AS residues,
    argMax(head.sha256, head.seq) AS sha256,
    argMax(head.version, head.seq) AS version,
    toString(argMax(head.state, head.seq)) AS state,
    argMax(head.published_at, head.seq) AS published_at
FROM period_head AS head
WHERE startsWith(head.scope, {scope_prefix:String})
GROUP BY scope, period
ORDER BY scope, period
