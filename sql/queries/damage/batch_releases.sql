-- purpose: what is published from batches of a table
-- parameters: table String, batches Array(String), or none for all
-- columns: scope, period
SELECT toString(scope) AS scope, period
FROM current_batches
WHERE table_name = {table:String} AND (empty({batches:Array(String)}) OR has({batches:Array(String)}, toString(batch_id)))
ORDER BY scope, period
