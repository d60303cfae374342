-- purpose: deliveries of a billing month that wait for a person, with the money at stake: what would count beside what is
--   published meanwhile. Only a viewer with the right to see whole bills is shown it
-- right: see_statements
-- parameters: teams Array(String), see_whole_bills Bool, billing_period Date
-- columns: source_name, sha256, cause, reason, object_names String, rows UInt64, billing_currency,
--   delivered_cost, published_cost, difference Decimal(38, 18), held_at
SELECT
    toString(held.source_name) AS source_name,
    held.sha256 AS sha256,
    held.cause AS cause,
    held.reason AS reason,
    arrayStringConcat(held.object_names, ', ') AS object_names,
    held.rows AS rows,
    replaceOne(key, '/BilledCost', '') AS billing_currency,
    CAST(held.sums[key], 'Decimal(38, 18)') AS delivered_cost,
    CAST(held.published_sums[key], 'Decimal(38, 18)') AS published_cost,
    delivered_cost - published_cost AS difference,
    toDateTime64(held.held_at, 0, 'UTC') AS held_at
FROM
(
    SELECT
        line.source_name AS source_name,
        argMax(line.state, line.recorded_at) AS state,
        argMax(line.sha256, line.recorded_at) AS sha256,
        toString(argMax(line.cause, line.recorded_at)) AS cause,
        argMax(line.reason, line.recorded_at) AS reason,
        argMax(line.object_names, line.recorded_at) AS object_names,
        argMax(line.rows, line.recorded_at) AS rows,
        argMax(line.sums, line.recorded_at) AS sums,
        argMax(line.published_sums, line.recorded_at) AS published_sums,
        max(line.recorded_at) AS held_at
    FROM raw_held_deliveries AS line
    WHERE line.period = {billing_period:Date} AND {see_whole_bills:Bool} AND notEmpty({teams:Array(String)})
    GROUP BY source_name
) AS held
ARRAY JOIN arrayDistinct(arrayConcat(
    arrayFilter(k -> endsWith(k, '/BilledCost'), arrayConcat(mapKeys(held.sums), mapKeys(held.published_sums))),
    if(empty(held.sums) AND empty(held.published_sums), [''], [])
)) AS key
WHERE held.state = 'held'
ORDER BY source_name, billing_currency
