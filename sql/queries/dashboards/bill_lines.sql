-- purpose: what the viewer's teams are billed in some days, by line of the bill: usage, which is what trends are of, and
--   purchases, tax, credits, adjustments and corrections beside it, each against days before
-- parameters: teams Array(String), first_day Date, last_day Date (the days shown), compared_last_day Date (the last of them
--   that is compared), before_first_day Date, before_last_day Date
-- columns: billing_currency, bill_line (a FOCUS ChargeCategory, or Correction), billed, compared, billed_before,
--   unallocated (of billed: what is no app's) Decimal(38, 18)
SELECT
    toString(c.billing_currency) AS billing_currency,
    if(c.charge_class != '', 'Correction', toString(c.charge_category)) AS bill_line,
    CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), usage_date >= {first_day:Date}) AS Decimal(38, 18)) AS billed,
    CAST(sumIf(
        CAST(billed_cost AS Decimal(76, 18)),
        usage_date >= {first_day:Date} AND usage_date <= {compared_last_day:Date}
    ) AS Decimal(38, 18)) AS compared,
    CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), usage_date <= {before_last_day:Date}) AS Decimal(38, 18)) AS billed_before,
    CAST(sumIf(
        CAST(billed_cost AS Decimal(76, 18)),
        usage_date >= {first_day:Date} AND app_id = 'unallocated'
    ) AS Decimal(38, 18)) AS unallocated
FROM core_app_costs_daily_current AS c
WHERE team IN {teams:Array(String)}
  AND usage_date >= {before_first_day:Date}
  AND usage_date <= {last_day:Date}
  AND (usage_date >= {first_day:Date} OR usage_date <= {before_last_day:Date})
GROUP BY billing_currency, bill_line
ORDER BY billing_currency, bill_line != 'Usage', bill_line
