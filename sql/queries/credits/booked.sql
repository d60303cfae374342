-- purpose: lines of closed statements that are credits for failures of shared apps
-- parameters: batches Array(UUID) (of mart_statement_lines)
-- columns: statement_period, line, billing_period, adjustment, adjustment_of, billing_currency, cost_center, team, app_id,
--   source_name, provider, service_name, charge_category, charge_class, attribution_rule, billed_cost, effective_cost
SELECT
    statement_period,
    line,
    billing_period,
    toString(lines.adjustment) AS adjustment,
    adjustment_of,
    toString(lines.billing_currency) AS billing_currency,
    toString(lines.cost_center) AS cost_center,
    toString(lines.team) AS team,
    app_id,
    toString(lines.source_name) AS source_name,
    toString(lines.provider) AS provider,
    toString(lines.service_name) AS service_name,
    toString(lines.charge_category) AS charge_category,
    toString(lines.charge_class) AS charge_class,
    toString(lines.attribution_rule) AS attribution_rule,
    billed_cost,
    effective_cost
FROM mart_statement_lines AS lines
WHERE has({batches:Array(UUID)}, lines.batch_id) AND lines.adjustment = 'credit'
ORDER BY statement_period, line
