-- purpose: which table a part on disk is of
-- parameters: path String (its folder, as the engine writes it)
-- columns: database, table, part
SELECT database, table, name AS part FROM system.parts WHERE path = {path:String} LIMIT 1
