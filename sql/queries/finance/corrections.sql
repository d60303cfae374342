-- purpose: what was billed in one month and is of another one, by its charge period: corrections of a month that later bills hold,
--   and corrections of earlier months that the month's own bill holds
-- right: see_statements
-- parameters: teams Array(String), billing_period Date
-- columns: billed_in, of_month, source_name, team, app_id, service_name, charge_category, charge_class, billing_currency, billed_cost,
--   effective_cost
-- A provider's month may begin a day before or after that of UTC: usage so near to it is no correction unless it is said to be one.
SELECT
    costs.billing_period AS billed_in,
    toStartOfMonth(costs.usage_date) AS of_month,
    toString(costs.source_name) AS source_name,
    toString(costs.team) AS team,
    costs.app_id AS app_id,
    toString(costs.service_name) AS service_name,
    toString(costs.charge_category) AS charge_category,
    toString(costs.charge_class) AS charge_class,
    toString(costs.billing_currency) AS billing_currency,
    CAST(sum(toDecimal256(costs.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(toDecimal256(costs.effective_cost, 18)), 'Decimal(38, 18)') AS effective_cost
FROM core_app_costs_daily_current AS costs
WHERE costs.team IN {teams:Array(String)}
    AND costs.billing_period >= {billing_period:Date}
    AND (costs.billing_period = {billing_period:Date} OR toStartOfMonth(costs.usage_date) = {billing_period:Date})
    AND toStartOfMonth(costs.usage_date) < costs.billing_period
    AND (costs.charge_class = 'Correction' OR costs.usage_date < costs.billing_period - 1)
GROUP BY billed_in, of_month, source_name, team, app_id, service_name, charge_category, charge_class, billing_currency
ORDER BY billed_in, of_month, source_name, team, app_id, service_name, charge_category, charge_class, billing_currency
