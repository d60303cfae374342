-- purpose: commitments of a month that were not used whole, dearest first in a currency: the viewer's teams', and those
--   nobody owns for a viewer with the right to see whole bills
-- right: see_statements
-- parameters: teams Array(String), see_whole_bills Bool, billing_period Date
-- columns: source_name, billing_currency, commitment_id, commitment_name, app_id, team, unused_cost, used_cost
SELECT
    toString(u.source_name) AS source_name, toString(u.billing_currency) AS billing_currency, commitment_id, commitment_name,
    app_id, toString(u.team) AS team, unused_cost, used_cost
FROM mart_unused_commitments_current AS u
WHERE billing_period = {billing_period:Date} AND (u.team IN {teams:Array(String)} OR {see_whole_bills:Bool})
    AND notEmpty({teams:Array(String)})
ORDER BY billing_currency, unused_cost DESC, commitment_id, app_id
