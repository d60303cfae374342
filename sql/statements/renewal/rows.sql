-- purpose: rows of telemetry that no file holds: of loaded live batches, and those a collector inserted directly
-- parameters: database, table Identifier; live_source String
-- columns: those of the table that are stored and not derived
SELECT *
FROM {database:Identifier}.{table:Identifier}
WHERE x_BatchId IN
(
    SELECT batch_id FROM default.raw_deliveries
    WHERE kind = 'telemetry' AND source_name = {live_source:String} AND state = 'loaded'
)
    OR x_BatchId = toUUID('00000000-0000-0000-0000-000000000000')
