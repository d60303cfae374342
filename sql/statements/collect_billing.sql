-- purpose: remove the rows of one batch of one month that no reader can see any more
-- parameters: source_name String, period Date, batch_id UUID
-- columns: none
DELETE FROM raw_focus_costs
WHERE x_SourceName = {source_name:String} AND x_BillingPeriod = {period:Date} AND x_BatchId = {batch_id:UUID}
