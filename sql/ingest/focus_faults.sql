-- purpose: rows of FOCUS columns by their first verdict of ingest/focus_cells that says no, with column and value, from
--   whatever FROM follows
-- parameters: the parameters of ingest/focus_cells; the rows have _row_number
-- columns: position UInt64 (data row from 1), period Nullable(Date), column, reason, value String
WITH
    -- shared: ingest/focus_cells
    ,
    arrayFirstIndex(verdict -> NOT verdict, deciding_verdicts) AS first_fault,
    [
        toString({BilledCost:Identifier}), toString({EffectiveCost:Identifier}), toString({BillingPeriodStart:Identifier}),
        toString({BillingPeriodEnd:Identifier}), toString({BillingPeriodEnd:Identifier}), toString({ChargePeriodStart:Identifier}),
        toString({ChargePeriodEnd:Identifier}), toString({ChargePeriodEnd:Identifier}), toString({BillingCurrency:Identifier}),
        toString({ChargeCategory:Identifier})
    ] AS deciding_cells
SELECT
    _row_number + 1 AS position,
    billing_month AS period,
    deciding_columns[first_fault] AS column,
    deciding_reasons[first_fault] AS reason,
    toValidUTF8(substring(ifNull(deciding_cells[first_fault], 'NULL'), 1, 80)) AS value
