-- Tables of version 0.1 (as released) that hold telemetry and its ledger, word for word but for comments of columns.

-- statement
CREATE TABLE IF NOT EXISTS raw_deliveries
(
    kind          LowCardinality(String),
    source_name   LowCardinality(String),
    object_name   String,
    object_sha256 String,
    object_bytes  UInt64,
    modified_at   DateTime64(9, 'UTC'),
    signal        LowCardinality(String),
    period        Date,
    batch_id      UUID,
    rows          UInt64,
    sums          Map(String, Decimal(76, 18)),
    residues      Map(String, Decimal(76, 38)),
    rejected      UInt64,
    ignored_columns Array(String),
    state         LowCardinality(String),
    reason        String,
    recorded_at   DateTime64(9, 'UTC')
)
ENGINE = MergeTree
ORDER BY (kind, source_name, period, object_name, recorded_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Ledger of deliveries: one line per object, period and attempt that ended'

-- statement
CREATE TABLE IF NOT EXISTS raw_rejects
(
    kind          LowCardinality(String),
    source_name   LowCardinality(String),
    object_name   String,
    object_sha256 String,
    position      UInt64,
    reason        LowCardinality(String),
    detail        String,
    first_bytes   String,
    rejected_at   DateTime64(9, 'UTC')
)
ENGINE = ReplacingMergeTree(rejected_at)
ORDER BY (kind, source_name, object_sha256, object_name, position, reason, detail)
COMMENT 'Records set aside, once each: the rest of their object counts'

-- statement
CREATE DATABASE IF NOT EXISTS otel

-- statement
CREATE OR REPLACE FUNCTION otlp_identity AS (text) -> lowerUTF8(trimBoth(text, ' \t\n\r\f\v'))

-- statement
CREATE OR REPLACE FUNCTION otlp_app AS (resource, record, service) ->
    otlp_identity(multiIf(
        resource['app_id'] != '', resource['app_id'],
        record['app_id'] != '', record['app_id'],
        service))

-- statement
CREATE OR REPLACE FUNCTION otlp_environment AS (resource) ->
    otlp_identity(if(resource['deployment.environment.name'] != '',
        resource['deployment.environment.name'], resource['deployment.environment']))

-- statement
CREATE TABLE IF NOT EXISTS otel.otel_traces
(
    Timestamp           DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    TraceId             String CODEC(ZSTD(1)),
    SpanId              String CODEC(ZSTD(1)),
    ParentSpanId        String CODEC(ZSTD(1)),
    TraceState          String CODEC(ZSTD(1)),
    SpanName            LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind            LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName         LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes  Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName           String CODEC(ZSTD(1)),
    ScopeVersion        String CODEC(ZSTD(1)),
    SpanAttributes      Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration            UInt64 CODEC(ZSTD(1)),
    StatusCode          LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage       String CODEC(ZSTD(1)),
    `Events.Timestamp`  Array(DateTime64(9, 'UTC')) CODEC(ZSTD(1)),
    `Events.Name`       Array(LowCardinality(String)) CODEC(ZSTD(1)),
    `Events.Attributes` Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    `Links.TraceId`     Array(String) CODEC(ZSTD(1)),
    `Links.SpanId`      Array(String) CODEC(ZSTD(1)),
    `Links.TraceState`  Array(String) CODEC(ZSTD(1)),
    `Links.Attributes`  Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    x_BatchId           UUID CODEC(ZSTD(1)),
    retention_days      UInt16 DEFAULT 0 CODEC(ZSTD(1)),
    app_id              LowCardinality(String) MATERIALIZED otlp_app(ResourceAttributes, SpanAttributes, ServiceName),
    environment         LowCardinality(String) MATERIALIZED otlp_environment(ResourceAttributes),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1,
    INDEX idx_batch x_BatchId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY (toDate(Timestamp), retention_days)
ORDER BY (app_id, toStartOfFiveMinutes(Timestamp), SpanName, Timestamp)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
COMMENT 'Spans as delivered; read otel_traces_current'

-- statement
CREATE TABLE IF NOT EXISTS otel.otel_logs
(
    Timestamp          DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    TimestampTime      DateTime('UTC') DEFAULT toDateTime(Timestamp) CODEC(Delta(4), ZSTD(1)),
    TraceId            String CODEC(ZSTD(1)),
    SpanId             String CODEC(ZSTD(1)),
    TraceFlags         UInt8 CODEC(ZSTD(1)),
    SeverityText       LowCardinality(String) CODEC(ZSTD(1)),
    SeverityNumber     UInt8 CODEC(ZSTD(1)),
    ServiceName        LowCardinality(String) CODEC(ZSTD(1)),
    Body               String CODEC(ZSTD(1)),
    ResourceSchemaUrl  LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeSchemaUrl     LowCardinality(String) CODEC(ZSTD(1)),
    ScopeName          String CODEC(ZSTD(1)),
    ScopeVersion       LowCardinality(String) CODEC(ZSTD(1)),
    ScopeAttributes    Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    LogAttributes      Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    EventName          String CODEC(ZSTD(1)),
    x_BatchId          UUID CODEC(ZSTD(1)),
    retention_days     UInt16 DEFAULT 0 CODEC(ZSTD(1)),
    app_id             LowCardinality(String) MATERIALIZED otlp_app(ResourceAttributes, LogAttributes, ServiceName),
    environment        LowCardinality(String) MATERIALIZED otlp_environment(ResourceAttributes),
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
ENGINE = MergeTree
PARTITION BY (toDate(Timestamp), retention_days)
ORDER BY (app_id, toStartOfFiveMinutes(Timestamp), Timestamp)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
COMMENT 'Log records as delivered; read otel_logs_current'

-- statement
CREATE TABLE IF NOT EXISTS otel.otel_metrics_gauge
(
    ResourceAttributes             Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ResourceSchemaUrl              String CODEC(ZSTD(1)),
    ScopeName                      String CODEC(ZSTD(1)),
    ScopeVersion                   String CODEC(ZSTD(1)),
    ScopeAttributes                Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount          UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl                 String CODEC(ZSTD(1)),
    ServiceName                    LowCardinality(String) CODEC(ZSTD(1)),
    MetricName                     LowCardinality(String) CODEC(ZSTD(1)),
    MetricDescription              String CODEC(ZSTD(1)),
    MetricUnit                     String CODEC(ZSTD(1)),
    Attributes                     Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix                  DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    TimeUnix                       DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    Value                          Float64 CODEC(ZSTD(1)),
    Flags                          UInt32 CODEC(ZSTD(1)),
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    `Exemplars.TimeUnix`           Array(DateTime64(9, 'UTC')) CODEC(ZSTD(1)),
    `Exemplars.Value`              Array(Float64) CODEC(ZSTD(1)),
    `Exemplars.SpanId`             Array(String) CODEC(ZSTD(1)),
    `Exemplars.TraceId`            Array(String) CODEC(ZSTD(1)),
    x_BatchId                      UUID CODEC(ZSTD(1)),
    retention_days                 UInt16 DEFAULT 0 CODEC(ZSTD(1)),
    app_id                         LowCardinality(String) MATERIALIZED otlp_app(ResourceAttributes, Attributes, ServiceName),
    environment                    LowCardinality(String) MATERIALIZED otlp_environment(ResourceAttributes),
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_batch x_BatchId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY (toDate(TimeUnix), retention_days)
ORDER BY (app_id, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
COMMENT 'Points of gauges as delivered; read otel_metrics_gauge_current'

-- statement
CREATE TABLE IF NOT EXISTS otel.otel_metrics_sum
(
    ResourceAttributes             Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ResourceSchemaUrl              String CODEC(ZSTD(1)),
    ScopeName                      String CODEC(ZSTD(1)),
    ScopeVersion                   String CODEC(ZSTD(1)),
    ScopeAttributes                Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount          UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl                 String CODEC(ZSTD(1)),
    ServiceName                    LowCardinality(String) CODEC(ZSTD(1)),
    MetricName                     LowCardinality(String) CODEC(ZSTD(1)),
    MetricDescription              String CODEC(ZSTD(1)),
    MetricUnit                     String CODEC(ZSTD(1)),
    Attributes                     Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix                  DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    TimeUnix                       DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    Value                          Float64 CODEC(ZSTD(1)),
    Flags                          UInt32 CODEC(ZSTD(1)),
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    `Exemplars.TimeUnix`           Array(DateTime64(9, 'UTC')) CODEC(ZSTD(1)),
    `Exemplars.Value`              Array(Float64) CODEC(ZSTD(1)),
    `Exemplars.SpanId`             Array(String) CODEC(ZSTD(1)),
    `Exemplars.TraceId`            Array(String) CODEC(ZSTD(1)),
    AggregationTemporality         Int32 CODEC(ZSTD(1)),
    IsMonotonic                    Bool CODEC(ZSTD(1)),
    x_BatchId                      UUID CODEC(ZSTD(1)),
    retention_days                 UInt16 DEFAULT 0 CODEC(ZSTD(1)),
    app_id                         LowCardinality(String) MATERIALIZED otlp_app(ResourceAttributes, Attributes, ServiceName),
    environment                    LowCardinality(String) MATERIALIZED otlp_environment(ResourceAttributes),
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_batch x_BatchId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY (toDate(TimeUnix), retention_days)
ORDER BY (app_id, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
COMMENT 'Points of sums as delivered; read otel_metrics_sum_current'

-- statement
CREATE TABLE IF NOT EXISTS otel.otel_metrics_histogram
(
    ResourceAttributes             Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ResourceSchemaUrl              String CODEC(ZSTD(1)),
    ScopeName                      String CODEC(ZSTD(1)),
    ScopeVersion                   String CODEC(ZSTD(1)),
    ScopeAttributes                Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount          UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl                 String CODEC(ZSTD(1)),
    ServiceName                    LowCardinality(String) CODEC(ZSTD(1)),
    MetricName                     LowCardinality(String) CODEC(ZSTD(1)),
    MetricDescription              String CODEC(ZSTD(1)),
    MetricUnit                     String CODEC(ZSTD(1)),
    Attributes                     Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix                  DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    TimeUnix                       DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    Count                          UInt64 CODEC(ZSTD(1)),
    Sum                            Float64 CODEC(ZSTD(1)),
    BucketCounts                   Array(UInt64) CODEC(ZSTD(1)),
    ExplicitBounds                 Array(Float64) CODEC(ZSTD(1)),
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    `Exemplars.TimeUnix`           Array(DateTime64(9, 'UTC')) CODEC(ZSTD(1)),
    `Exemplars.Value`              Array(Float64) CODEC(ZSTD(1)),
    `Exemplars.SpanId`             Array(String) CODEC(ZSTD(1)),
    `Exemplars.TraceId`            Array(String) CODEC(ZSTD(1)),
    Flags                          UInt32 CODEC(ZSTD(1)),
    Min                            Float64 CODEC(ZSTD(1)),
    Max                            Float64 CODEC(ZSTD(1)),
    AggregationTemporality         Int32 CODEC(ZSTD(1)),
    x_BatchId                      UUID CODEC(ZSTD(1)),
    retention_days                 UInt16 DEFAULT 0 CODEC(ZSTD(1)),
    app_id                         LowCardinality(String) MATERIALIZED otlp_app(ResourceAttributes, Attributes, ServiceName),
    environment                    LowCardinality(String) MATERIALIZED otlp_environment(ResourceAttributes),
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_batch x_BatchId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY (toDate(TimeUnix), retention_days)
ORDER BY (app_id, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
COMMENT 'Points of histograms as delivered; read otel_metrics_histogram_current'

-- statement
CREATE TABLE IF NOT EXISTS otel.otel_metrics_exponential_histogram
(
    ResourceAttributes             Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ResourceSchemaUrl              String CODEC(ZSTD(1)),
    ScopeName                      String CODEC(ZSTD(1)),
    ScopeVersion                   String CODEC(ZSTD(1)),
    ScopeAttributes                Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount          UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl                 String CODEC(ZSTD(1)),
    ServiceName                    LowCardinality(String) CODEC(ZSTD(1)),
    MetricName                     LowCardinality(String) CODEC(ZSTD(1)),
    MetricDescription              String CODEC(ZSTD(1)),
    MetricUnit                     String CODEC(ZSTD(1)),
    Attributes                     Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix                  DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    TimeUnix                       DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    Count                          UInt64 CODEC(ZSTD(1)),
    Sum                            Float64 CODEC(ZSTD(1)),
    Scale                          Int32 CODEC(ZSTD(1)),
    ZeroCount                      UInt64 CODEC(ZSTD(1)),
    PositiveOffset                 Int32 CODEC(ZSTD(1)),
    PositiveBucketCounts           Array(UInt64) CODEC(ZSTD(1)),
    NegativeOffset                 Int32 CODEC(ZSTD(1)),
    NegativeBucketCounts           Array(UInt64) CODEC(ZSTD(1)),
    `Exemplars.FilteredAttributes` Array(Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
    `Exemplars.TimeUnix`           Array(DateTime64(9, 'UTC')) CODEC(ZSTD(1)),
    `Exemplars.Value`              Array(Float64) CODEC(ZSTD(1)),
    `Exemplars.SpanId`             Array(String) CODEC(ZSTD(1)),
    `Exemplars.TraceId`            Array(String) CODEC(ZSTD(1)),
    Flags                          UInt32 CODEC(ZSTD(1)),
    Min                            Float64 CODEC(ZSTD(1)),
    Max                            Float64 CODEC(ZSTD(1)),
    AggregationTemporality         Int32 CODEC(ZSTD(1)),
    x_BatchId                      UUID CODEC(ZSTD(1)),
    retention_days                 UInt16 DEFAULT 0 CODEC(ZSTD(1)),
    app_id                         LowCardinality(String) MATERIALIZED otlp_app(ResourceAttributes, Attributes, ServiceName),
    environment                    LowCardinality(String) MATERIALIZED otlp_environment(ResourceAttributes),
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_batch x_BatchId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY (toDate(TimeUnix), retention_days)
ORDER BY (app_id, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
COMMENT 'Points of exponential histograms as delivered; read otel_metrics_exponential_histogram_current'

-- statement
CREATE TABLE IF NOT EXISTS otel.otel_metrics_summary
(
    ResourceAttributes          Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ResourceSchemaUrl           String CODEC(ZSTD(1)),
    ScopeName                   String CODEC(ZSTD(1)),
    ScopeVersion                String CODEC(ZSTD(1)),
    ScopeAttributes             Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeDroppedAttrCount       UInt32 CODEC(ZSTD(1)),
    ScopeSchemaUrl              String CODEC(ZSTD(1)),
    ServiceName                 LowCardinality(String) CODEC(ZSTD(1)),
    MetricName                  LowCardinality(String) CODEC(ZSTD(1)),
    MetricDescription           String CODEC(ZSTD(1)),
    MetricUnit                  String CODEC(ZSTD(1)),
    Attributes                  Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    StartTimeUnix               DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    TimeUnix                    DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1)),
    Count                       UInt64 CODEC(ZSTD(1)),
    Sum                         Float64 CODEC(ZSTD(1)),
    `ValueAtQuantiles.Quantile` Array(Float64) CODEC(ZSTD(1)),
    `ValueAtQuantiles.Value`    Array(Float64) CODEC(ZSTD(1)),
    Flags                       UInt32 CODEC(ZSTD(1)),
    x_BatchId                   UUID CODEC(ZSTD(1)),
    retention_days              UInt16 DEFAULT 0 CODEC(ZSTD(1)),
    app_id                      LowCardinality(String) MATERIALIZED otlp_app(ResourceAttributes, Attributes, ServiceName),
    environment                 LowCardinality(String) MATERIALIZED otlp_environment(ResourceAttributes),
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_key mapKeys(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_scope_attr_value mapValues(ScopeAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_key mapKeys(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attr_attr_value mapValues(Attributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_batch x_BatchId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY (toDate(TimeUnix), retention_days)
ORDER BY (app_id, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
COMMENT 'Points of summaries as delivered; read otel_metrics_summary_current'
