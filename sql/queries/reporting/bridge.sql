-- purpose: what lies between billed and effective cost of a month, per source and currency. A bill is of all teams, so only
--   a viewer with the right to see whole bills is shown it
-- right: see_statements
-- parameters: teams Array(String), see_whole_bills Bool, billing_period Date
-- columns: source_name, billing_currency, position, part, amount
SELECT source_name, toString(b.billing_currency) AS billing_currency, position, toString(b.part) AS part, amount
FROM mart_cost_bridges_current AS b
WHERE billing_period = {billing_period:Date} AND {see_whole_bills:Bool} AND notEmpty({teams:Array(String)})
ORDER BY source_name, billing_currency, position
