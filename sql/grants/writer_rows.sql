-- purpose: what whoever loads needs of a database that is ours alone: its tables made, written, read and collected
-- parameters: none
-- columns: none
GRANT{{on_cluster}} ALL ON {{database}}.* TO {{user}}
