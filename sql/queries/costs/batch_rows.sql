-- purpose: rows of one batch of core_app_costs_daily
-- parameters: billing_period Date, batch_id UUID
-- columns: rows
SELECT count() AS rows
FROM core_app_costs_daily
WHERE billing_period = {billing_period:Date} AND batch_id = {batch_id:UUID}
