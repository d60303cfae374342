-- purpose: billing months whose statement has a line of the viewer's teams, newest first
-- right: see_statements
-- parameters: teams Array(String)
-- columns: billing_period
SELECT billing_period
FROM mart_chargeback_lines_current
WHERE team IN {teams:Array(String)}
GROUP BY billing_period
ORDER BY billing_period DESC
