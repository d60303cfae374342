-- purpose: proposed credits for failures of shared apps, of the teams that would be credited; of one app where it is named
-- parameters: teams Array(String), app_id String (empty: of all)
-- columns: those of mart_reliability_credits
SELECT *
FROM mart_reliability_credits_current
WHERE team IN {teams:Array(String)}
    AND ({app_id:String} = '' OR app_id = {app_id:String})
ORDER BY month DESC, billing_currency, credit DESC, from_app_id, app_id
