-- purpose: removes a whole partition of raw telemetry, whose rows are past their retention; never part of a publish
-- parameters: table Identifier; day Date, retention_days UInt16 (the partition)
-- columns: none
ALTER TABLE {{otel}}.{table:Identifier} DROP PARTITION ({day:Date}, {retention_days:UInt16})
