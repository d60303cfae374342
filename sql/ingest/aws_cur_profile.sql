-- purpose: what one spooled Cost and Usage Report holds per billing month and currency, counted from its bytes and not from
--   the table: line items, those that may not be loaded, blank ones, exact sums and what the 18 places of the table cut off.
--   Verdicts are those of the charges; amounts are summed from the report's own columns, in 256 bits by 38 places, and what
--   is effective of a line is said here once more, by the types as AWS documents them and not by the table of types. The
--   key of a line item is its id and its time interval: an id alone stands in a line of each hour or day.
-- parameters: those of ingest/aws_cur_charges and ingest/focus_cells, ListCost, ContractedCost Identifier
-- columns: period Nullable(Date) (NULL: the month cannot be told), currency, rows, bad_rows, blank_rows, repeated_rows
--   UInt64 (line items whose key another one before them has),
--   per metric of the four costs sum_<metric> (18 places) and residue_<metric> (the 20 places after), both String
WITH
    -- shared: ingest/focus_cells
    ,
    x -> if(is_text(x), toDecimal256OrNull(trimmed(x), 38), CAST(x, 'Nullable(Decimal(76, 38))')) AS exact,
    (net, gross) -> coalesce(if({is_net:UInt8} = 1, exact(net), NULL), exact(gross)) AS exact_paid,
    (a, b) -> if(isNull(a) AND isNull(b), NULL, ifNull(a, 0) + ifNull(b, 0)) AS either,
    x -> ifNull(trunc(x, 18), 0) AS kept,
    x -> ifNull(x - trunc(x, 18), 0) AS rest,
    exact_paid({line_item_net_unblended_cost:Identifier}, {line_item_unblended_cost:Identifier}) AS billed_exact,
    (line_type = 'fee' AND trimmed({reservation_reservation_a_r_n:Identifier}) != '') AS is_upfront_fee,
    coalesce(
        multiIf(
            line_type IN ('savingsplannegation', 'savingsplanupfrontfee') OR is_upfront_fee, toDecimal256(0, 38),
            line_type = 'savingsplancoveredusage',
            exact_paid({savings_plan_net_savings_plan_effective_cost:Identifier}, {savings_plan_savings_plan_effective_cost:Identifier}),
            line_type = 'savingsplanrecurringfee',
            either(exact({savings_plan_total_commitment_to_date:Identifier}), negate(exact({savings_plan_used_commitment:Identifier}))),
            line_type = 'discountedusage',
            exact_paid({reservation_net_effective_cost:Identifier}, {reservation_effective_cost:Identifier}),
            line_type = 'rifee',
            either(
                exact_paid(
                    {reservation_net_unused_amortized_upfront_fee_for_billing_period:Identifier},
                    {reservation_unused_amortized_upfront_fee_for_billing_period:Identifier}
                ),
                exact_paid({reservation_net_unused_recurring_fee:Identifier}, {reservation_unused_recurring_fee:Identifier})
            ),
            NULL
        ),
        billed_exact
    ) AS effective_exact,
    if(is_list_cost, exact({pricing_public_on_demand_cost:Identifier}), NULL) AS list_exact,
    trimmed({identity_line_item_id:Identifier}) AS line_item_id,
    trimmed({identity_time_interval:Identifier}) AS time_interval,
    (NOT is_blank_row AND line_item_id != '') AS has_key,
    (NOT is_blank_row AND arrayAll(verdict -> verdict, deciding_verdicts)) AS is_good
SELECT
    billing_month AS period,
    currency_of({BillingCurrency:Identifier}) AS currency,
    countIf(NOT is_blank_row) AS rows,
    countIf(NOT is_blank_row AND NOT is_good) AS bad_rows,
    countIf(is_blank_row) AS blank_rows,
    countIf(has_key) - uniqExactIf((line_item_id, time_interval), has_key) AS repeated_rows,
    toString(CAST(sumIf(kept(billed_exact), is_good), 'Decimal(76, 18)')) AS sum_BilledCost,
    toString(sumIf(rest(billed_exact), is_good)) AS residue_BilledCost,
    toString(CAST(sumIf(kept(effective_exact), is_good), 'Decimal(76, 18)')) AS sum_EffectiveCost,
    toString(sumIf(rest(effective_exact), is_good)) AS residue_EffectiveCost,
    toString(CAST(sumIf(kept(list_exact), is_good), 'Decimal(76, 18)')) AS sum_ListCost,
    toString(sumIf(rest(list_exact), is_good)) AS residue_ListCost,
    '0' AS sum_ContractedCost,
    '0' AS residue_ContractedCost
FROM
(
-- shared: ingest/aws_cur_charges
)
GROUP BY period, currency
ORDER BY period, currency
