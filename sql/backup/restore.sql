-- purpose: begins to load a backup the server made, into tables that are there and empty, without waiting for its end
-- parameters: none (the tables, the place and the id are filled in: none of them can be bound)
-- columns: none
RESTORE {{tables}}{{on_cluster}} FROM {{place}} SETTINGS id = {{id}} ASYNC
