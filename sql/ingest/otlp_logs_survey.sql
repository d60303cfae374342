-- purpose: what an object holds, counted apart from its load: log records per day and fault
-- parameters: path, format, structure, encoding String; time_from, time_to UInt64
-- columns: table_name, day, fault (empty: it counts), records
SELECT
    'otel_logs' AS table_name,
    if(fault = '', toDate(otlp_time(moment)), toDate(0)) AS day,
    otlp_time_fault(moment, {time_from:UInt64}, {time_to:UInt64}) AS fault,
    count() AS records
FROM
(
    SELECT otlp_log_time(record.timeUnixNano, record.observedTimeUnixNano) AS moment
    FROM
    (
        SELECT arrayJoin(arrayFlatten(resourceLogs.scopeLogs.logRecords)) AS record
        FROM file({path:String}, {format:String}, {structure:String})
    )
)
GROUP BY day, fault
ORDER BY day, fault
