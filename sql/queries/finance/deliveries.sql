-- purpose: the objects a billing month was published from. A bill is of all teams, so only a viewer with
--   the right to see whole bills (finance, the platform team) is shown it
-- right: see_statements
-- parameters: teams Array(String), see_whole_bills Bool, billing_period Date
-- columns: source_name, object_name, object_sha256, rows, rejected, modified_at, recorded_at, batch_id, published_at, seq
SELECT
    toString(d.source_name) AS source_name,
    d.object_name AS object_name,
    d.object_sha256 AS object_sha256,
    d.rows AS rows,
    d.rejected AS rejected,
    toDateTime64(d.modified_at, 0, 'UTC') AS modified_at,
    toDateTime64(d.recorded_at, 0, 'UTC') AS recorded_at,
    toString(d.batch_id) AS batch_id,
    toDateTime64(h.published_at, 0, 'UTC') AS published_at,
    h.seq AS seq
FROM raw_deliveries AS d
INNER JOIN
(
    SELECT scope, argMax(p.seq, (p.fence, p.seq)) AS seq, argMax(p.batches, (p.fence, p.seq)) AS batches,
        argMax(p.published_at, (p.fence, p.seq)) AS published_at
    FROM period_head AS p
    WHERE startsWith(scope, 'billing/') AND period = {billing_period:Date}
    GROUP BY scope
) AS h ON h.scope = concat('billing/', d.source_name)
WHERE {see_whole_bills:Bool} AND notEmpty({teams:Array(String)})
  AND d.kind = 'billing'
  AND d.period = {billing_period:Date}
  AND d.batch_id = h.batches['raw_focus_costs']
  AND d.state = 'loaded'
ORDER BY source_name, object_name
