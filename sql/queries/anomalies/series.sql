-- purpose: daily effective cost of usage per app and currency, sorted, for the detector, up to the newest complete day of
--   each source
-- parameters: as_of Date; no_trend Array(String) (charge frequencies that are no usage of a day); newest_keys Array(String),
--   newest_values Array(Date) (source -> its newest complete day)
-- columns: app_id, billing_currency, usage_date, team, cost, source_newest Date
-- Taxes, credits, purchases, corrections, recurring and one-time charges are not usage: they would be found as anomalies every
-- month. causes/apart has them.
WITH
    least(
        transform(toString(costs.source_name), {newest_keys:Array(String)}, {newest_values:Array(Date)}, toDate(0)),
        {as_of:Date}
    ) AS newest
SELECT
    app_id,
    toString(billing_currency) AS billing_currency,
    usage_date,
    max(toString(team)) AS team,
    CAST(sum(toDecimal256(costs.effective_cost, 18)), 'Decimal(38, 18)') AS cost,
    max(newest) AS source_newest
FROM core_app_costs_daily_current AS costs
WHERE charge_category = 'Usage' AND charge_class = '' AND charge_frequency NOT IN {no_trend:Array(String)}
  AND app_id != 'unallocated' AND usage_date <= newest
GROUP BY app_id, billing_currency, usage_date
ORDER BY app_id, billing_currency, usage_date
