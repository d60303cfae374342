-- purpose: what one spooled object of Google's billing export holds per month of invoice and currency, counted from its bytes
--   and not from the table: lines (a row is one, and each of its credits is one), rows that may not be loaded, exact sums,
--   and what the 18 places of the table cut off each line. It casts its own way: in 256 bits, by 38 places.
-- parameters: path, format, structure String, the parameters of ingest/gcp_billing_cells, cost_at_list Identifier
-- columns: period Nullable(Date) (NULL: the month cannot be told), currency, rows, bad_rows, blank_rows UInt64,
--   per metric of the four costs sum_<metric> (18 places) and residue_<metric> (the 20 places after), both String
-- The file has a column named currency, which an output of that name would stand for in every expression beside it.
SELECT * EXCEPT(billed_in), billed_in AS currency
FROM
(
    WITH
        -- shared: ingest/cells
        ,
        -- shared: ingest/gcp_billing_cells
        ,
        s -> toDecimal256OrNull(s, 38) AS exact,
        s -> ifNull(CAST(trunc(exact(s), 18), 'Nullable(Decimal(76, 18))'), 0) AS kept,
        s -> ifNull(exact(s) - trunc(exact(s), 18), 0) AS residue,
        (NOT is_blank_row AND arrayAll(verdict -> verdict, deciding_verdicts)) AS is_good,
        if(is_good, kept(cost_text), 0) AS kept_of_cost,
        if(is_good, residue(cost_text), 0) AS residue_of_cost,
        if(is_good, arraySum(arrayMap(s -> kept(s), credit_amounts)), 0) AS kept_of_credits,
        if(is_good, arraySum(arrayMap(s -> residue(s), credit_amounts)), 0) AS residue_of_credits,
        trimmed({cost_at_list:Identifier}) AS list_text,
        (is_good AND is_number(list_text, 15)) AS is_list_cost,
        if(is_list_cost, kept(list_text), 0) AS kept_of_list,
        if(is_list_cost, residue(list_text), 0) AS residue_of_list
    SELECT
        billing_month AS period,
        billing_currency AS billed_in,
        countIf(NOT is_blank_row) + sumIf(length(credit_records), is_good) AS rows,
        countIf(NOT is_blank_row AND NOT is_good) AS bad_rows,
        countIf(is_blank_row) AS blank_rows,
        toString(sum(kept_of_cost) + sum(kept_of_credits)) AS sum_BilledCost,
        toString(sum(residue_of_cost) + sum(residue_of_credits)) AS residue_BilledCost,
        sum_BilledCost AS sum_EffectiveCost,
        residue_BilledCost AS residue_EffectiveCost,
        toString(sum(kept_of_list) + sum(kept_of_credits)) AS sum_ListCost,
        toString(sum(residue_of_list) + sum(residue_of_credits)) AS residue_ListCost,
        sum_BilledCost AS sum_ContractedCost,
        residue_BilledCost AS residue_ContractedCost
    FROM file({path:String}, {format:String}, {structure:String})
    GROUP BY period, billed_in
)
ORDER BY period, currency
