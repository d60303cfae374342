-- purpose: how the bad events of some apps' objectives spread over the hours of the past: sums over hours of bad and all
--   events and of their products, hours of an outage left out (models/paging.py: outage_hours)
-- parameters: since DateTime, until DateTime (hours from the one on, before the other), apps Array(String), names Array(String)
--   (objectives), rungs Array(UInt8) (place of its threshold on the latency ladder; 0: it counts errors), budgets_ppb
--   Array(UInt64) (share of events that may be bad, in parts per billion), bounds UInt8 (how many the ladder has; hours cut by
--   another one are left out), server, consumer Array(UInt8) (places, from 1, of the names that count requests of that kind),
--   cap Float64 and sigmas Float64 (an hour with more than sigmas deviations at the budget and the cap, and more than twice the
--   cap, is an outage)
-- columns: app_id, environment, objective, bad UInt64, total UInt64, bad_bad Float64, bad_total Float64, total_total Float64
-- What of an hour is in maintenance is taken off it.
SELECT
    app_id,
    toString(hours.environment) AS environment,
    {names:Array(String)}[place] AS objective,
    sum(hours.bad) AS bad,
    sum(hours.total) AS total,
    sum(toFloat64(hours.bad) * hours.bad) AS bad_bad,
    sum(toFloat64(hours.bad) * hours.total) AS bad_total,
    sum(toFloat64(hours.total) * hours.total) AS total_total
FROM
(
    SELECT
        app_id, environment, hour, place,
        toUInt64(sum(if(is_out, -1, 1) * if({rungs:Array(UInt8)}[place] = 0, requests, timed))) AS total,
        toUInt64(sum(if(is_out, -1, 1)
            * if({rungs:Array(UInt8)}[place] = 0, errors, toUInt64(timed - within[{rungs:Array(UInt8)}[place]])))) AS bad,
        total * {budgets_ppb:Array(UInt64)}[place] / 1000000000 AS at_budget
    FROM
    (
        SELECT app_id, environment, hour, kind, requests, errors, timed, within, false AS is_out
        FROM core_request_hours_current
        UNION ALL
        SELECT app_id, environment, hour, kind, requests, errors, timed, within, true
        FROM core_maintenance_hours_current
        WHERE toDate(hour) IN (SELECT period FROM current_batches WHERE table_name = 'core_request_hours')
    )
    ARRAY JOIN if(kind = 'server', {server:Array(UInt8)}, {consumer:Array(UInt8)}) AS place
    WHERE hour >= {since:DateTime('UTC')} AND hour < {until:DateTime('UTC')} AND kind IN ('server', 'consumer')
      AND app_id IN {apps:Array(String)} AND length(within) = {bounds:UInt8}
    GROUP BY app_id, environment, hour, place
) AS hours
WHERE hours.bad <= greatest(at_budget + {sigmas:Float64} * sqrt({cap:Float64} * at_budget), 2 * {cap:Float64})
GROUP BY app_id, hours.environment, place
