-- purpose: what objects hold, counted apart from their load: log records per file, day and fault
-- parameters: path, format, structure, encoding String; time_from, time_to, received_to UInt64
-- columns: file_name, table_name, day, fault (empty: it counts), records
SELECT
    file_name,
    'otel_logs' AS table_name,
    if(fault = '', toDate(otlp_time(moment)), toDate(0)) AS day,
    otlp_time_fault(moment, {time_from:UInt64}, {time_to:UInt64}, {received_to:UInt64}) AS fault,
    count() AS records
FROM
(
    SELECT file_name, otlp_log_time(record.timeUnixNano, record.observedTimeUnixNano) AS moment
    FROM
    (
        SELECT toString(_file) AS file_name, arrayJoin(arrayFlatten(resourceLogs.scopeLogs.logRecords)) AS record
        FROM file({path:String}, {format:String}, {structure:String})
    )
)
GROUP BY file_name, day, fault
ORDER BY file_name, day, fault
