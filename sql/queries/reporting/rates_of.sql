-- purpose: rates of one batch, by currency and day
-- parameters: batch_id UUID (of mart_reporting_rates)
-- columns: those of mart_reporting_rates without batch_id
SELECT
    statement_period, usage_date, toString(rates.billing_currency) AS billing_currency,
    toString(rates.reporting_currency) AS reporting_currency, rate, rate_date, rate_source
FROM mart_reporting_rates AS rates
WHERE batch_id = {batch_id:UUID}
ORDER BY billing_currency, usage_date
