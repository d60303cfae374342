-- purpose: charges of a day that has not come yet: a clock or a date that is wrong, or a bill that plans ahead
-- parameters: today Date (UTC)
-- columns: source_name, billing_currency, charges, billed_cost Decimal(38, 18), first_day, last_day
-- Purchases, taxes and whatever is charged for longer than a day end in the future and are no such charge.
SELECT
    toString(x_SourceName) AS source_name,
    toString(costs.BillingCurrency) AS billing_currency,
    count() AS charges,
    CAST(sum(toDecimal256(costs.BilledCost, 18)), 'Decimal(38, 18)') AS billed_cost,
    min(toDate(costs.ChargePeriodStart)) AS first_day,
    max(toDate(costs.ChargePeriodStart)) AS last_day
FROM raw_focus_costs_published AS costs
WHERE costs.ChargeCategory = 'Usage' AND toDate(costs.ChargePeriodStart) > {today:Date}
GROUP BY source_name, billing_currency
ORDER BY source_name, billing_currency
