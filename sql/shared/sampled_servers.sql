    -- Days, apps and environments of whose servers some span says that it stands for others: by the threshold of its trace
    -- state, a sampler that keeps a part, or Honeycomb's rate.
    sampled AS
    (
        SELECT DISTINCT toDate(Timestamp), toString(app_id), toString(environment)
        FROM {{otel}}.otel_traces
        WHERE toDate(Timestamp) IN {days:Array(Date)} AND request_is_server(SpanKind)
            AND (match(TraceState, {sampled_trace_state:String})
                OR has({sampler_types:Array(String)}, SpanAttributes['sampler.type'])
                OR toFloat64OrZero(SpanAttributes['SampleRate']) > 1)
    )
