-- purpose: merges the spans to one part a day
-- parameters: none
-- columns: none
OPTIMIZE TABLE otel.otel_traces FINAL
