-- purpose: every line of the statement of a billing month, as a file carries it; the rounding line of a currency is of
--   no team, so it goes to a viewer with the right to see whole bills (finance, the platform team)
-- right: download_statements
-- parameters: teams Array(String), see_whole_bills Bool, billing_period Date
-- columns: those of mart_statement_lines, version (statements of the month that said something else), is_whole (no line is left out)
SELECT
    statement_period, l.billing_period AS billing_period, line, toString(cost_center) AS cost_center, toString(l.team) AS team, owner, app_id, app_name,
    toString(source_name) AS source_name, toString(provider) AS provider, toString(service_name) AS service_name,
    toString(charge_category) AS charge_category, toString(charge_class) AS charge_class,
    toString(l.cost_type) AS cost_type, toString(attribution_rule) AS attribution_rule,
    toString(billing_currency) AS billing_currency, billed_cost, effective_cost, amount,
    toString(adjustment) AS adjustment, adjustment_of, gl_account, legal_entity, erp_cost_center,
    if(
        {billing_period:Date} IN (SELECT statement_period FROM statement_closings_current WHERE state = 'closed'),
        (SELECT max(statement_version) FROM statement_closings_current WHERE statement_period = {billing_period:Date}),
        (
            SELECT
                uniqExactIf(head.batches['mart_chargeback_lines'], head.scope = 'costs')
                    + uniqExactIf(head.batches['mart_statement_adjustments'], head.scope = 'adjustments')
            FROM period_head AS head
            WHERE head.scope IN ('costs', 'adjustments') AND head.period = {billing_period:Date}
        )
    ) AS version,
    CAST(
        count() OVER () = (SELECT count() FROM mart_statement_lines_current WHERE statement_period = {billing_period:Date})
        AS Bool
    ) AS is_whole
FROM mart_statement_lines_current AS l
WHERE statement_period = {billing_period:Date}
  AND (
        l.team IN {teams:Array(String)}
        OR (l.cost_type = 'rounding' AND {see_whole_bills:Bool})
    )
ORDER BY line
