-- Shared cost: what each rule gave to whom and by what, and what telemetry measures of an app in an hour.

-- statement
CREATE TABLE IF NOT EXISTS core_cost_allocations
(
    billing_period   Date                   COMMENT 'first day of the billing month (UTC)',
    usage_date       Date                   COMMENT 'day the charge period starts (UTC)',
    source_name      LowCardinality(String) COMMENT 'billing source',
    allocation_rule  LowCardinality(String) COMMENT 'shared cost rule of rules.yaml that gave the amount',
    rule_version     LowCardinality(String) COMMENT 'version rules.yaml named itself by',
    from_app_id      String                 COMMENT 'app the rule took from, or unallocated',
    app_id           String                 COMMENT 'app it gave to; the one it took from where nobody is charged',
    team             LowCardinality(String) COMMENT 'team of that app on the day, or unassigned',
    basis            LowCardinality(String) COMMENT 'what was split by: even, fixed, direct_cost, a measure of telemetry, idle (capacity nobody used) or keep',
    instead_of       LowCardinality(String) COMMENT 'what was to be measured where there was nothing and the fallback decided; else empty',
    window_start     DateTime('UTC')        COMMENT 'begin of the time that was measured',
    window_end       DateTime('UTC')        COMMENT 'first moment after it',
    quantity         Decimal(38, 9)         COMMENT 'what the app was weighed by, before tiers and minimum',
    total_quantity   Decimal(38, 9)         COMMENT 'the same of every app the rule charged',
    ratio            Decimal(38, 18)        COMMENT 'share of the app, after tiers and minimum, cut to 18 places',
    confidence       Float64                COMMENT 'how sure the basis is, 0 to 1 (policy data)',
    charges          UInt64                 COMMENT 'rows of the bill the amount is of',
    billing_currency LowCardinality(String) COMMENT 'ISO 4217',
    billed_cost      Decimal(38, 18)        COMMENT 'billed cost given',
    effective_cost   Decimal(38, 18)        COMMENT 'effective cost given',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY billing_period ORDER BY (billing_period, batch_id, app_id, usage_date)
COMMENT 'What shared cost rules gave: from which app to which, by what quantity and ratio';
-- statement
CREATE OR REPLACE VIEW core_cost_allocations_current AS
SELECT * EXCEPT batch_id FROM core_cost_allocations
WHERE (billing_period, batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_cost_allocations');
-- statement
CREATE TABLE IF NOT EXISTS core_app_usage_hours
(
    hour     DateTime('UTC')        COMMENT 'start of the hour',
    app_id   String                 COMMENT 'app of the telemetry',
    measure  LowCardinality(String) COMMENT 'what is measured: requests, span_seconds, cpu_seconds, network_bytes, memory_byte_hours, storage_byte_hours',
    quantity Decimal(38, 9)         COMMENT 'how much, in the unit of the measure; sampled spans stand for those left out',
    counted  UInt64                 COMMENT 'spans or metric points it rests on',
    batch_id UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY toYYYYMM(hour) ORDER BY (batch_id, measure, hour, app_id)
COMMENT 'What telemetry measures of an app in an hour: the weights of shared cost rules';
-- statement
CREATE OR REPLACE VIEW core_app_usage_hours_current AS
SELECT * EXCEPT batch_id FROM core_app_usage_hours
WHERE (toDate(hour), batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_app_usage_hours');
