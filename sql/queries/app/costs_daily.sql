-- purpose: cost of one app per day, currency and line of the bill: usage, which is what a trend is of, and the rest
-- parameters: teams Array(String), app_id String, first_day Date, last_day Date
-- columns: usage_date, billing_currency, bill_line (a FOCUS ChargeCategory, or Correction), billed_cost, effective_cost
SELECT
    usage_date,
    toString(c.billing_currency) AS billing_currency,
    if(c.charge_class != '', 'Correction', toString(c.charge_category)) AS bill_line,
    CAST(sum(CAST(c.billed_cost AS Decimal(76, 18))) AS Decimal(38, 18)) AS billed_cost,
    CAST(sum(CAST(c.effective_cost AS Decimal(76, 18))) AS Decimal(38, 18)) AS effective_cost
FROM core_app_costs_daily_current AS c
WHERE app_id = {app_id:String} AND team IN {teams:Array(String)}
  AND usage_date >= {first_day:Date} AND usage_date <= {last_day:Date}
GROUP BY usage_date, billing_currency, bill_line
ORDER BY usage_date, billing_currency, bill_line
