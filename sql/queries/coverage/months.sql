-- purpose: billing months whose attribution is published
-- parameters: teams Array(String), see_all_teams Bool
-- columns: billing_period
SELECT DISTINCT billing_period
FROM core_identity_costs_current AS costs
WHERE {see_all_teams:Bool} OR team IN {teams:Array(String)}
ORDER BY billing_period DESC
