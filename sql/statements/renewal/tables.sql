-- purpose: tables of telemetry in a warehouse that is being renewed
-- parameters: database String
-- columns: name
SELECT name
FROM system.tables
WHERE database = {database:String} AND endsWith(engine, 'MergeTree')
ORDER BY name
