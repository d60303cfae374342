-- purpose: rows per batch and service of what statements/renewal/rows reads
-- parameters: database, table Identifier; live_source String
-- columns: batch_id String; service String; rows UInt64
SELECT toString(x_BatchId) AS batch_id, toString(ServiceName) AS service, count() AS rows
FROM {database:Identifier}.{table:Identifier}
WHERE x_BatchId IN
(
    SELECT batch_id FROM default.raw_deliveries
    WHERE kind = 'telemetry' AND source_name = {live_source:String} AND state = 'loaded'
)
    OR x_BatchId = toUUID('00000000-0000-0000-0000-000000000000')
GROUP BY batch_id, service
ORDER BY batch_id, service
