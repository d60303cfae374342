-- purpose: remove rows of batches of a computed table that no reader can see. Run under the scope's lease, never as part of a
--   publish; keys are literal, as a replicated table deletes by no subquery
-- parameters: table_name Identifier, batches Array(UUID)
-- columns: none
DELETE FROM {table_name:Identifier} WHERE batch_id IN {batches:Array(UUID)}
