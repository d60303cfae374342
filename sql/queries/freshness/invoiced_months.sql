-- purpose: published months of some sources every charge of which is on an invoice
-- parameters: sources Array(String)
-- columns: source_name, billing_period, charges
SELECT toString(x_SourceName) AS source_name, x_BillingPeriod AS billing_period, count() AS charges
FROM raw_focus_costs_published AS costs
WHERE has({sources:Array(String)}, toString(x_SourceName))
GROUP BY source_name, billing_period
HAVING countIf(ifNull(toString(costs.InvoiceId), '') = '') = 0
ORDER BY source_name, billing_period
