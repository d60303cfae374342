-- purpose: rewrites the parts of a table that hold removed rows, so that their bytes are free and not only unseen
-- parameters: table_name Identifier
-- columns: none
ALTER TABLE {table_name:Identifier} APPLY DELETED MASK
