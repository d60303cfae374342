-- purpose: every month in the reporting currency: what it comes to, or how many days have no rate, and whether it is closed
-- parameters: none
-- columns: statement_period, reporting_currency, billed_cost, amount Decimal(38, 18), missing UInt64, is_closed Bool
SELECT
    statement_period,
    reporting_currency,
    CAST(sum(billed) AS Decimal(38, 18)) AS billed_cost,
    CAST(sum(charged) AS Decimal(38, 18)) AS amount,
    sum(without) AS missing,
    CAST(statement_period IN (SELECT statement_period FROM statement_closings_current WHERE state = 'closed') AS Bool) AS is_closed
FROM
(
    SELECT statement_period, toString(rates.reporting_currency) AS reporting_currency, toDecimal256(0, 18) AS billed,
        toDecimal256(0, 18) AS charged, countIf(isNull(rate)) AS without
    FROM mart_reporting_rates_current AS rates
    GROUP BY statement_period, reporting_currency
    UNION ALL
    SELECT statement_period, toString(lines.reporting_currency) AS reporting_currency,
        sum(toDecimal256(billed_cost, 18)), sum(toDecimal256(lines.amount, 18)), 0
    FROM mart_reporting_lines_current AS lines
    GROUP BY statement_period, reporting_currency
)
GROUP BY statement_period, reporting_currency
ORDER BY statement_period
