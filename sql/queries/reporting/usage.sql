-- purpose: cost of the viewer's teams from one day to another in the reporting currency, each day at its rate, rounded half
--   to even once to 18 places; of a currency and day without a rate it says so
-- parameters: teams Array(String), first_day, last_day Date
-- columns: reporting_currency, billed_cost Decimal(38, 18), missing UInt64 (days and currencies without a rate)
SELECT
    rates.reporting_currency AS reporting_currency,
    CAST(roundBankers(sum(CAST(toDecimal256(costs.billed_cost, 18) * toDecimal256(ifNull(rates.rate, 0), 18), 'Decimal(76, 36)')), 18), 'Decimal(38, 18)')
        AS billed_cost,
    countIf(isNull(rates.rate)) AS missing
FROM
(
    SELECT
        billing_period, usage_date, toString(daily.billing_currency) AS billing_currency,
        sum(toDecimal256(daily.billed_cost, 18)) AS billed_cost
    FROM core_app_costs_daily_current AS daily
    WHERE usage_date BETWEEN {first_day:Date} AND {last_day:Date} AND daily.team IN {teams:Array(String)}
    GROUP BY billing_period, usage_date, billing_currency
) AS costs
INNER JOIN
(
    SELECT statement_period, usage_date, toString(r.billing_currency) AS billing_currency,
        toString(r.reporting_currency) AS reporting_currency, rate
    FROM mart_reporting_rates_current AS r
) AS rates
ON rates.statement_period = costs.billing_period AND rates.usage_date = costs.usage_date
    AND rates.billing_currency = costs.billing_currency
GROUP BY reporting_currency
ORDER BY reporting_currency
