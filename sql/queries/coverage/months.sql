-- purpose: billing months whose attribution is published
-- parameters: teams Array(String)
-- columns: billing_period
SELECT DISTINCT billing_period
FROM core_identity_costs_current AS costs
WHERE team IN {teams:Array(String)}
ORDER BY billing_period DESC
