-- purpose: what one spooled FOCUS object holds per billing month and currency, counted from its bytes and not from the
--   table: rows, rows that may not be loaded, blank rows, exact sums and what the 18 places of the table cut off. It
--   reads the columns that decide and the four costs only, and casts them its own way: in 256 bits, by 38 places.
-- parameters: path, format, structure String, the parameters of ingest/focus_cells, ListCost, ContractedCost Identifier
-- columns: period Nullable(Date) (NULL: the month cannot be told), currency, rows, bad_rows, blank_rows UInt64,
--   per metric of the four costs sum_<metric> (18 places) and residue_<metric> (the 20 places after), both String
WITH
    -- shared: ingest/focus_cells
    ,
    x -> if(is_text(x), toDecimal256OrNull(trimmed(x), 38), CAST(x, 'Nullable(Decimal(76, 38))')) AS exact,
    x -> if(is_cost(x), exact(x), NULL) AS counted,
    x -> trunc(counted(x), 18) AS kept,
    if(is_effective_billed, counted({BilledCost:Identifier}), counted({EffectiveCost:Identifier})) AS effective,
    (NOT is_blank_row AND arrayAll(verdict -> verdict, deciding_verdicts)) AS is_good
SELECT
    month({BillingPeriodStart:Identifier}) AS period,
    currency_of({BillingCurrency:Identifier}) AS currency,
    countIf(NOT is_blank_row) AS rows,
    countIf(NOT is_blank_row AND NOT is_good) AS bad_rows,
    countIf(is_blank_row) AS blank_rows,
    toString(sumIf(ifNull(kept({BilledCost:Identifier}), 0), is_good)) AS sum_BilledCost,
    toString(sumIf(ifNull(counted({BilledCost:Identifier}) - kept({BilledCost:Identifier}), 0), is_good)) AS residue_BilledCost,
    toString(sumIf(ifNull(trunc(effective, 18), 0), is_good)) AS sum_EffectiveCost,
    toString(sumIf(ifNull(effective - trunc(effective, 18), 0), is_good)) AS residue_EffectiveCost,
    toString(sumIf(ifNull(kept({ListCost:Identifier}), 0), is_good)) AS sum_ListCost,
    toString(sumIf(ifNull(counted({ListCost:Identifier}) - kept({ListCost:Identifier}), 0), is_good)) AS residue_ListCost,
    toString(sumIf(ifNull(kept({ContractedCost:Identifier}), 0), is_good)) AS sum_ContractedCost,
    toString(sumIf(ifNull(counted({ContractedCost:Identifier}) - kept({ContractedCost:Identifier}), 0), is_good)) AS residue_ContractedCost
FROM file({path:String}, {format:String}, {structure:String})
GROUP BY period, currency
ORDER BY period, currency
