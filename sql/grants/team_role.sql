-- purpose: the role of a team's people in Grafana or an SQL client
-- parameters: none
-- columns: none
CREATE ROLE IF NOT EXISTS {{role}}{{on_cluster}} SETTINGS PROFILE {{profile}}
