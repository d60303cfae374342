-- purpose: what each service of changed apps cost before and now, as it was attributed; cost that a rule shares among apps is on
--   no line of the bill of theirs, and is here
-- parameters: apps, currencies, metrics Array(String), first_days, last_days, before_first_days, before_last_days Array(Date) (the
--   changes, as shared/change_windows has them); no_trend Array(String), as_of Date, newest_keys Array(String), newest_values
--   Array(Date), as for causes/lines
-- columns: number, service_name, cost_before, cost_now (text of decimals)
WITH
    -- shared: shared/change_windows
SELECT
    w.number AS number,
    toString(c.service_name) AS service_name,
    toString(sumIf(if(w.metric = 'billed_cost', c.billed, c.effective), c.usage_date < w.first_day)) AS cost_before,
    toString(sumIf(if(w.metric = 'billed_cost', c.billed, c.effective), c.usage_date >= w.first_day)) AS cost_now
FROM
(
    SELECT
        app_id,
        toString(costs.billing_currency) AS currency,
        usage_date,
        service_name,
        usage_date <= least(
            transform(toString(costs.source_name), {newest_keys:Array(String)}, {newest_values:Array(Date)}, toDate(0)),
            {as_of:Date}) AS is_complete,
        sum(toDecimal256(costs.billed_cost, 18)) AS billed,
        sum(toDecimal256(costs.effective_cost, 18)) AS effective
    FROM core_app_costs_daily_current AS costs
    WHERE app_id IN {apps:Array(String)}
      AND charge_category = 'Usage' AND charge_class = '' AND charge_frequency NOT IN {no_trend:Array(String)}
      AND usage_date >= arrayMin({before_first_days:Array(Date)}) AND usage_date <= arrayMax({last_days:Array(Date)})
    GROUP BY app_id, currency, usage_date, service_name, is_complete
) AS c
INNER JOIN windows AS w ON w.app_id = c.app_id AND w.currency = c.currency
WHERE (c.usage_date BETWEEN w.first_day AND w.last_day OR c.usage_date BETWEEN w.before_first_day AND w.before_last_day)
  AND (c.is_complete OR w.metric = 'billed_cost')
GROUP BY number, service_name
ORDER BY number, service_name
