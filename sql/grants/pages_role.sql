-- purpose: the role of the pages' user
-- parameters: none
-- columns: none
CREATE ROLE IF NOT EXISTS {{role}}{{on_cluster}} SETTINGS PROFILE {{profile}}
