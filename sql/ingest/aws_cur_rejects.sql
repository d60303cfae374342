-- purpose: the first line items of a spooled Cost and Usage Report that may not be loaded, each by its first verdict of
--   ingest/focus_cells with the report's own column and value; read in one thread, so that rows have their number
-- parameters: those of ingest/aws_cur_charges and ingest/focus_cells, deciding_names Array(String) (the column behind each
--   verdict), effective_kinds, effective_names Array(String) (that behind what is effective), most UInt64
-- columns: position UInt64 (data row from 1), period Nullable(Date), column, reason, value String
WITH
    -- shared: ingest/focus_cells
    ,
    arrayFirstIndex(verdict -> NOT verdict, deciding_verdicts) AS first_fault,
    deciding_columns[first_fault] AS fault_of,
    [
        toString({BilledCost:Identifier}), toString({EffectiveCost:Identifier}), toString({BillingPeriodStart:Identifier}),
        toString({BillingPeriodEnd:Identifier}), toString({BillingPeriodEnd:Identifier}), toString({ChargePeriodStart:Identifier}),
        toString({ChargePeriodEnd:Identifier}), toString({ChargePeriodEnd:Identifier}), toString({BillingCurrency:Identifier}),
        toString({line_item_line_item_type:Identifier})
    ] AS deciding_cells
SELECT
    _row_number + 1 AS position,
    billing_month AS period,
    if(
        fault_of = 'EffectiveCost',
        transform(effective_kind, {effective_kinds:Array(String)}, {effective_names:Array(String)}, ''),
        {deciding_names:Array(String)}[first_fault]
    ) AS column,
    multiIf(
        fault_of = 'ChargeCategory', 'is no line item type that is known here',
        startsWith(deciding_reasons[first_fault], 'is before') OR startsWith(deciding_reasons[first_fault], 'is not after'),
        concat(
            if(startsWith(deciding_reasons[first_fault], 'is before'), 'is before ', 'is not after '),
            {deciding_names:Array(String)}[first_fault - 2]
        ),
        deciding_reasons[first_fault]
    ) AS reason,
    toValidUTF8(substring(ifNull(nullIf(deciding_cells[first_fault], ''), 'NULL'), 1, 80)) AS value
FROM
(
-- shared: ingest/aws_cur_charges
)
WHERE NOT is_blank_row AND first_fault > 0
ORDER BY position
LIMIT {most:UInt64}
