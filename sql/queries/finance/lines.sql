-- purpose: lines of the statement of a billing month, in the order of its file; the rounding line of a currency is of no
--   team, so it goes to a viewer with the right to see whole bills (finance, the platform team)
-- right: see_statements
-- parameters: teams Array(String), see_whole_bills Bool, billing_period Date, search String
-- columns: line, cost_center, team, app_id, app_name, source_name, service_name, charge_category, charge_class,
--   cost_type, attribution_rule, billing_currency, billed_cost, effective_cost, amount
SELECT
    line, toString(cost_center) AS cost_center, toString(l.team) AS team, app_id, app_name,
    toString(source_name) AS source_name, toString(service_name) AS service_name,
    toString(charge_category) AS charge_category, toString(charge_class) AS charge_class,
    toString(l.cost_type) AS cost_type, toString(attribution_rule) AS attribution_rule,
    toString(billing_currency) AS billing_currency, billed_cost, effective_cost, amount
FROM mart_statement_lines_current AS l
WHERE statement_period = {billing_period:Date}
  AND (
        l.team IN {teams:Array(String)}
        OR (l.cost_type = 'rounding' AND {see_whole_bills:Bool})
    )
  AND (
        empty({search:String})
        OR positionCaseInsensitiveUTF8(
            concat(app_id, '\n', app_name, '\n', team, '\n', cost_center, '\n', service_name), {search:String}
        ) > 0
    )
ORDER BY line
