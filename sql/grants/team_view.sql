-- purpose: lets a team read a view that has a column of teams
-- parameters: none
-- columns: none
GRANT{{on_cluster}} SELECT ON {{database}}.{{view}} TO {{role}}
