-- purpose: the rows of one month of an invoice that were exported up to a moment, as a listing found them
-- parameters: {{table}} (its quoted name); bound by name: month STRING, newest TIMESTAMP
-- columns: those of the table
SELECT *
FROM {{table}}
WHERE IFNULL(invoice.month, '') = @month AND (export_time IS NULL OR export_time <= @newest)
