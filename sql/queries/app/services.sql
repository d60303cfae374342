-- purpose: cost of one app by service, with how it was attributed
-- parameters: teams Array(String), app_id String, first_day Date, last_day Date
-- columns: provider, service_name, billing_currency, billed_cost, effective_cost
SELECT
    toString(c.provider) AS provider,
    toString(c.service_name) AS service_name,
    toString(c.billing_currency) AS billing_currency,
    CAST(sum(CAST(c.billed_cost AS Decimal(76, 18))) AS Decimal(38, 18)) AS billed_cost,
    CAST(sum(CAST(c.effective_cost AS Decimal(76, 18))) AS Decimal(38, 18)) AS effective_cost
FROM core_app_costs_daily_current AS c
WHERE app_id = {app_id:String} AND team IN {teams:Array(String)}
  AND usage_date >= {first_day:Date} AND usage_date <= {last_day:Date}
GROUP BY provider, service_name, billing_currency
ORDER BY billing_currency, billed_cost DESC, service_name, provider
