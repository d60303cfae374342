-- purpose: calls between apps on whole days: requests of each app by who called, those that failed or repeat one, and the
--   failed requests of the caller they are part of
-- parameters: days Array(Date), batch_id UUID, retry_names Array(String) and retry_from Array(UInt32) (attributes by which a
--   span says that it repeats one, and from which value on), and what says which spans are requests and which of them went
--   wrong, as for statements/core_request_slices: grpc_errors_keys, grpc_errors_values, http_errors, caller_faults,
--   health_paths, health_services, health_agents, health_methods
-- columns: none
-- Who called is the app of the parent span, of the same days. A request whose parent is not among them is a row only where it
-- says that it repeats one. A call within one app hurts nobody. Spans are read once: a call is where the id of a span that is
-- no request meets the parent of one that is.
INSERT INTO core_app_calls (usage_date, caller, callee, calls, failed, retries, failed_retries, hurt, batch_id)
WITH
-- shared: shared/spans_once
SELECT
    row.1 AS day, row.2 AS caller_app, row.3 AS callee_app, sum(row.4), sum(row.5), sum(row.6), sum(row.7), sum(row.8),
    {batch_id:UUID}
FROM
(
    SELECT
        groupArray((day, at, span, caller, callee, is_failed, repeats)) AS answered,
        arraySort(
            arrayMap(
                one -> (one.2, one.5, one.4),
                arrayFilter(one -> one.6 AND one.4 NOT IN ('', one.5), answered))) AS failing,
        arrayConcat(
            arrayMap(
                one -> (one.1, one.4, one.5, 1, toUInt8(one.6), toUInt8(one.7), toUInt8(one.6 AND one.7), 0),
                arrayFilter(one -> one.4 != '' OR one.7, answered)),
            arrayMap(
                one -> (one.1, one.5, arrayFirst(call -> call.3 = one.5, failing).2, 0, 0, 0, 0, 1),
                arrayFilter(one -> one.6 AND has(failing.3, one.5), answered))) AS rows
    FROM
    (
        SELECT trace, caller, one.1 AS day, one.2 AS at, one.3 AS span, one.4 AS callee, one.5 AS is_failed,
            one.6 OR caller_repeats AS repeats
        FROM
        (
            SELECT
                trace,
                anyIf(app, NOT is_answer) AS caller,
                maxIf(says_so, NOT is_answer) AS caller_repeats,
                groupArrayIf((day, at, span, app, failed, says_so), is_answer) AS answers
            FROM
            (
                SELECT
                    toDate(Timestamp) AS day, Timestamp AS at, TraceId AS trace, SpanId AS span, toString(app_id) AS app,
                    request_is(SpanKind) AS is_answer,
                    if(is_answer, ParentSpanId, SpanId) AS meets,
                    is_answer AND request_error_class(
                        SpanKind, StatusCode, SpanAttributes, {http_errors:Array(UInt16)}, {caller_faults:Array(UInt16)},
                        {grpc_errors_keys:Array(String)}, {grpc_errors_values:Array(String)}) != '' AS failed,
                    arrayExists((name, least) -> toUInt32OrZero(SpanAttributes[name]) >= least,
                        {retry_names:Array(String)}, {retry_from:Array(UInt32)}) AS says_so
                FROM spans_once
                WHERE app_id != '' AND TraceId != ''
                    AND NOT (is_answer
                        AND request_kind(SpanKind, SpanName, SpanAttributes, {health_paths:String}, {health_services:String},
                            {health_agents:String}, {health_methods:Array(String)}) = 'health')
            )
            GROUP BY trace, meets
            HAVING notEmpty(answers)
        )
        ARRAY JOIN answers AS one
    )
    GROUP BY trace
    HAVING notEmpty(rows)
)
ARRAY JOIN rows AS row
GROUP BY day, caller_app, callee_app
