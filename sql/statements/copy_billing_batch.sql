-- purpose: the rows of some objects of a batch of one month, once more under another batch
-- parameters: source_name String, period Date, from_batch, batch_id UUID, object_names Array(String)
-- columns: none
INSERT INTO raw_focus_costs
SELECT * REPLACE ({batch_id:UUID} AS x_BatchId)
FROM
(
    SELECT * FROM raw_focus_costs
    WHERE x_SourceName = {source_name:String} AND x_BillingPeriod = {period:Date} AND x_BatchId = {from_batch:UUID}
        AND has({object_names:Array(String)}, x_ObjectName)
)
