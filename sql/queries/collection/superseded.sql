-- purpose: batches of a computed table that nobody can read any more: no current release names them, none that was superseded
--   since a moment, and no closed, reopened or reclassified statement; of attempts that were never published, those named by none
-- parameters: computed Identifier, table String, before DateTime64(9) (what was superseded since may still be read)
-- columns: batch_id String, rows, is_named UInt8 (0: no release ever named it)
WITH
    named AS
(
    SELECT
        release.batches[{table:String}] AS batch_id,
        leadInFrame(toNullable(release.published_at)) OVER (
            PARTITION BY release.scope, release.period ORDER BY release.fence, release.seq
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS superseded_at
    FROM (SELECT scope, period, fence, seq, batches, published_at FROM period_head) AS release
    WHERE mapContains(release.batches, {table:String})
)
SELECT toString(rows_of.batch_id) AS batch_id, count() AS rows, toUInt8(rows_of.batch_id IN (SELECT batch_id FROM named)) AS is_named
FROM {computed:Identifier} AS rows_of
WHERE rows_of.batch_id NOT IN (SELECT batch_id FROM named WHERE superseded_at IS NULL OR superseded_at > {before:DateTime64(9)})
    AND rows_of.batch_id NOT IN (SELECT arrayJoin(mapValues(batches)) FROM statement_closings)
    AND rows_of.batch_id NOT IN (SELECT arrayJoin(mapValues(batches)) FROM statement_reclassifications)
    AND rows_of.batch_id NOT IN (SELECT lines_batch FROM statement_closings)
GROUP BY batch_id, is_named
ORDER BY batch_id
