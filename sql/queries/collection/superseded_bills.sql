-- purpose: batches of months of bills that nobody can read any more: no current release names them, none that was superseded
--   since a moment, no delivery that waits for a person, and no closed, reopened or reclassified statement
-- parameters: before DateTime64(9) (what was superseded since may still be read)
-- columns: source_name, period, batch_id String, rows, is_named UInt8 (0: no release ever named it)
WITH
    named AS
(
    SELECT
        substring(toString(release.scope), length('billing/') + 1) AS source_name,
        release.period AS period,
        release.batches['raw_focus_costs'] AS batch_id,
        leadInFrame(toNullable(release.published_at)) OVER (
            PARTITION BY release.scope, release.period ORDER BY release.fence, release.seq
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS superseded_at
    FROM (SELECT scope, period, fence, seq, batches, published_at FROM period_head) AS release
    WHERE startsWith(release.scope, 'billing/')
),
    waiting AS
(
    SELECT toString(line.source_name) AS source_name, line.period AS period, argMax(line.batch_id, line.recorded_at) AS batch_id
    FROM raw_held_deliveries AS line
    GROUP BY source_name, period
    HAVING argMax(line.state, line.recorded_at) IN ('held', 'accepted')
),
    loaded AS
(
    SELECT toString(x_SourceName) AS source_name, x_BillingPeriod AS period, x_BatchId AS batch_id, count() AS rows
    FROM raw_focus_costs
    GROUP BY source_name, period, batch_id
)
SELECT
    loaded.source_name AS source_name, loaded.period AS period, toString(loaded.batch_id) AS batch_id, loaded.rows AS rows,
    toUInt8((loaded.source_name, loaded.period, loaded.batch_id) IN (SELECT source_name, period, batch_id FROM named)) AS is_named
FROM loaded
WHERE (loaded.source_name, loaded.period, loaded.batch_id) NOT IN
        (SELECT source_name, period, batch_id FROM named WHERE superseded_at IS NULL OR superseded_at > {before:DateTime64(9)})
    AND (loaded.source_name, loaded.period, loaded.batch_id) NOT IN (SELECT source_name, period, batch_id FROM waiting)
    AND loaded.batch_id NOT IN (SELECT arrayJoin(mapValues(batches)) FROM statement_closings)
    AND loaded.batch_id NOT IN (SELECT arrayJoin(mapValues(batches)) FROM statement_reclassifications)
ORDER BY source_name, period, batch_id
