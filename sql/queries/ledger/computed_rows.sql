-- purpose: rows of one batch of a computed table
-- parameters: computed Identifier, batch_id UUID
-- columns: rows
SELECT count() AS rows FROM {computed:Identifier} WHERE batch_id = {batch_id:UUID}
