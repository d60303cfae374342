-- purpose: how many rows a table has, and a sum of the hashes of each, which no order changes
-- parameters: in_database, of_table Identifier
-- columns: rows, digest UInt64
SELECT count() AS rows, sum(cityHash64(tuple(*))) AS digest FROM {in_database:Identifier}.{of_table:Identifier}
