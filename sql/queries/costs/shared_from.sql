-- purpose: apps that shared cost rules took from in a billing month as it is published
-- parameters: billing_period Date
-- columns: app_id
SELECT DISTINCT from_app_id AS app_id
FROM core_cost_allocations_current
WHERE billing_period = {billing_period:Date}
ORDER BY app_id
