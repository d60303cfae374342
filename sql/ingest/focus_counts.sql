-- purpose: what rows of FOCUS columns hold per billing month and currency, from whatever FROM follows, counted from the
--   bytes and not from the table: rows, rows that may not be loaded, blank rows, exact sums and what the 18 places of the
--   table cut off. It reads the columns that decide and the four costs only, and casts them its own way: in 256 bits, by
--   38 places.
-- parameters: the parameters of ingest/focus_cells, ListCost, ContractedCost Identifier
-- columns: period Nullable(Date) (NULL: the month cannot be told), currency, rows, bad_rows, blank_rows UInt64,
--   per metric of the four costs sum_<metric> (18 places) and residue_<metric> (the 20 places after), both String
WITH
    -- shared: ingest/focus_cells
    ,
    -- Columns of at most 18 places need no cutting, which is found once for all rows.
    x -> (NOT is_text(x) AND toUInt8OrZero(extract(toTypeName(x), 'Decimal.*, ([0-9]+)')) <= 18) AS is_short,
    x -> if(is_text(x), toDecimal256OrNull(trimmed(x), 38), CAST(x, 'Nullable(Decimal(76, 38))')) AS exact,
    x -> if(is_short(x), CAST(x, 'Nullable(Decimal(76, 18))'), CAST(trunc(exact(x), 18), 'Nullable(Decimal(76, 18))')) AS cut,
    x -> if(is_short(x), toDecimal256(0, 38), ifNull(exact(x) - trunc(exact(x), 18), 0)) AS rest,
    (x, is_one) -> if(is_one, ifNull(cut(x), 0), 0) AS kept,
    (x, is_one) -> if(is_one, rest(x), 0) AS residue,
    kept({BilledCost:Identifier}, is_billed_cost) AS kept_of_billed,
    residue({BilledCost:Identifier}, is_billed_cost) AS residue_of_billed,
    (NOT is_blank_row AND arrayAll(verdict -> verdict, deciding_verdicts)) AS is_good
SELECT
    billing_month AS period,
    currency_of({BillingCurrency:Identifier}) AS currency,
    countIf(NOT is_blank_row) AS rows,
    countIf(NOT is_blank_row AND NOT is_good) AS bad_rows,
    countIf(is_blank_row) AS blank_rows,
    toString(sumIf(kept_of_billed, is_good)) AS sum_BilledCost,
    toString(sumIf(residue_of_billed, is_good)) AS residue_BilledCost,
    toString(
        sumIf(kept({EffectiveCost:Identifier}, is_effective_cost), is_good) + sumIf(kept_of_billed, is_good AND is_effective_billed)
    ) AS sum_EffectiveCost,
    toString(
        sumIf(residue({EffectiveCost:Identifier}, is_effective_cost), is_good) + sumIf(residue_of_billed, is_good AND is_effective_billed)
    ) AS residue_EffectiveCost,
    toString(sumIf(kept({ListCost:Identifier}, is_list_cost), is_good)) AS sum_ListCost,
    toString(sumIf(residue({ListCost:Identifier}, is_list_cost), is_good)) AS residue_ListCost,
    toString(sumIf(kept({ContractedCost:Identifier}, is_contracted_cost), is_good)) AS sum_ContractedCost,
    toString(sumIf(residue({ContractedCost:Identifier}, is_contracted_cost), is_good)) AS residue_ContractedCost
