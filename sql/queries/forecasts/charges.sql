-- purpose: billed charges per app, team, currency and line of the bill on each day of a span, and how far the bills of an
--   app are known whole
-- parameters: first_day Date, as_of Date, last_day Date; newest_keys Array(String), newest_values Array(Date) (source -> its
--   newest complete day)
-- columns: app_id, team, billing_currency, usage_date, charge_category, charge_class, charge_frequency, billed_cost,
--   complete_until Date (of the source that is known the longest, of those that billed these charges)
WITH
    least(
        transform(toString(costs.source_name), {newest_keys:Array(String)}, {newest_values:Array(Date)}, toDate(0)),
        {as_of:Date}
    ) AS newest
SELECT
    app_id,
    toString(costs.team) AS team,
    toString(costs.billing_currency) AS billing_currency,
    usage_date,
    toString(costs.charge_category) AS charge_category,
    toString(costs.charge_class) AS charge_class,
    toString(costs.charge_frequency) AS charge_frequency,
    CAST(sum(toDecimal256(costs.billed_cost, 18)), 'Decimal(38, 18)') AS billed_cost,
    max(newest) AS complete_until
FROM core_app_costs_daily_current AS costs
WHERE usage_date BETWEEN {first_day:Date} AND {last_day:Date}
GROUP BY app_id, team, billing_currency, usage_date, charge_category, charge_class, charge_frequency
ORDER BY app_id, billing_currency, usage_date, team, charge_category, charge_class, charge_frequency
