-- purpose: spans a reader sees, to know when all that were sent arrived
-- parameters: none
-- columns: spans UInt64
SELECT count() AS spans FROM otel.otel_traces_current
