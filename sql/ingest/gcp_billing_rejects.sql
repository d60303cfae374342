-- purpose: the first rows of a spooled object of Google's billing export that may not be loaded, each by its first verdict of
--   ingest/gcp_billing_cells with column and value; read in one thread, so that rows have their number
-- parameters: path, format, structure String, the parameters of ingest/gcp_billing_cells, most UInt64
-- columns: position UInt64 (data row from 1), period Nullable(Date), column, reason, value String
WITH
    -- shared: ingest/cells
    ,
    -- shared: ingest/gcp_billing_cells
    ,
    arrayFirstIndex(verdict -> NOT verdict, deciding_verdicts) AS first_fault,
    [
        toString({cost:Identifier}), credits_text, credits_text, month_text, toString({usage_start_time:Identifier}),
        toString({usage_end_time:Identifier}), toString({usage_end_time:Identifier}), toString({currency:Identifier}),
        toString({cost_type:Identifier})
    ] AS deciding_cells
SELECT
    _row_number + 1 AS position,
    billing_month AS period,
    deciding_columns[first_fault] AS column,
    deciding_reasons[first_fault] AS reason,
    toValidUTF8(substring(ifNull(deciding_cells[first_fault], 'NULL'), 1, 80)) AS value
FROM file({path:String}, {format:String}, {structure:String})
WHERE NOT is_blank_row AND first_fault > 0
ORDER BY position
LIMIT {most:UInt64}
