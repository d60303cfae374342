-- purpose: rows of a table as they are written: what is computed from them is computed again
-- parameters: database, table Identifier
-- columns: those of otel_logs, or of another table that is named
SELECT * FROM {database:Identifier}.{table:Identifier}
