-- purpose: the database of a workspace on a server
-- parameters: database Identifier
-- columns: none
CREATE DATABASE IF NOT EXISTS {database:Identifier}
