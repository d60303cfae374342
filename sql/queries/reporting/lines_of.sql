-- purpose: lines of one batch in the reporting currency
-- parameters: batch_id UUID (of mart_reporting_lines)
-- columns: those of mart_reporting_lines without batch_id
SELECT statement_period, line, toString(lines.reporting_currency) AS reporting_currency, billed_cost, effective_cost, amount
FROM mart_reporting_lines AS lines
WHERE batch_id = {batch_id:UUID}
ORDER BY line
