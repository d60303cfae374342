-- purpose: the lines of the bill behind changes of cost, with what each cost and how much was used before and now; only usage,
--   and only of the apps that changed
-- parameters: apps, currencies, metrics Array(String), first_days, last_days, before_first_days, before_last_days Array(Date) (the
--   changes, as shared/change_windows has them); no_trend Array(String) (charge frequencies that are no usage of a day);
--   as_of Date; newest_keys Array(String), newest_values Array(Date) (source -> its newest complete day, to which effective cost
--   is looked at)
-- columns: number, service_name, account, region, sku, unit, cost_before, cost_now, quantity_before, quantity_now (text of
--   decimals; a quantity is NULL where a charge of the line has none)
WITH
    -- shared: shared/change_windows
SELECT
    number, service_name, account, region, sku, unit,
    toString(sumIf(cost, NOT is_now)) AS cost_before,
    toString(sumIf(cost, is_now)) AS cost_now,
    if(sumIf(without_quantity, NOT is_now) > 0, NULL, toString(sumIf(quantity, NOT is_now))) AS quantity_before,
    if(sumIf(without_quantity, is_now) > 0, NULL, toString(sumIf(quantity, is_now))) AS quantity_now
FROM
(
    SELECT
        w.number AS number,
        c.service_name AS service_name, c.account AS account, c.region AS region, c.sku AS sku, c.unit AS unit,
        c.usage_date >= w.first_day AS is_now,
        if(w.metric = 'billed_cost', c.billed, c.effective) AS cost,
        c.quantity AS quantity,
        c.without_quantity AS without_quantity
    FROM
    (
        SELECT
            x_AppId AS app_id,
            toString(costs.BillingCurrency) AS currency,
            toDate(costs.ChargePeriodStart) AS usage_date,
            toString(costs.ServiceName) AS service_name,
            ifNull(toString(costs.SubAccountId), '') AS account,
            ifNull(toString(costs.RegionId), '') AS region,
            ifNull(costs.SkuId, '') AS sku,
            ifNull(toString(coalesce(costs.PricingUnit, costs.ConsumedUnit)), '') AS unit,
            usage_date <= least(
                transform(toString(costs.x_SourceName), {newest_keys:Array(String)}, {newest_values:Array(Date)}, toDate(0)),
                {as_of:Date}) AS is_complete,
            sum(toDecimal256(costs.BilledCost, 18)) AS billed,
            sum(toDecimal256(costs.EffectiveCost, 18)) AS effective,
            sum(toDecimal256(ifNull(coalesce(costs.PricingQuantity, costs.ConsumedQuantity), 0), 18)) AS quantity,
            countIf(costs.PricingQuantity IS NULL AND costs.ConsumedQuantity IS NULL) AS without_quantity
        FROM raw_focus_costs_current AS costs
        WHERE x_AppId IN {apps:Array(String)}
          AND costs.x_IdentityHash IN
              (SELECT x_IdentityHash FROM core_identities_current WHERE app_id IN {apps:Array(String)})
          AND costs.ChargeCategory = 'Usage' AND ifNull(toString(costs.ChargeClass), '') = ''
          AND ifNull(toString(costs.ChargeFrequency), '') NOT IN {no_trend:Array(String)}
          AND toDate(costs.ChargePeriodStart) >= arrayMin({before_first_days:Array(Date)})
          AND toDate(costs.ChargePeriodStart) <= arrayMax({last_days:Array(Date)})
        GROUP BY app_id, currency, usage_date, service_name, account, region, sku, unit, is_complete
    ) AS c
    INNER JOIN windows AS w ON w.app_id = c.app_id AND w.currency = c.currency
    WHERE (c.usage_date BETWEEN w.first_day AND w.last_day OR c.usage_date BETWEEN w.before_first_day AND w.before_last_day)
      AND (c.is_complete OR w.metric = 'billed_cost')
)
GROUP BY number, service_name, account, region, sku, unit
ORDER BY number, service_name, account, region, sku, unit
