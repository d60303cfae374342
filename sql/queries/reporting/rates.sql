-- purpose: by which rates a month is reported, per currency, and whether any is missing
-- right: see_statements
-- parameters: teams Array(String), billing_period Date
-- columns: billing_currency, reporting_currency, days, lowest, highest Nullable(Decimal(38, 18)), missing UInt64,
--   first_missing Nullable(Date), sources Array(String)
SELECT
    toString(rates.billing_currency) AS billing_currency,
    toString(rates.reporting_currency) AS reporting_currency,
    count() AS days,
    min(rate) AS lowest,
    max(rate) AS highest,
    countIf(isNull(rate)) AS missing,
    minIf(toNullable(usage_date), isNull(rate)) AS first_missing,
    arraySort(groupUniqArrayIf(rate_source, rate_source != '')) AS sources
FROM mart_reporting_rates_current AS rates
WHERE statement_period = {billing_period:Date} AND notEmpty({teams:Array(String)})
GROUP BY billing_currency, reporting_currency
ORDER BY billing_currency, reporting_currency
