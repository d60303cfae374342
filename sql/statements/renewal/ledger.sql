-- purpose: ledger lines and rejects of live telemetry, as they are
-- parameters: database, table Identifier; live_source String
-- columns: those of the table
SELECT *
FROM {database:Identifier}.{table:Identifier}
WHERE kind = 'telemetry' AND source_name = {live_source:String}
