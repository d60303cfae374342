-- purpose: what reliability and telemetry of apps were worth: of one app, or those with a verdict or a proposal and the dearest failures
-- parameters: teams Array(String), app_id String (empty: the list), row_limit UInt64 (dearest failures of each currency)
-- columns: those of mart_app_worth (cohort_apps and cohort_place UInt32)
SELECT *
FROM mart_app_worth_current
WHERE team IN {teams:Array(String)}
    AND if({app_id:String} != '',
        app_id = {app_id:String},
        verdict != '' OR proposal != '' OR (app_id, billing_currency) IN
        (
            SELECT app_id, billing_currency
            FROM mart_app_worth_current
            WHERE team IN {teams:Array(String)} AND failed_cost > 0
            ORDER BY billing_currency, failed_cost DESC, app_id
            LIMIT {row_limit:UInt64} BY billing_currency
        ))
ORDER BY billing_currency, failed_cost DESC NULLS LAST, app_id
