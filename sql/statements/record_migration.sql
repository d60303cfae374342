-- purpose: record that a migration reached a state
-- parameters: name String, checksum String, state String
-- columns: none
INSERT INTO schema_migrations (name, checksum, state)
SELECT {name:String}, {checksum:String}, {state:String}
