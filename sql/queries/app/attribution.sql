-- purpose: which attribution rules gave one app its cost, how sure they are and how much each decided
-- parameters: teams Array(String), app_id String, first_day Date, last_day Date
-- columns: attribution_rule, confidence, billing_currency, billed_cost, days
SELECT
    toString(c.attribution_rule) AS attribution_rule,
    confidence,
    toString(c.billing_currency) AS billing_currency,
    CAST(sum(CAST(c.billed_cost AS Decimal(76, 18))) AS Decimal(38, 18)) AS billed_cost,
    uniqExact(usage_date) AS days
FROM core_app_costs_daily_current AS c
WHERE app_id = {app_id:String} AND team IN {teams:Array(String)}
  AND usage_date >= {first_day:Date} AND usage_date <= {last_day:Date}
GROUP BY attribution_rule, confidence, billing_currency
ORDER BY billing_currency, billed_cost DESC, attribution_rule, confidence
