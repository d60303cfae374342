-- purpose: removes the rows of a batch of telemetry that no line of the ledger makes visible any more
-- parameters: table Identifier, batch_id UUID
-- columns: none
DELETE FROM {{otel}}.{table:Identifier} WHERE x_BatchId = {batch_id:UUID}
