-- purpose: charges of the viewer's teams that are in no trend, each kind told apart: the month so far and the same days of the
--   month before
-- parameters: teams Array(String)
-- columns: team, app_id, billing_currency, kind, billed, billed_before Decimal(38, 18), first_day, last_day, before_last_day
SELECT
    toString(a.team) AS team, app_id, toString(a.billing_currency) AS billing_currency, toString(a.kind) AS kind,
    billed, billed_before, first_day, last_day, before_last_day
FROM mart_charges_apart_current AS a
WHERE a.team IN {teams:Array(String)}
ORDER BY kind, billing_currency, abs(billed) DESC, team, app_id
