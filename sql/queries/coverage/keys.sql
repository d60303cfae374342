-- purpose: how much money of a billing month has a tag, a virtual tag by which rule, or neither, per currency and tag key
-- parameters: teams Array(String), billing_period Date
-- columns: billing_currency, tag_key, how (tag, virtual, none), rule, charges, billed_cost Decimal(38, 18),
--   effective_cost Decimal(38, 18)
-- Per currency and key the amounts sum to the bill: what no answer was found for has none of the keys.
SELECT
    currency AS billing_currency,
    tag_key,
    multiIf(said = 'tag', 'tag', said = '', 'none', 'virtual') AS how,
    if(how = 'virtual', substring(said, length('virtual: ') + 1), '') AS rule,
    sum(part.charges) AS charges,
    CAST(sum(part.billed), 'Decimal(38, 18)') AS billed_cost,
    CAST(sum(part.effective), 'Decimal(38, 18)') AS effective_cost
FROM
(
    SELECT
        currency, charges, billed, effective,
        arrayJoin((
            SELECT arraySort(groupUniqArrayArray(mapKeys(covered)))
            FROM core_identity_costs_current
            WHERE billing_period = {billing_period:Date}
        )) AS tag_key,
        covered[tag_key] AS said
    FROM
    (
        SELECT
            toString(costs.billing_currency) AS currency, covered, sum(costs.charges) AS charges,
            sum(toDecimal256(costs.billed_cost, 18)) AS billed, sum(toDecimal256(costs.effective_cost, 18)) AS effective
        FROM core_identity_costs_current AS costs
        WHERE billing_period = {billing_period:Date} AND team IN {teams:Array(String)}
        GROUP BY currency, covered
    )
) AS part
GROUP BY billing_currency, tag_key, how, rule
ORDER BY billing_currency, tag_key, how, rule
