-- purpose: charges that are no usage of a day, of some days, per app, team, currency and line of the bill
-- parameters: first_day, last_day Date; no_trend Array(String)
-- columns: app_id, team, billing_currency, usage_date, charge_category, charge_class, charge_frequency, billed_cost
SELECT
    app_id,
    toString(costs.team) AS team,
    toString(costs.billing_currency) AS billing_currency,
    usage_date,
    toString(costs.charge_category) AS charge_category,
    toString(costs.charge_class) AS charge_class,
    toString(costs.charge_frequency) AS charge_frequency,
    CAST(sum(toDecimal256(costs.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost
FROM core_app_costs_daily_current AS costs
WHERE usage_date BETWEEN {first_day:Date} AND {last_day:Date}
  AND (charge_category != 'Usage' OR charge_class != '' OR charge_frequency IN {no_trend:Array(String)})
GROUP BY app_id, team, billing_currency, usage_date, charge_category, charge_class, charge_frequency
ORDER BY app_id, team, billing_currency, usage_date, charge_category, charge_class, charge_frequency
