-- purpose: tables with rows of a workspace: all that are written, the ledger first, as what it names must be in what follows it
-- parameters: telemetry_database String, records Array(String) (tables of the ledger), left Array(String) (of the place itself)
-- columns: database, table
SELECT database, name AS table
FROM system.tables
WHERE database IN (currentDatabase(), {telemetry_database:String})
    AND (endsWith(engine, 'MergeTree') OR engine = 'Distributed')
    AND NOT endsWith(name, '_shard') AND NOT has({left:Array(String)}, name)
ORDER BY has({records:Array(String)}, name) DESC, database, table
