-- purpose: rows of one batch of bills in one month
-- parameters: batch_id UUID, period Date
-- columns: rows
SELECT count() AS rows FROM raw_focus_costs WHERE x_BatchId = {batch_id:UUID} AND x_BillingPeriod = {period:Date}
