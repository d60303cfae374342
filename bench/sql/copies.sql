-- purpose: every app of a published batch that many times, as itself and with a number behind its id; what is no app's once
-- parameters: table Identifier, batch_id UUID, copies UInt64
-- columns: none
INSERT INTO {table:Identifier}
SELECT * REPLACE (concat(one.app_id, '-', toString(copy)) AS app_id)
FROM {table:Identifier} AS one
ARRAY JOIN range(1, {copies:UInt64}) AS copy
WHERE one.batch_id = {batch_id:UUID} AND one.app_id NOT IN ('', 'unallocated')
