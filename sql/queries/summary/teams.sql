-- purpose: billed and effective cost per team and currency over some days
-- parameters: first_day Date, last_day Date
-- columns: team, billing_currency, billed_cost, effective_cost, apps
SELECT
    toString(team) AS team,
    toString(billing_currency) AS billing_currency,
    CAST(sum(toDecimal256(costs.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(toDecimal256(costs.effective_cost, 18)), 'Decimal(38, 18)') AS effective_cost,
    uniqExact(app_id) AS apps
FROM core_app_costs_daily_current AS costs
WHERE usage_date >= {first_day:Date} AND usage_date <= {last_day:Date}
GROUP BY team, billing_currency
ORDER BY billing_currency, billed_cost DESC, team
