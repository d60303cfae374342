-- purpose: rows of a table
-- parameters: table Identifier
-- columns: rows UInt64
SELECT count() AS rows FROM {table:Identifier}
