-- purpose: rows that are published of a table, by the period they are of
-- parameters: view Identifier (what shows the published rows of it), period_column Identifier (a date or a time), unit String (day or month)
-- columns: period, rows
SELECT toDate(dateTrunc({unit:String}, toDate({period_column:Identifier}))) AS period, count() AS rows
FROM {view:Identifier}
GROUP BY period
ORDER BY period
