-- purpose: the apps of each team whose usage cost moved most, per currency; other charges are no move
-- parameters: first_day, last_day, before_first_day, before_last_day Date; no_trend Array(String); row_limit UInt32 (per team
--   and currency)
-- columns: team, app_id, billing_currency, cost_before, cost_now Decimal(38, 18)
SELECT
    toString(c.team) AS team,
    app_id,
    toString(c.billing_currency) AS billing_currency,
    CAST(sumIf(toDecimal256(c.billed_cost, 18), usage_date <= {before_last_day:Date}), 'Decimal(38, 18)') AS cost_before,
    CAST(sumIf(toDecimal256(c.billed_cost, 18), usage_date >= {first_day:Date}), 'Decimal(38, 18)') AS cost_now
FROM core_app_costs_daily_current AS c
WHERE app_id != 'unallocated'
  AND charge_category = 'Usage' AND charge_class = '' AND charge_frequency NOT IN {no_trend:Array(String)}
  AND (usage_date BETWEEN {first_day:Date} AND {last_day:Date}
       OR usage_date BETWEEN {before_first_day:Date} AND {before_last_day:Date})
GROUP BY team, app_id, billing_currency
HAVING cost_now != cost_before
ORDER BY team, billing_currency, abs(cost_now - cost_before) DESC, app_id
LIMIT {row_limit:UInt32} BY team, billing_currency
