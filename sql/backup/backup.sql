-- purpose: begins a backup by the server itself, without waiting for its end
-- parameters: none (the tables, the place and the backup's id are filled in: none of them can be bound)
-- columns: none
BACKUP {{tables}}{{on_cluster}} TO {{place}} SETTINGS id = {{id}} ASYNC
