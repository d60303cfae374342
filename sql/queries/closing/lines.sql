-- purpose: lines of closed statements, of one or of several attempts to close
-- parameters: batches Array(UUID) (of mart_statement_lines)
-- columns: those of mart_statement_lines without batch_id
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
    adjustment_of,
    gl_account,
    legal_entity,
    erp_cost_center
FROM mart_statement_lines AS lines
WHERE has({batches:Array(UUID)}, lines.batch_id)
ORDER BY statement_period, line
