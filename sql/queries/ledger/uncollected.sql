-- purpose: batches of a computed table that no reader can see: of failed attempts, and older than the last releases of every
--   period of their scope; what a closed statement was made of stays
-- parameters: computed Identifier, scope String, table String, kept UInt64
-- columns: batch_id String
SELECT DISTINCT toString(batch_id) AS batch_id
FROM {computed:Identifier}
WHERE batch_id NOT IN
(
    SELECT head.batches[{table:String}]
    FROM period_head AS head
    WHERE head.scope = {scope:String} AND mapContains(head.batches, {table:String})
    ORDER BY head.period, head.fence DESC, head.seq DESC
    LIMIT {kept:UInt64} BY head.period
)
    AND batch_id NOT IN (SELECT arrayJoin(mapValues(batches)) FROM statement_closings)
    AND batch_id NOT IN (SELECT arrayJoin(mapValues(batches)) FROM statement_reclassifications)
ORDER BY batch_id
