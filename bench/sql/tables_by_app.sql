-- purpose: the computed tables that have a row per app
-- parameters: none
-- columns: table String
SELECT table
FROM system.columns
WHERE database = currentDatabase() AND name IN ('app_id', 'batch_id')
    AND table IN (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine NOT LIKE '%View')
GROUP BY table
HAVING count() = 2
ORDER BY table
