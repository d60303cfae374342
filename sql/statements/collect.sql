-- purpose: remove rows of a computed table that no reader can see: of failed attempts, and of batches older than the
--   last two releases of every period of their scope. Run under the scope's lease, never as part of a publish
-- parameters: table_name Identifier, scope String, table String, kept UInt64
-- columns: none
DELETE FROM {table_name:Identifier}
WHERE batch_id NOT IN
(
    SELECT head.batches[{table:String}]
    FROM period_head AS head
    WHERE head.scope = {scope:String} AND mapContains(head.batches, {table:String})
    ORDER BY head.period, head.seq DESC
    LIMIT {kept:UInt64} BY head.period
)
