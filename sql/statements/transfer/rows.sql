-- purpose: rows of a table as they are written: what is computed from them is computed again
-- parameters: in_database, of_table Identifier
-- columns: those of the table
SELECT * FROM {in_database:Identifier}.{of_table:Identifier}
