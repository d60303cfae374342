-- purpose: the lines of one statement, of one team or of all
-- parameters: billing_period Date, batch_id UUID (of mart_chargeback_lines), team String (empty: every team)
-- columns: those of mart_chargeback_lines without batch_id
SELECT
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
    amount
FROM mart_chargeback_lines AS lines
WHERE billing_period = {billing_period:Date} AND batch_id = {batch_id:UUID} AND ({team:String} = '' OR lines.team = {team:String})
ORDER BY line
