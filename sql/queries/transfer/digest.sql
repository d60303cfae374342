-- purpose: how many rows a table has, and a sum of the hashes of each, which no order changes
-- parameters: database, table Identifier
-- columns: rows, digest UInt64
SELECT count() AS rows, sum(cityHash64(tuple(*))) AS digest FROM {database:Identifier}.{table:Identifier}
