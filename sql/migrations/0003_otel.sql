-- OpenTelemetry signals, column names and types as the collector's ClickHouse exporter writes them, so that a
-- collector can also insert directly. Ours: app_id first in the order key, partitions by day and retention, and
-- what begins with a small letter or x_. The functions turn OTLP values into columns; every load shares them.

-- statement
CREATE DATABASE IF NOT EXISTS {{otel}} COMMENT 'OpenTelemetry traces, logs and metrics'

-- statement
CREATE OR REPLACE FUNCTION otlp_identity AS (text) -> lowerUTF8(trimBoth(text, ' \t\n\r\f\v'))

-- statement
CREATE OR REPLACE FUNCTION otlp_without_pod AS (name) -> replaceRegexpOne(name, '(-[0-9a-f]{6,10})?-[bcdfghjklmnpqrstvwxz2456789]{5}$', '')

-- statement
CREATE OR REPLACE FUNCTION otlp_joined AS (first, separator, second) ->
    concat(first, if(first != '' AND second != '', separator, ''), second)

-- statement
CREATE OR REPLACE FUNCTION otlp_workload AS (resource) -> multiIf(
    resource['k8s.deployment.name'] != '', resource['k8s.deployment.name'],
    resource['k8s.statefulset.name'] != '', resource['k8s.statefulset.name'],
    resource['k8s.daemonset.name'] != '', resource['k8s.daemonset.name'],
    resource['k8s.cronjob.name'] != '', resource['k8s.cronjob.name'],
    resource['k8s.job.name'] != '', resource['k8s.job.name'],
    resource['k8s.pod.name'] != '', otlp_without_pod(resource['k8s.pod.name']),
    resource['k8s.container.name'])

-- statement
CREATE OR REPLACE FUNCTION otlp_process AS (resource) -> multiIf(
    resource['process.executable.name'] != '', resource['process.executable.name'],
    resource['process.command'] != '', resource['process.command'],
    resource['container.name'] != '', resource['container.name'],
    '')

-- statement
CREATE OR REPLACE FUNCTION otlp_host AS (resource) -> multiIf(
    match(resource['host.name'], '^[0-9a-f]{12}$'), '',
    resource['host.name'] != '', otlp_without_pod(resource['host.name']),
    resource['host.id'])

-- statement
CREATE OR REPLACE FUNCTION otlp_nameless AS (resource, service) -> otlp_joined(
    if(service = 'unknown_service', otlp_joined(service, ':', resource['telemetry.sdk.language']), service),
    '@',
    multiIf(
        otlp_workload(resource) != '', otlp_joined(resource['k8s.namespace.name'], '/', otlp_workload(resource)),
        resource['cloud.resource_id'] != '', resource['cloud.resource_id'],
        resource['faas.id'] != '', resource['faas.id'],
        resource['faas.name'] != '', resource['faas.name'],
        otlp_joined(otlp_host(resource), '/', otlp_process(resource)) != '',
        otlp_joined(otlp_host(resource), '/', otlp_process(resource)),
        match(resource['service.instance.id'], '[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}'), '',
        resource['service.instance.id']))

-- statement
CREATE OR REPLACE FUNCTION otlp_if_nameless AS (resource, service) -> arrayStringConcat(arrayMap(
    named -> otlp_nameless(named, service),
    arrayFilter(named -> startsWith(service, 'unknown_service'), [resource])))

-- statement
CREATE OR REPLACE FUNCTION otlp_app AS (resource, record, service) ->
    otlp_identity(multiIf(
        resource['app_id'] != '', resource['app_id'],
        record['app_id'] != '', record['app_id'],
        startsWith(service, 'unknown_service'), otlp_if_nameless(resource, service),
        service))

-- statement
CREATE OR REPLACE FUNCTION otlp_environment AS (resource) ->
    otlp_identity(if(resource['deployment.environment.name'] != '',
        resource['deployment.environment.name'], resource['deployment.environment']))

-- statement
CREATE OR REPLACE FUNCTION otlp_sound AS (text, json) -> if(
    json OR isValidUTF8(text),
    text,
    substring(text, 1, throwIf(NOT json AND NOT isValidUTF8(text), 'text that is not UTF-8')))

-- statement
CREATE OR REPLACE FUNCTION otlp_sound_list AS (texts, json) -> arrayMap(listed -> otlp_sound(listed, json), texts)

-- statement
CREATE OR REPLACE FUNCTION otlp_bytes AS (value, json) -> if(json, value, base64Encode(value))

-- statement
CREATE OR REPLACE FUNCTION otlp_json_scalar AS (v, json) -> multiIf(
    isNotNull(tupleElement(v, 'stringValue')), toJSONString(otlp_sound(assumeNotNull(tupleElement(v, 'stringValue')), json)),
    isNotNull(tupleElement(v, 'intValue')), toString(assumeNotNull(tupleElement(v, 'intValue'))),
    isNotNull(tupleElement(v, 'boolValue')), toString(assumeNotNull(tupleElement(v, 'boolValue'))),
    isNotNull(tupleElement(v, 'doubleValue')), toJSONString(assumeNotNull(tupleElement(v, 'doubleValue'))),
    isNotNull(tupleElement(v, 'bytesValue')),
    concat('"', otlp_bytes(assumeNotNull(tupleElement(v, 'bytesValue')), json), '"'),
    'null')

-- statement
CREATE OR REPLACE FUNCTION otlp_is_container AS (v) ->
    isNotNull(tupleElement(v, 'arrayValue')) OR isNotNull(tupleElement(v, 'kvlistValue'))

-- statement
CREATE OR REPLACE FUNCTION otlp_json_inner AS (v, json) -> if(
    otlp_is_container(v),
    substring('[]', 1, throwIf(otlp_is_container(v), 'attribute nested deeper than the engine reads')),
    otlp_json_scalar(v, json))

-- statement
CREATE OR REPLACE FUNCTION otlp_items AS (v, json) -> arrayConcat(
    arrayMap(item -> ('', item), tupleElement(tupleElement(v, 'arrayValue'), 'values')),
    arrayMap(pair -> (concat(toJSONString(otlp_sound(tupleElement(pair, 'key'), json)), ':'), tupleElement(pair, 'value')),
        tupleElement(tupleElement(v, 'kvlistValue'), 'values')))

-- statement
CREATE OR REPLACE FUNCTION otlp_brackets AS (v, inside) -> if(
    isNull(tupleElement(v, 'kvlistValue')), concat('[', inside, ']'), concat('{', inside, '}'))

-- statement
CREATE OR REPLACE FUNCTION otlp_container AS (v, json) -> otlp_brackets(v, arrayStringConcat(arrayMap(
    item -> concat(item.1, otlp_json_inner(item.2, json)), otlp_items(v, json)), ','))

-- statement
CREATE OR REPLACE FUNCTION otlp_text AS (v, json) -> multiIf(
    isNotNull(tupleElement(v, 'stringValue')), otlp_sound(assumeNotNull(tupleElement(v, 'stringValue')), json),
    isNotNull(tupleElement(v, 'intValue')), toString(assumeNotNull(tupleElement(v, 'intValue'))),
    isNotNull(tupleElement(v, 'boolValue')), toString(assumeNotNull(tupleElement(v, 'boolValue'))),
    isNotNull(tupleElement(v, 'doubleValue')), toString(assumeNotNull(tupleElement(v, 'doubleValue'))),
    otlp_is_container(v), otlp_container(v, json),
    isNotNull(tupleElement(v, 'bytesValue')), otlp_bytes(assumeNotNull(tupleElement(v, 'bytesValue')), json),
    '')

-- statement
CREATE OR REPLACE FUNCTION otlp_luhn AS (number) -> arraySum(
    (digit, place) -> if(place % 2 = 0, 2 * digit - if(digit > 4, 9, 0), digit),
    arrayMap(one -> toInt64OrZero(one), arrayReverse(extractAll(number, '[0-9]'))),
    arrayEnumerate(extractAll(number, '[0-9]'))) % 10 = 0

-- statement
CREATE OR REPLACE FUNCTION otlp_hidden_cards AS (text, cards, card_mark) -> arrayFold(
    (kept, card) -> replaceAll(kept, card, card_mark),
    arrayFilter(card -> otlp_luhn(card), extractAll(text, concat('(', cards, ')'))),
    text)

-- statement
CREATE OR REPLACE FUNCTION otlp_hidden_shapes AS (text, shapes, shape_marks) -> arrayFold(
    (kept, shape, shape_mark) -> replaceRegexpAll(kept, shape, shape_mark), shapes, shape_marks, text)

-- statement
CREATE OR REPLACE FUNCTION otlp_shown_text AS (text, hide) -> if(
    multiMatchAny(text, arrayPushBack(tupleElement(hide, 3), tupleElement(hide, 5))),
    otlp_hidden_cards(
        otlp_hidden_shapes(text, tupleElement(hide, 3), tupleElement(hide, 4)), tupleElement(hide, 5), tupleElement(hide, 6)),
    text)

-- statement
CREATE OR REPLACE FUNCTION otlp_shown AS (key, text, hide) -> if(
    multiMatchAnyIndex(key, tupleElement(hide, 1)) > 0,
    tupleElement(hide, 2)[multiMatchAnyIndex(key, tupleElement(hide, 1))],
    otlp_shown_text(text, hide))

-- statement
CREATE OR REPLACE FUNCTION otlp_map AS (attributes, json, hide) -> mapFromArrays(
    arrayMap(key -> toLowCardinality(otlp_sound(key, json)), tupleElement(attributes, 'key')),
    arrayMap(
        (key, text) -> otlp_shown(key, text, hide),
        tupleElement(attributes, 'key'),
        arrayMap(value -> otlp_text(value, json), tupleElement(attributes, 'value'))))

-- statement
CREATE OR REPLACE FUNCTION otlp_maps_1 AS (nested, json, hide) -> arrayMap(level_1 -> otlp_map(level_1, json, hide), nested)

-- statement
CREATE OR REPLACE FUNCTION otlp_maps_2 AS (nested, json, hide) -> arrayMap(level_2 -> otlp_maps_1(level_2, json, hide), nested)

-- statement
CREATE OR REPLACE FUNCTION otlp_maps_3 AS (nested, json, hide) -> arrayMap(level_3 -> otlp_maps_2(level_3, json, hide), nested)

-- statement
CREATE OR REPLACE FUNCTION otlp_maps_4 AS (nested, json, hide) -> arrayMap(level_4 -> otlp_maps_3(level_4, json, hide), nested)

-- statement
CREATE OR REPLACE FUNCTION otlp_maps_5 AS (nested, json, hide) -> arrayMap(level_5 -> otlp_maps_4(level_5, json, hide), nested)

-- statement
CREATE OR REPLACE FUNCTION otlp_texts_3 AS (nested, json, hide) -> arrayMap(
    outer -> arrayMap(middle -> arrayMap(text -> otlp_shown_text(text, hide),
        arrayMap(v -> otlp_text(v, json), middle)), outer), nested)

-- statement
CREATE OR REPLACE FUNCTION otlp_hex AS (id, json, base64_length) -> multiIf(
    NOT json, lower(hex(id)),
    length(id) = base64_length, lower(hex(tryBase64Decode(id))),
    lower(id))

-- statement
CREATE OR REPLACE FUNCTION otlp_trace_id AS (id, json) ->
    otlp_hex(id, json, 24)

-- statement
CREATE OR REPLACE FUNCTION otlp_span_id AS (id, json) ->
    otlp_hex(id, json, 12)

-- statement
CREATE OR REPLACE FUNCTION otlp_time AS (nanoseconds) -> fromUnixTimestamp64Nano(toInt64(nanoseconds), 'UTC')

-- statement
CREATE OR REPLACE FUNCTION otlp_known AS (read) -> if(
    read != '?', read, substring(read, 1, throwIf(read = '?', 'enum that the protocol does not have')))

-- statement
CREATE OR REPLACE FUNCTION otlp_span_kind AS (kind) -> otlp_known(transform(kind,
    ['', '0', '1', '2', '3', '4', '5', 'SPAN_KIND_UNSPECIFIED',
     'SPAN_KIND_INTERNAL', 'SPAN_KIND_SERVER', 'SPAN_KIND_CLIENT', 'SPAN_KIND_PRODUCER', 'SPAN_KIND_CONSUMER'],
    ['Unspecified', 'Unspecified', 'Internal', 'Server', 'Client', 'Producer', 'Consumer', 'Unspecified',
     'Internal', 'Server', 'Client', 'Producer', 'Consumer'],
    '?'))

-- statement
CREATE OR REPLACE FUNCTION otlp_status_code AS (code) -> otlp_known(transform(code,
    ['', '0', '1', '2', 'STATUS_CODE_UNSET', 'STATUS_CODE_OK', 'STATUS_CODE_ERROR'],
    ['Unset', 'Unset', 'Ok', 'Error', 'Unset', 'Ok', 'Error'],
    '?'))

-- statement
CREATE OR REPLACE FUNCTION otlp_temporality AS (temporality) -> toInt32(otlp_known(transform(temporality,
    ['', '0', '1', '2', 'AGGREGATION_TEMPORALITY_UNSPECIFIED', 'AGGREGATION_TEMPORALITY_DELTA',
     'AGGREGATION_TEMPORALITY_CUMULATIVE'],
    ['0', '0', '1', '2', '0', '1', '2'],
    '?')))

-- statement
CREATE OR REPLACE FUNCTION otlp_severity AS (severity) -> toUInt8(otlp_known(transform(severity,
    ['', 'SEVERITY_NUMBER_UNSPECIFIED',
     '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12',
     '13', '14', '15', '16', '17', '18', '19', '20', '21', '22', '23', '24',
     'SEVERITY_NUMBER_TRACE', 'SEVERITY_NUMBER_TRACE2', 'SEVERITY_NUMBER_TRACE3', 'SEVERITY_NUMBER_TRACE4',
     'SEVERITY_NUMBER_DEBUG', 'SEVERITY_NUMBER_DEBUG2', 'SEVERITY_NUMBER_DEBUG3', 'SEVERITY_NUMBER_DEBUG4',
     'SEVERITY_NUMBER_INFO', 'SEVERITY_NUMBER_INFO2', 'SEVERITY_NUMBER_INFO3', 'SEVERITY_NUMBER_INFO4',
     'SEVERITY_NUMBER_WARN', 'SEVERITY_NUMBER_WARN2', 'SEVERITY_NUMBER_WARN3', 'SEVERITY_NUMBER_WARN4',
     'SEVERITY_NUMBER_ERROR', 'SEVERITY_NUMBER_ERROR2', 'SEVERITY_NUMBER_ERROR3', 'SEVERITY_NUMBER_ERROR4',
     'SEVERITY_NUMBER_FATAL', 'SEVERITY_NUMBER_FATAL2', 'SEVERITY_NUMBER_FATAL3', 'SEVERITY_NUMBER_FATAL4'],
    ['0', '0',
     '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12',
     '13', '14', '15', '16', '17', '18', '19', '20', '21', '22', '23', '24',
     '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12',
     '13', '14', '15', '16', '17', '18', '19', '20', '21', '22', '23', '24'],
    '?')))

-- statement
CREATE OR REPLACE FUNCTION otlp_in_range AS (nanoseconds, time_from, time_to) ->
    nanoseconds >= time_from AND nanoseconds < time_to

-- statement
CREATE OR REPLACE FUNCTION otlp_id_fault AS (id, digits) ->
    length(id) != digits OR NOT match(id, '^[0-9a-f]*[1-9a-f][0-9a-f]*$')

-- statement
CREATE OR REPLACE FUNCTION otlp_span_fault AS (trace_id, span_id, started, ended, events, time_from, time_to, received_to) -> multiIf(
    otlp_id_fault(trace_id, 32), 'invalid trace id',
    otlp_id_fault(span_id, 16), 'invalid span id',
    NOT otlp_in_range(started, time_from, time_to)
        OR (ended != 0 AND NOT otlp_in_range(ended, time_from, time_to))
        OR arrayExists(moment -> moment != 0 AND NOT otlp_in_range(moment, time_from, time_to), events),
    'time out of range',
    greatest(started, ended) >= received_to OR arrayExists(moment -> moment >= received_to, events),
    'time later than its receipt',
    '')

-- statement
CREATE OR REPLACE FUNCTION otlp_log_time AS (moment, observed) -> if(moment = 0, observed, moment)

-- statement
CREATE OR REPLACE FUNCTION otlp_record_hashes AS (
    resources, scope_names, scope_versions, scopes, moments, observed, trace_ids, span_ids, severity_texts,
    severity_numbers, bodies, attributes, event_names, json
) -> arrayMap(
    (r, n1, v1, s1, m1, o1, t1, i1, x1, y1, b1, a1, e1) -> arrayMap(
        (n, v, s, m2, o2, t2, i2, x2, y2, b2, a2, e2) -> arrayMap(
            (m, o, t, i, x, y, b, a, e) -> sipHash64(
                mapSort(r), n, v, mapSort(s), m, o, otlp_trace_id(t, json), otlp_span_id(i, json), x, otlp_severity(y), b,
                mapSort(a), e),
            m2, o2, t2, i2, x2, y2, b2, a2, e2),
        n1, v1, s1, m1, o1, t1, i1, x1, y1, b1, a1, e1),
    resources, scope_names, scope_versions, scopes, moments, observed, trace_ids, span_ids, severity_texts,
    severity_numbers, bodies, attributes, event_names)

-- statement
CREATE OR REPLACE FUNCTION otlp_attribute AS (attributes, name) ->
    toString(ifNull(arrayFirst(pair -> pair.key = name, attributes).value.stringValue, ''))

-- statement
CREATE OR REPLACE FUNCTION otlp_sender AS (attributes) -> left(multiIf(
    otlp_attribute(attributes, 'app_id') != '', otlp_attribute(attributes, 'app_id'),
    otlp_attribute(attributes, 'service.name') != '', otlp_attribute(attributes, 'service.name'),
    '(no app_id, no service.name)'), 80)

-- statement
CREATE OR REPLACE FUNCTION otlp_time_fault AS (moment, time_from, time_to, received_to) -> multiIf(
    NOT otlp_in_range(moment, time_from, time_to), 'time out of range',
    moment >= received_to, 'time later than its receipt',
    '')

-- statement
CREATE OR REPLACE FUNCTION otlp_point_fault AS (moment, started, exemplars, time_from, time_to, received_to) -> multiIf(
    NOT otlp_in_range(moment, time_from, time_to)
        OR (started != 0 AND NOT otlp_in_range(started, time_from, time_to))
        OR arrayExists(time -> time != 0 AND NOT otlp_in_range(time, time_from, time_to), exemplars),
    'time out of range',
    greatest(moment, started) >= received_to OR arrayExists(time -> time >= received_to, exemplars),
    'time later than its receipt',
    '')

-- statement
CREATE OR REPLACE FUNCTION otlp_series AS (resource, scope_name, scope_version, scope, attributes) ->
    sipHash128(mapSort(resource), scope_name, scope_version, mapSort(scope), mapSort(attributes))

-- statement
CREATE TABLE IF NOT EXISTS {{otel}}.otel_traces
(
    Timestamp           DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'start of the span',
    TraceId             String CODEC(ZSTD(1)) COMMENT 'trace, 32 hex digits, lower case',
    SpanId              String CODEC(ZSTD(1)) COMMENT 'span, 16 hex digits, lower case',
    ParentSpanId        String CODEC(ZSTD(1)) COMMENT 'parent span, or empty for a root',
    TraceState          String CODEC(ZSTD(1)) COMMENT 'W3C trace state',
    SpanName            LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'name of the operation',
    SpanKind            LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'Unspecified, Internal, Server, Client, Producer or Consumer',
    ServiceName         LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'service.name of the resource',
    ResourceAttributes  Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the resource as text',
    ScopeName           String CODEC(ZSTD(1)) COMMENT 'instrumentation scope',
    ScopeVersion        String CODEC(ZSTD(1)) COMMENT 'its version',
    SpanAttributes      Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the span as text',
    Duration            UInt64 CODEC(ZSTD(1)) COMMENT 'nanoseconds from start to end; without a meaning where has_end is false',
    StatusCode          LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'Unset, Ok or Error',
    StatusMessage       String CODEC(ZSTD(1)) COMMENT 'message of the status',
    `Events.Timestamp`  Array(DateTime64(9, 'UTC')) CODEC(ZSTD(1)) COMMENT 'time of each event',
    `Events.Name`       Array(LowCardinality(String)) CODEC(ZSTD(1)) COMMENT 'name of each event',
    `Events.Attributes` Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)) COMMENT 'attributes of each event',
    `Links.TraceId`     Array(String) CODEC(ZSTD(1)) COMMENT 'trace of each link',
    `Links.SpanId`      Array(String) CODEC(ZSTD(1)) COMMENT 'span of each link',
    `Links.TraceState`  Array(String) CODEC(ZSTD(1)) COMMENT 'trace state of each link',
    `Links.Attributes`  Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)) COMMENT 'attributes of each link',
    has_end             Bool DEFAULT Duration < 9223372036854775808 CODEC(ZSTD(1)) COMMENT 'whether the span has an end that is not before its start; where it is before, or a collector inserts a span without one, its duration has wrapped',
    x_BatchId           UUID CODEC(ZSTD(1)) COMMENT 'load attempt that wrote the row; zero: a collector inserted it directly',
    retention_days      UInt16 DEFAULT 0 CODEC(ZSTD(1)) COMMENT 'days to keep the row; 0 keeps it',
    app_id              LowCardinality(String) MATERIALIZED otlp_app(ResourceAttributes, SpanAttributes, ServiceName) COMMENT 'attribute app_id of the resource, else of the record, else service.name, for unknown_service with what else identifies the sender; trimmed, lower case',
    environment         LowCardinality(String) MATERIALIZED otlp_environment(ResourceAttributes) COMMENT 'deployment.environment.name of the resource, else deployment.environment; trimmed, lower case',
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1,
    INDEX idx_batch x_BatchId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{merge_tree}}
PARTITION BY (toDate(Timestamp), retention_days)
ORDER BY (app_id, toStartOfFiveMinutes(Timestamp), SpanName, Timestamp)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
COMMENT 'Spans as delivered; read otel_traces_current'

-- statement
CREATE TABLE IF NOT EXISTS {{otel}}.otel_logs
(
    Timestamp          DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'time of the record, else the time it was observed',
    TimestampTime      DateTime('UTC') DEFAULT toDateTime(Timestamp) CODEC(Delta(4), ZSTD(1)) COMMENT 'the same in whole seconds',
    TraceId            String CODEC(ZSTD(1)) COMMENT 'trace the record belongs to, or empty',
    SpanId             String CODEC(ZSTD(1)) COMMENT 'span the record belongs to, or empty',
    TraceFlags         UInt8 CODEC(ZSTD(1)) COMMENT 'W3C trace flags',
    SeverityText       LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'severity as the source wrote it',
    SeverityNumber     UInt8 CODEC(ZSTD(1)) COMMENT 'OTLP severity, 1 to 24; 0 where unset',
    ServiceName        LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'service.name of the resource',
    Body               String CODEC(ZSTD(1)) COMMENT 'body as text',
    ResourceSchemaUrl  LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'schema of the resource attributes',
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the resource as text',
    ScopeSchemaUrl     LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'schema of the scope attributes',
    ScopeName          String CODEC(ZSTD(1)) COMMENT 'instrumentation scope',
    ScopeVersion       LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'its version',
    ScopeAttributes    Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the scope as text',
    LogAttributes      Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the record as text',
    EventName          String CODEC(ZSTD(1)) COMMENT 'name of the event, or empty',
    x_RecordHash       UInt64 DEFAULT rand64() CODEC(ZSTD(1)) COMMENT 'hash of the whole record and of which of the equal ones of its message it is: a resend has the same; a random number where a collector inserted directly',
    x_BatchId          UUID CODEC(ZSTD(1)) COMMENT 'load attempt that wrote the row; zero: a collector inserted it directly',
    retention_days     UInt16 DEFAULT 0 CODEC(ZSTD(1)) COMMENT 'days to keep the row; 0 keeps it',
    app_id             LowCardinality(String) MATERIALIZED otlp_app(ResourceAttributes, LogAttributes, ServiceName) COMMENT 'attribute app_id of the resource, else of the record, else service.name, for unknown_service with what else identifies the sender; trimmed, lower case',
    environment        LowCardinality(String) MATERIALIZED otlp_environment(ResourceAttributes) COMMENT 'deployment.environment.name of the resource, else deployment.environment; trimmed, lower case',
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_log_attr_key mapKeys(LogAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_log_attr_value mapValues(LogAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_lower_body lower(Body) TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 8,
    INDEX idx_batch x_BatchId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{merge_tree}}
PARTITION BY (toDate(Timestamp), retention_days)
ORDER BY (app_id, toStartOfFiveMinutes(Timestamp), Timestamp)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
COMMENT 'Log records as delivered; read otel_logs_current'

-- statement
CREATE TABLE IF NOT EXISTS {{otel}}.otel_metrics_gauge
(
    ResourceAttributes             Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the resource as text',
    ResourceSchemaUrl              String CODEC(ZSTD(1)) COMMENT 'schema of the resource attributes',
    ScopeName                      String CODEC(ZSTD(1)) COMMENT 'instrumentation scope',
    ScopeVersion                   String CODEC(ZSTD(1)) COMMENT 'its version',
    ScopeAttributes                Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the scope as text',
    ScopeDroppedAttrCount          UInt32 CODEC(ZSTD(1)) COMMENT 'attributes the scope dropped',
    ScopeSchemaUrl                 String CODEC(ZSTD(1)) COMMENT 'schema of the scope attributes',
    ServiceName                    LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'service.name of the resource',
    MetricName                     LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'name of the metric',
    MetricDescription              String CODEC(ZSTD(1)) COMMENT 'what it measures',
    MetricUnit                     String CODEC(ZSTD(1)) COMMENT 'unit, UCUM',
    Attributes                     Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the point as text',
    StartTimeUnix                  DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'start of the series; 1970-01-01 where unset',
    TimeUnix                       DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'time of the point',
    Value                          Float64 CODEC(ZSTD(1)) COMMENT 'the value; integers as float, as the exporter has it',
    Flags                          UInt32 CODEC(ZSTD(1)) COMMENT 'data point flags; 1: no recorded value',
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)) COMMENT 'attributes of each exemplar',
    `Exemplars.TimeUnix`           Array(DateTime64(9, 'UTC')) CODEC(ZSTD(1)) COMMENT 'time of each exemplar',
    `Exemplars.Value`              Array(Float64) CODEC(ZSTD(1)) COMMENT 'value of each exemplar',
    `Exemplars.SpanId`             Array(String) CODEC(ZSTD(1)) COMMENT 'span of each exemplar',
    `Exemplars.TraceId`            Array(String) CODEC(ZSTD(1)) COMMENT 'trace of each exemplar',
    x_BatchId                      UUID CODEC(ZSTD(1)) COMMENT 'load attempt that wrote the row; zero: a collector inserted it directly',
    retention_days                 UInt16 DEFAULT 0 CODEC(ZSTD(1)) COMMENT 'days to keep the row; 0 keeps it',
    app_id                         LowCardinality(String) MATERIALIZED otlp_app(ResourceAttributes, Attributes, ServiceName) COMMENT 'attribute app_id of the resource, else of the record, else service.name, for unknown_service with what else identifies the sender; trimmed, lower case',
    environment                    LowCardinality(String) MATERIALIZED otlp_environment(ResourceAttributes) COMMENT 'deployment.environment.name of the resource, else deployment.environment; trimmed, lower case',
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_batch x_BatchId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{merge_tree}}
PARTITION BY (toDate(TimeUnix), retention_days)
ORDER BY (app_id, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
COMMENT 'Points of gauges as delivered; read otel_metrics_gauge_current'

-- statement
CREATE TABLE IF NOT EXISTS {{otel}}.otel_metrics_sum
(
    ResourceAttributes             Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the resource as text',
    ResourceSchemaUrl              String CODEC(ZSTD(1)) COMMENT 'schema of the resource attributes',
    ScopeName                      String CODEC(ZSTD(1)) COMMENT 'instrumentation scope',
    ScopeVersion                   String CODEC(ZSTD(1)) COMMENT 'its version',
    ScopeAttributes                Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the scope as text',
    ScopeDroppedAttrCount          UInt32 CODEC(ZSTD(1)) COMMENT 'attributes the scope dropped',
    ScopeSchemaUrl                 String CODEC(ZSTD(1)) COMMENT 'schema of the scope attributes',
    ServiceName                    LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'service.name of the resource',
    MetricName                     LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'name of the metric',
    MetricDescription              String CODEC(ZSTD(1)) COMMENT 'what it measures',
    MetricUnit                     String CODEC(ZSTD(1)) COMMENT 'unit, UCUM',
    Attributes                     Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the point as text',
    StartTimeUnix                  DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'start of the series; 1970-01-01 where unset',
    TimeUnix                       DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'time of the point',
    Value                          Float64 CODEC(ZSTD(1)) COMMENT 'the value; integers as float, as the exporter has it',
    Flags                          UInt32 CODEC(ZSTD(1)) COMMENT 'data point flags; 1: no recorded value',
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)) COMMENT 'attributes of each exemplar',
    `Exemplars.TimeUnix`           Array(DateTime64(9, 'UTC')) CODEC(ZSTD(1)) COMMENT 'time of each exemplar',
    `Exemplars.Value`              Array(Float64) CODEC(ZSTD(1)) COMMENT 'value of each exemplar',
    `Exemplars.SpanId`             Array(String) CODEC(ZSTD(1)) COMMENT 'span of each exemplar',
    `Exemplars.TraceId`            Array(String) CODEC(ZSTD(1)) COMMENT 'trace of each exemplar',
    AggregationTemporality         Int32 CODEC(ZSTD(1)) COMMENT '0 unspecified, 1 delta, 2 cumulative',
    IsMonotonic                    Bool CODEC(ZSTD(1)) COMMENT 'the sum never falls',
    x_BatchId                      UUID CODEC(ZSTD(1)) COMMENT 'load attempt that wrote the row; zero: a collector inserted it directly',
    retention_days                 UInt16 DEFAULT 0 CODEC(ZSTD(1)) COMMENT 'days to keep the row; 0 keeps it',
    app_id                         LowCardinality(String) MATERIALIZED otlp_app(ResourceAttributes, Attributes, ServiceName) COMMENT 'attribute app_id of the resource, else of the record, else service.name, for unknown_service with what else identifies the sender; trimmed, lower case',
    environment                    LowCardinality(String) MATERIALIZED otlp_environment(ResourceAttributes) COMMENT 'deployment.environment.name of the resource, else deployment.environment; trimmed, lower case',
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_batch x_BatchId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{merge_tree}}
PARTITION BY (toDate(TimeUnix), retention_days)
ORDER BY (app_id, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
COMMENT 'Points of sums as delivered; read otel_metrics_sum_current'

-- statement
CREATE TABLE IF NOT EXISTS {{otel}}.otel_metrics_histogram
(
    ResourceAttributes             Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the resource as text',
    ResourceSchemaUrl              String CODEC(ZSTD(1)) COMMENT 'schema of the resource attributes',
    ScopeName                      String CODEC(ZSTD(1)) COMMENT 'instrumentation scope',
    ScopeVersion                   String CODEC(ZSTD(1)) COMMENT 'its version',
    ScopeAttributes                Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the scope as text',
    ScopeDroppedAttrCount          UInt32 CODEC(ZSTD(1)) COMMENT 'attributes the scope dropped',
    ScopeSchemaUrl                 String CODEC(ZSTD(1)) COMMENT 'schema of the scope attributes',
    ServiceName                    LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'service.name of the resource',
    MetricName                     LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'name of the metric',
    MetricDescription              String CODEC(ZSTD(1)) COMMENT 'what it measures',
    MetricUnit                     String CODEC(ZSTD(1)) COMMENT 'unit, UCUM',
    Attributes                     Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the point as text',
    StartTimeUnix                  DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'start of the series; 1970-01-01 where unset',
    TimeUnix                       DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'time of the point',
    Count                          UInt64 CODEC(ZSTD(1)) COMMENT 'number of values',
    Sum                            Float64 CODEC(ZSTD(1)) COMMENT 'sum of the values; 0 where not recorded',
    BucketCounts                   Array(UInt64) CODEC(ZSTD(1)) COMMENT 'values per bucket',
    ExplicitBounds                 Array(Float64) CODEC(ZSTD(1)) COMMENT 'upper bounds of the buckets',
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)) COMMENT 'attributes of each exemplar',
    `Exemplars.TimeUnix`           Array(DateTime64(9, 'UTC')) CODEC(ZSTD(1)) COMMENT 'time of each exemplar',
    `Exemplars.Value`              Array(Float64) CODEC(ZSTD(1)) COMMENT 'value of each exemplar',
    `Exemplars.SpanId`             Array(String) CODEC(ZSTD(1)) COMMENT 'span of each exemplar',
    `Exemplars.TraceId`            Array(String) CODEC(ZSTD(1)) COMMENT 'trace of each exemplar',
    Flags                          UInt32 CODEC(ZSTD(1)) COMMENT 'data point flags; 1: no recorded value',
    Min                            Float64 CODEC(ZSTD(1)) COMMENT 'smallest value; 0 where not recorded',
    Max                            Float64 CODEC(ZSTD(1)) COMMENT 'largest value; 0 where not recorded',
    AggregationTemporality         Int32 CODEC(ZSTD(1)) COMMENT '0 unspecified, 1 delta, 2 cumulative',
    x_BatchId                      UUID CODEC(ZSTD(1)) COMMENT 'load attempt that wrote the row; zero: a collector inserted it directly',
    retention_days                 UInt16 DEFAULT 0 CODEC(ZSTD(1)) COMMENT 'days to keep the row; 0 keeps it',
    app_id                         LowCardinality(String) MATERIALIZED otlp_app(ResourceAttributes, Attributes, ServiceName) COMMENT 'attribute app_id of the resource, else of the record, else service.name, for unknown_service with what else identifies the sender; trimmed, lower case',
    environment                    LowCardinality(String) MATERIALIZED otlp_environment(ResourceAttributes) COMMENT 'deployment.environment.name of the resource, else deployment.environment; trimmed, lower case',
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_batch x_BatchId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{merge_tree}}
PARTITION BY (toDate(TimeUnix), retention_days)
ORDER BY (app_id, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
COMMENT 'Points of histograms as delivered; read otel_metrics_histogram_current'

-- statement
CREATE TABLE IF NOT EXISTS {{otel}}.otel_metrics_exponential_histogram
(
    ResourceAttributes             Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the resource as text',
    ResourceSchemaUrl              String CODEC(ZSTD(1)) COMMENT 'schema of the resource attributes',
    ScopeName                      String CODEC(ZSTD(1)) COMMENT 'instrumentation scope',
    ScopeVersion                   String CODEC(ZSTD(1)) COMMENT 'its version',
    ScopeAttributes                Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the scope as text',
    ScopeDroppedAttrCount          UInt32 CODEC(ZSTD(1)) COMMENT 'attributes the scope dropped',
    ScopeSchemaUrl                 String CODEC(ZSTD(1)) COMMENT 'schema of the scope attributes',
    ServiceName                    LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'service.name of the resource',
    MetricName                     LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'name of the metric',
    MetricDescription              String CODEC(ZSTD(1)) COMMENT 'what it measures',
    MetricUnit                     String CODEC(ZSTD(1)) COMMENT 'unit, UCUM',
    Attributes                     Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the point as text',
    StartTimeUnix                  DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'start of the series; 1970-01-01 where unset',
    TimeUnix                       DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'time of the point',
    Count                          UInt64 CODEC(ZSTD(1)) COMMENT 'number of values',
    Sum                            Float64 CODEC(ZSTD(1)) COMMENT 'sum of the values; 0 where not recorded',
    Scale                          Int32 CODEC(ZSTD(1)) COMMENT 'resolution: base is 2^(2^-scale)',
    ZeroCount                      UInt64 CODEC(ZSTD(1)) COMMENT 'values in the zero bucket',
    PositiveOffset                 Int32 CODEC(ZSTD(1)) COMMENT 'index of the first positive bucket',
    PositiveBucketCounts           Array(UInt64) CODEC(ZSTD(1)) COMMENT 'values per positive bucket',
    NegativeOffset                 Int32 CODEC(ZSTD(1)) COMMENT 'index of the first negative bucket',
    NegativeBucketCounts           Array(UInt64) CODEC(ZSTD(1)) COMMENT 'values per negative bucket',
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)) COMMENT 'attributes of each exemplar',
    `Exemplars.TimeUnix`           Array(DateTime64(9, 'UTC')) CODEC(ZSTD(1)) COMMENT 'time of each exemplar',
    `Exemplars.Value`              Array(Float64) CODEC(ZSTD(1)) COMMENT 'value of each exemplar',
    `Exemplars.SpanId`             Array(String) CODEC(ZSTD(1)) COMMENT 'span of each exemplar',
    `Exemplars.TraceId`            Array(String) CODEC(ZSTD(1)) COMMENT 'trace of each exemplar',
    Flags                          UInt32 CODEC(ZSTD(1)) COMMENT 'data point flags; 1: no recorded value',
    Min                            Float64 CODEC(ZSTD(1)) COMMENT 'smallest value; 0 where not recorded',
    Max                            Float64 CODEC(ZSTD(1)) COMMENT 'largest value; 0 where not recorded',
    AggregationTemporality         Int32 CODEC(ZSTD(1)) COMMENT '0 unspecified, 1 delta, 2 cumulative',
    x_BatchId                      UUID CODEC(ZSTD(1)) COMMENT 'load attempt that wrote the row; zero: a collector inserted it directly',
    retention_days                 UInt16 DEFAULT 0 CODEC(ZSTD(1)) COMMENT 'days to keep the row; 0 keeps it',
    app_id                         LowCardinality(String) MATERIALIZED otlp_app(ResourceAttributes, Attributes, ServiceName) COMMENT 'attribute app_id of the resource, else of the record, else service.name, for unknown_service with what else identifies the sender; trimmed, lower case',
    environment                    LowCardinality(String) MATERIALIZED otlp_environment(ResourceAttributes) COMMENT 'deployment.environment.name of the resource, else deployment.environment; trimmed, lower case',
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_batch x_BatchId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{merge_tree}}
PARTITION BY (toDate(TimeUnix), retention_days)
ORDER BY (app_id, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
COMMENT 'Points of exponential histograms as delivered; read otel_metrics_exponential_histogram_current'

-- statement
CREATE TABLE IF NOT EXISTS {{otel}}.otel_metrics_summary
(
    ResourceAttributes          Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the resource as text',
    ResourceSchemaUrl           String CODEC(ZSTD(1)) COMMENT 'schema of the resource attributes',
    ScopeName                   String CODEC(ZSTD(1)) COMMENT 'instrumentation scope',
    ScopeVersion                String CODEC(ZSTD(1)) COMMENT 'its version',
    ScopeAttributes             Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the scope as text',
    ScopeDroppedAttrCount       UInt32 CODEC(ZSTD(1)) COMMENT 'attributes the scope dropped',
    ScopeSchemaUrl              String CODEC(ZSTD(1)) COMMENT 'schema of the scope attributes',
    ServiceName                 LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'service.name of the resource',
    MetricName                  LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'name of the metric',
    MetricDescription           String CODEC(ZSTD(1)) COMMENT 'what it measures',
    MetricUnit                  String CODEC(ZSTD(1)) COMMENT 'unit, UCUM',
    Attributes                  Map(LowCardinality(String), String) CODEC(ZSTD(1)) COMMENT 'attributes of the point as text',
    StartTimeUnix               DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'start of the series; 1970-01-01 where unset',
    TimeUnix                    DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)) COMMENT 'time of the point',
    Count                       UInt64 CODEC(ZSTD(1)) COMMENT 'number of values',
    Sum                         Float64 CODEC(ZSTD(1)) COMMENT 'sum of the values; 0 where not recorded',
    `ValueAtQuantiles.Quantile` Array(Float64) CODEC(ZSTD(1)) COMMENT 'quantiles, 0 to 1',
    `ValueAtQuantiles.Value`    Array(Float64) CODEC(ZSTD(1)) COMMENT 'value at each quantile',
    Flags                       UInt32 CODEC(ZSTD(1)) COMMENT 'data point flags; 1: no recorded value',
    x_BatchId                   UUID CODEC(ZSTD(1)) COMMENT 'load attempt that wrote the row; zero: a collector inserted it directly',
    retention_days              UInt16 DEFAULT 0 CODEC(ZSTD(1)) COMMENT 'days to keep the row; 0 keeps it',
    app_id                      LowCardinality(String) MATERIALIZED otlp_app(ResourceAttributes, Attributes, ServiceName) COMMENT 'attribute app_id of the resource, else of the record, else service.name, for unknown_service with what else identifies the sender; trimmed, lower case',
    environment                 LowCardinality(String) MATERIALIZED otlp_environment(ResourceAttributes) COMMENT 'deployment.environment.name of the resource, else deployment.environment; trimmed, lower case',
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_batch x_BatchId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = {{merge_tree}}
PARTITION BY (toDate(TimeUnix), retention_days)
ORDER BY (app_id, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
COMMENT 'Points of summaries as delivered; read otel_metrics_summary_current'

-- statement
CREATE OR REPLACE VIEW {{otel}}.loaded_batches AS
SELECT DISTINCT batch_id FROM raw_deliveries WHERE kind = 'telemetry' AND state = 'loaded'
UNION ALL
SELECT toUUID('00000000-0000-0000-0000-000000000000')

-- statement
CREATE OR REPLACE VIEW {{otel}}.otel_traces_current AS
SELECT * EXCEPT (x_Copy)
FROM
(
    SELECT
        *, app_id, environment,
        row_number() OVER (
            PARTITION BY app_id, Timestamp, TraceId, SpanId, SpanKind, ServiceName
            ORDER BY has_end DESC, Duration, StatusCode, x_BatchId) AS x_Copy
    FROM {{otel}}.otel_traces
    WHERE x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches)
)
WHERE x_Copy = 1

-- statement
CREATE OR REPLACE VIEW {{otel}}.otel_logs_current AS
SELECT * EXCEPT (x_Copy)
FROM
(
    SELECT
        *, app_id, environment,
        row_number() OVER (
            PARTITION BY app_id, Timestamp, x_RecordHash
            ORDER BY x_BatchId) AS x_Copy
    FROM {{otel}}.otel_logs
    WHERE x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches)
)
WHERE x_Copy = 1

-- statement
CREATE OR REPLACE VIEW {{otel}}.otel_metrics_gauge_current AS
SELECT * EXCEPT (x_Copy)
FROM
(
    SELECT
        *, app_id, environment,
        row_number() OVER (
            PARTITION BY app_id, MetricName, TimeUnix, StartTimeUnix,
                otlp_series(ResourceAttributes, ScopeName, ScopeVersion, ScopeAttributes, Attributes)
            ORDER BY Value, x_BatchId) AS x_Copy
    FROM {{otel}}.otel_metrics_gauge
    WHERE x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches)
)
WHERE x_Copy = 1

-- statement
CREATE OR REPLACE VIEW {{otel}}.otel_metrics_sum_current AS
SELECT * EXCEPT (x_Copy)
FROM
(
    SELECT
        *, app_id, environment,
        row_number() OVER (
            PARTITION BY app_id, MetricName, TimeUnix, StartTimeUnix,
                otlp_series(ResourceAttributes, ScopeName, ScopeVersion, ScopeAttributes, Attributes)
            ORDER BY Value, x_BatchId) AS x_Copy
    FROM {{otel}}.otel_metrics_sum
    WHERE x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches)
)
WHERE x_Copy = 1

-- statement
CREATE OR REPLACE VIEW {{otel}}.otel_metrics_histogram_current AS
SELECT * EXCEPT (x_Copy)
FROM
(
    SELECT
        *, app_id, environment,
        row_number() OVER (
            PARTITION BY app_id, MetricName, TimeUnix, StartTimeUnix,
                otlp_series(ResourceAttributes, ScopeName, ScopeVersion, ScopeAttributes, Attributes)
            ORDER BY Count, Sum, x_BatchId) AS x_Copy
    FROM {{otel}}.otel_metrics_histogram
    WHERE x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches)
)
WHERE x_Copy = 1

-- statement
CREATE OR REPLACE VIEW {{otel}}.otel_metrics_exponential_histogram_current AS
SELECT * EXCEPT (x_Copy)
FROM
(
    SELECT
        *, app_id, environment,
        row_number() OVER (
            PARTITION BY app_id, MetricName, TimeUnix, StartTimeUnix,
                otlp_series(ResourceAttributes, ScopeName, ScopeVersion, ScopeAttributes, Attributes)
            ORDER BY Count, Sum, x_BatchId) AS x_Copy
    FROM {{otel}}.otel_metrics_exponential_histogram
    WHERE x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches)
)
WHERE x_Copy = 1

-- statement
CREATE OR REPLACE VIEW {{otel}}.otel_metrics_summary_current AS
SELECT * EXCEPT (x_Copy)
FROM
(
    SELECT
        *, app_id, environment,
        row_number() OVER (
            PARTITION BY app_id, MetricName, TimeUnix, StartTimeUnix,
                otlp_series(ResourceAttributes, ScopeName, ScopeVersion, ScopeAttributes, Attributes)
            ORDER BY Count, Sum, x_BatchId) AS x_Copy
    FROM {{otel}}.otel_metrics_summary
    WHERE x_BatchId IN (SELECT batch_id FROM {{otel}}.loaded_batches)
)
WHERE x_Copy = 1
