-- purpose: lets the pages read a database: they bind the teams of who looks into every statement
-- parameters: none
-- columns: none
GRANT{{on_cluster}} SELECT ON {{database}}.* TO {{role}}
