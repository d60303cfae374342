-- purpose: what shared cost rules gave to one app of a billing month, and what they took from it: by what quantity and ratio
-- parameters: app_id String, billing_period Date
-- columns: is_given Bool (to the app; else taken from it and given to others), allocation_rule, rule_version, from_app_id, basis,
--   instead_of, confidence, billing_currency, windows UInt64 (times that were measured), quantity, total_quantity Decimal(38, 9)
--   (summed over them), low_ratio, high_ratio Decimal(38, 18), charges UInt64 (rows of the bill), first_window, last_window,
--   billed_cost Decimal(38, 18), effective_cost Decimal(38, 18)
SELECT
    is_given, allocation_rule, rule_version, giver AS from_app_id, basis, instead_of, confidence, billing_currency,
    count() AS windows,
    CAST(sum(toDecimal256(part.quantity, 9)), 'Decimal(38, 9)') AS quantity,
    CAST(sum(toDecimal256(part.total_quantity, 9)), 'Decimal(38, 9)') AS total_quantity,
    min(part.low_ratio) AS low_ratio,
    max(part.high_ratio) AS high_ratio,
    sum(part.charges) AS charges,
    toDateTime64(min(window_start), 6, 'UTC') AS first_window,
    toDateTime64(max(window_end), 6, 'UTC') AS last_window,
    CAST(sum(part.billed_cost), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(part.effective_cost), 'Decimal(38, 18)') AS effective_cost
FROM
(
    SELECT
        CAST(costs.app_id = {app_id:String}, 'Bool') AS is_given,
        toString(costs.allocation_rule) AS allocation_rule,
        toString(costs.rule_version) AS rule_version,
        costs.from_app_id AS giver,
        toString(costs.basis) AS basis,
        toString(costs.instead_of) AS instead_of,
        confidence,
        toString(costs.billing_currency) AS billing_currency,
        window_start, window_end,
        any(costs.quantity) AS quantity,
        any(costs.total_quantity) AS total_quantity,
        min(costs.ratio) AS low_ratio,
        max(costs.ratio) AS high_ratio,
        sum(costs.charges) AS charges,
        sum(toDecimal256(costs.billed_cost, 18)) AS billed_cost,
        sum(toDecimal256(costs.effective_cost, 18)) AS effective_cost
    FROM core_cost_allocations_current AS costs
    WHERE billing_period = {billing_period:Date} AND (costs.app_id = {app_id:String} OR costs.from_app_id = {app_id:String})
    GROUP BY ALL
) AS part
GROUP BY ALL
ORDER BY billing_currency, is_given DESC, allocation_rule, from_app_id, basis, confidence
