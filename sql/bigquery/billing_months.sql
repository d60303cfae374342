-- purpose: what a table of Google's billing export holds of each month of an invoice: enough to see that rows were appended.
--   It reads three columns, which is what Google asks money for. Summed exactly, whatever type the cost has.
-- parameters: {{table}} (its quoted name)
-- columns: month STRING (empty: rows that name none), row_count INT64, newest TIMESTAMP (of their export), cost STRING
SELECT
    IFNULL(invoice.month, '') AS month,
    COUNT(*) AS row_count,
    MAX(export_time) AS newest,
    IFNULL(CAST(SUM(CAST(cost AS BIGNUMERIC)) AS STRING), '') AS cost
FROM {{table}}
GROUP BY month
ORDER BY month
