-- purpose: objects of files with traces: when they arrived, and their median event
-- parameters: live_source String (the intake's segments are left out: its heartbeats speak for it)
-- columns: received_at DateTime64(9), median_at DateTime64(9)
-- The ledger knows the median's day. Only where it is the day before the receipt's does the hour matter, and then it is
-- read from that day's spans of the batch, unless a later object came on its own day and is fresh whatever the hour; else the
-- median stands at noon of its day. Where spans of the batch were removed since, it is what was found before the first went.
WITH
    objects AS
(
    SELECT
        batch_id,
        least(modified_at, min(recorded_at)) AS received_at,
        arraySort(groupArray((period, part.rows))) AS days,
        arraySum(day -> day.2, days) AS all_rows,
        arrayCumSum(day -> day.2, days) AS so_far,
        days[arrayFirstIndex(sum -> sum * 2 >= all_rows, so_far)].1 AS median_day
    FROM raw_deliveries AS part
    WHERE kind = 'telemetry' AND signal = 'traces' AND state = 'loaded' AND part.rows > 0
        AND source_name != {live_source:String}
    GROUP BY source_name, object_name, object_sha256, batch_id, modified_at
),
    asked AS
(
    SELECT batch_id, median_day FROM objects WHERE toDate(received_at) = median_day + 1
        AND received_at > (SELECT max(received_at) FROM objects WHERE toDate(received_at) = median_day)
),
    hours AS
(
    SELECT batch_id, median_day, argMin(median_ns, known_at) AS median_ns
    FROM
    (
        SELECT
            x_BatchId AS batch_id, toDate(Timestamp) AS median_day,
            toInt64(quantile(0.5)(toUnixTimestamp64Nano(Timestamp))) AS median_ns,
            toDateTime64('2200-01-01 00:00:00', 9, 'UTC') AS known_at
        FROM {{otel}}.otel_traces
        WHERE (x_BatchId, toDate(Timestamp)) IN (SELECT batch_id, median_day FROM asked)
        GROUP BY x_BatchId, median_day
        UNION ALL
        SELECT line.batch_id AS batch_id, line.day AS median_day, line.median_ns AS median_ns, line.recorded_at AS known_at
        FROM telemetry_removals AS line
        WHERE line.table_name = 'otel_traces' AND line.state = 'removing'
            AND (line.batch_id, line.day) IN (SELECT batch_id, median_day FROM asked)
    )
    GROUP BY batch_id, median_day
)
SELECT
    objects.received_at AS received_at,
    if(
        hours.median_ns > 0,
        fromUnixTimestamp64Nano(toInt64(hours.median_ns), 'UTC'),
        toDateTime64(objects.median_day, 9, 'UTC') + INTERVAL 12 HOUR) AS median_at
FROM objects
LEFT JOIN hours ON hours.batch_id = objects.batch_id AND hours.median_day = objects.median_day
ORDER BY received_at, median_at
