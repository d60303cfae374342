-- purpose: takes a part that cannot be read out of use; its files are kept in the table's folder detached/
-- parameters: database, table Identifier; part String
-- columns: none
ALTER TABLE {database:Identifier}.{table:Identifier} DETACH PART {part:String}
