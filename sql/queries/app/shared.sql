-- purpose: what shared cost rules gave to one app and by what: quantity, ratio, and how many rows of the bill
-- parameters: teams Array(String), app_id String, first_day Date, last_day Date
-- columns: allocation_rule, from_app_id, basis, instead_of, confidence, billing_currency, quantity, total_quantity
--   Decimal(38, 9) (of the times that were measured), charges UInt64, billed_cost Decimal(38, 18)
SELECT
    allocation_rule, from_app_id, basis, instead_of, confidence, billing_currency,
    CAST(sum(toDecimal256(part.quantity, 9)), 'Decimal(38, 9)') AS quantity,
    CAST(sum(toDecimal256(part.total_quantity, 9)), 'Decimal(38, 9)') AS total_quantity,
    sum(part.charges) AS charges,
    CAST(sum(part.billed_cost), 'Decimal(38, 18)') AS billed_cost
FROM
(
    SELECT
        toString(c.allocation_rule) AS allocation_rule,
        from_app_id,
        toString(c.basis) AS basis,
        toString(c.instead_of) AS instead_of,
        confidence,
        toString(c.billing_currency) AS billing_currency,
        window_start,
        window_end,
        any(c.quantity) AS quantity,
        any(c.total_quantity) AS total_quantity,
        sum(c.charges) AS charges,
        sum(toDecimal256(c.billed_cost, 18)) AS billed_cost
    FROM core_cost_allocations_current AS c
    WHERE app_id = {app_id:String} AND team IN {teams:Array(String)}
        AND usage_date >= {first_day:Date} AND usage_date <= {last_day:Date}
    GROUP BY ALL
) AS part
GROUP BY ALL
ORDER BY billing_currency, billed_cost DESC, allocation_rule, from_app_id, basis, instead_of, confidence
