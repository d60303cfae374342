-- purpose: gives the pages' user its role
-- parameters: none
-- columns: none
GRANT{{on_cluster}} {{role}} TO {{user}}
