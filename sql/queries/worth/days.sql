-- purpose: what an app cost and did on each day, as the unit costs have it, and what says whether that is all
-- parameters: first_day, last_day Date
-- columns: usage_date, app_id, team, billing_currency, effective_cost, requests, errors, stands_for Nullable(Decimal(38, 9)) (what
--   the requests stand for; NULL where the hours do not say), sends UInt8 (1: telemetry of the app is there on the day),
--   is_open UInt8 (1: a bill the app is in is not whole on the day)
-- The days telemetry is there of are asked of all environments at once.
WITH
    open AS
    (
        SELECT DISTINCT costs.app_id AS app_id, days.usage_date AS usage_date
        FROM (SELECT usage_date, source_name FROM core_cost_days_current
              WHERE is_whole = 0 AND usage_date BETWEEN {first_day:Date} AND {last_day:Date}) AS days
        INNER JOIN
        (
            SELECT DISTINCT app_id, source_name FROM core_app_costs_daily_current
            WHERE usage_date BETWEEN {first_day:Date} AND {last_day:Date}
        ) AS costs ON costs.source_name = days.source_name
    )
SELECT
    unit.usage_date AS usage_date,
    unit.app_id AS app_id,
    toString(unit.team) AS team,
    toString(unit.billing_currency) AS billing_currency,
    unit.effective_cost AS effective_cost,
    unit.requests AS requests,
    unit.errors AS errors,
    if(hours.quantity = 0, NULL, toNullable(CAST(hours.quantity, 'Decimal(38, 9)'))) AS stands_for,
    toUInt8(seen.app_id != '') AS sends,
    toUInt8((unit.app_id, unit.usage_date) IN (SELECT app_id, usage_date FROM open)) AS is_open
FROM mart_app_unit_costs_daily_current AS unit
LEFT JOIN
(
    SELECT app_id, toDate(hour) AS usage_date, sum(toDecimal256(used.quantity, 9)) AS quantity
    FROM core_app_usage_hours_current AS used
    WHERE measure = 'requests' AND toDate(hour) BETWEEN {first_day:Date} AND {last_day:Date}
    GROUP BY app_id, usage_date
) AS hours ON hours.app_id = unit.app_id AND hours.usage_date = unit.usage_date
LEFT JOIN
(
    SELECT DISTINCT app_id, usage_date FROM core_app_telemetry_daily_current
    WHERE usage_date BETWEEN {first_day:Date} AND {last_day:Date} AND (spans > 0 OR requests > 0)
) AS seen ON seen.app_id = unit.app_id AND seen.usage_date = unit.usage_date
WHERE unit.usage_date BETWEEN {first_day:Date} AND {last_day:Date} AND unit.app_id NOT IN ('', 'unallocated')
ORDER BY app_id, usage_date, billing_currency
