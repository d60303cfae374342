-- purpose: billing months whose statement has a line of the viewer's teams, newest first
-- right: see_statements
-- parameters: teams Array(String)
-- columns: billing_period
SELECT statement_period AS billing_period
FROM mart_statement_lines_current
WHERE team IN {teams:Array(String)}
GROUP BY statement_period
ORDER BY billing_period DESC
