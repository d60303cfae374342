-- purpose: rows that are published of a table
-- parameters: view Identifier (what shows the published rows of it)
-- columns: rows
SELECT count() AS rows
FROM {view:Identifier}
