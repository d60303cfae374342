-- purpose: what a read of one app's hour of traces would look at
-- parameters: none
-- columns: explain String, a line of the plan
EXPLAIN indexes = 1
SELECT count() FROM otel.otel_traces_current
WHERE app_id = 'app-17' AND Timestamp >= '2026-01-02 10:00:00' AND Timestamp < '2026-01-02 11:00:00'
