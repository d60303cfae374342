-- purpose: what changed in closed months, as lines of one open month, from one batch
-- parameters: statement_period Date, batch_id UUID (of mart_statement_adjustments)
-- columns: those of mart_statement_adjustments without batch_id
SELECT
    statement_period,
    billing_period,
    line,
    toString(lines.cost_center) AS cost_center,
    toString(lines.team) AS team,
    owner,
    app_id,
    app_name,
    toString(lines.source_name) AS source_name,
    toString(lines.provider) AS provider,
    toString(lines.service_name) AS service_name,
    toString(lines.charge_category) AS charge_category,
    toString(lines.charge_class) AS charge_class,
    toString(lines.cost_type) AS cost_type,
    toString(lines.attribution_rule) AS attribution_rule,
    toString(lines.billing_currency) AS billing_currency,
    billed_cost,
    effective_cost,
    amount,
    toString(lines.adjustment) AS adjustment,
    adjustment_of
FROM mart_statement_adjustments AS lines
WHERE statement_period = {statement_period:Date} AND batch_id = {batch_id:UUID}
ORDER BY line
