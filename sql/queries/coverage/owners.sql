-- purpose: charges that are cut at a change of owner and begin between two days: what time of them each owner has, and what
--   that costs
-- parameters: teams Array(String), first_day Date, last_day Date, app_id String (empty: every app)
-- columns: app_id, charge_start, charge_end, owned_from, owned_to, team, cost_center, billing_currency, charges,
--   billed_cost Decimal(38, 18), effective_cost Decimal(38, 18)
SELECT
    app_id, charge_start, charge_end, owned_from, owned_to,
    toString(costs.team) AS team,
    toString(costs.cost_center) AS cost_center,
    toString(costs.billing_currency) AS billing_currency,
    sum(costs.charges) AS charges,
    CAST(sum(toDecimal256(costs.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(toDecimal256(costs.effective_cost, 18)), 'Decimal(38, 18)') AS effective_cost
FROM core_identity_costs_current AS costs
WHERE owner_basis = 'owner_changed' AND toDate(charge_start) >= {first_day:Date} AND toDate(charge_start) <= {last_day:Date}
    AND ({app_id:String} = '' OR app_id = {app_id:String})
    AND team IN {teams:Array(String)}
GROUP BY app_id, charge_start, charge_end, owned_from, owned_to, team, cost_center, billing_currency
ORDER BY app_id, charge_start, charge_end, owned_from, owned_to, team, cost_center, billing_currency
