-- purpose: teams a statement charges
-- parameters: billing_period Date, batch_id UUID (of mart_chargeback_lines)
-- columns: team
SELECT DISTINCT toString(lines.team) AS team
FROM mart_chargeback_lines AS lines
WHERE billing_period = {billing_period:Date} AND batch_id = {batch_id:UUID} AND lines.team != ''
ORDER BY team
