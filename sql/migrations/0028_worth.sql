-- Reliability in money, and what telemetry takes: calls between apps and volumes of telemetry by day, and what follows.

-- statement
CREATE TABLE IF NOT EXISTS core_app_calls
(
    usage_date       Date   COMMENT 'day (UTC) of the request that answers the call',
    caller           String COMMENT 'app of the span that called; empty: not known, of requests that say they repeat one',
    callee           String COMMENT 'app that answered',
    calls            UInt64 COMMENT 'requests of the callee, health checks apart',
    failed           UInt64 COMMENT 'those of them that went wrong',
    retries          UInt64 COMMENT 'those of them that say they repeat one',
    failed_retries   UInt64 COMMENT 'repeats that went wrong',
    hurt             UInt64 COMMENT 'failed requests of the caller in a trace in which a call of it to the callee failed; each counts for one callee',
    batch_id         UUID   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY toYYYYMM(usage_date) ORDER BY (batch_id, callee, caller, usage_date)
COMMENT 'Calls between apps on a whole day: how many failed, were repeated, and whom that hurt';
-- statement
CREATE OR REPLACE VIEW core_app_calls_current AS
SELECT * EXCEPT batch_id FROM core_app_calls
WHERE (usage_date, batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_app_calls');
-- statement
CREATE TABLE IF NOT EXISTS core_app_telemetry_volumes
(
    usage_date    Date                   COMMENT 'day (UTC)',
    app_id        String                 COMMENT 'app of the telemetry',
    signal        LowCardinality(String) COMMENT 'spans, logs or points (of metrics)',
    records       UInt64                 COMMENT 'rows kept, copies among them',
    bytes         UInt64                 COMMENT 'their size before it is compressed',
    series        UInt64                 COMMENT 'points: distinct series',
    widest_metric String                 COMMENT 'points: the metric with the most series; else empty',
    widest_series UInt64                 COMMENT 'points: its series',
    batch_id      UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY toYYYYMM(usage_date) ORDER BY (batch_id, app_id, usage_date, signal)
COMMENT 'What the telemetry of an app takes on a whole day';
-- statement
CREATE OR REPLACE VIEW core_app_telemetry_volumes_current AS
SELECT * EXCEPT batch_id FROM core_app_telemetry_volumes
WHERE (usage_date, batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_app_telemetry_volumes');
-- statement
CREATE TABLE IF NOT EXISTS mart_reliability_costs_daily
(
    usage_date            Date                     COMMENT 'day (UTC)',
    app_id                String                   COMMENT 'the app',
    team                  LowCardinality(String)   COMMENT 'owning team',
    billing_currency      LowCardinality(String)   COMMENT 'ISO 4217; currencies are never added',
    state                 LowCardinality(String)   COMMENT 'known; or why nothing is: telemetry_open (the day is not whole), telemetry_missing (of no app), no_telemetry (not of this app on the day), silent, cost_open (its bill is not whole), no_requests',
    effective_cost        Decimal(38, 18)          COMMENT 'effective cost of the day',
    requests              Nullable(UInt64)         COMMENT 'requests; NULL where not known',
    failed                Nullable(UInt64)         COMMENT 'requests that went wrong',
    retries               Nullable(UInt64)         COMMENT 'requests that went right and say they repeat one; NULL where none does: whether there were any is not known',
    good                  Nullable(Decimal(38, 9)) COMMENT 'requests that went right; where telemetry is sampled, what they stand for',
    cost_per_good_request Nullable(Decimal(38, 18)) COMMENT 'effective cost over good; NULL where there is none',
    good_cost             Nullable(Decimal(38, 18)) COMMENT 'share of the cost of requests that went right the first time',
    failed_cost           Nullable(Decimal(38, 18)) COMMENT 'share of those that went wrong; good, failed and retried sum to the effective cost',
    retry_cost            Nullable(Decimal(38, 18)) COMMENT 'share of the retries; NULL where they are not known',
    batch_id              UUID                     COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, app_id, usage_date, billing_currency)
COMMENT 'What good, failed and repeated requests of an app cost on a day; days that are not whole are not known';
-- statement
CREATE OR REPLACE VIEW mart_reliability_costs_daily_current AS
SELECT * EXCEPT batch_id FROM mart_reliability_costs_daily
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_reliability_costs_daily');
-- statement
CREATE TABLE IF NOT EXISTS mart_app_worth
(
    app_id                String                    COMMENT 'the app',
    team                  LowCardinality(String)    COMMENT 'owning team',
    billing_currency      LowCardinality(String)    COMMENT 'ISO 4217; empty: no bill',
    first_day             Date                      COMMENT 'first day of the window',
    last_day              Date                      COMMENT 'its last day',
    days_known            UInt16                    COMMENT 'days of the window everything is known of; the figures are of these alone',
    days_not_known        UInt16                    COMMENT 'the other days of the window',
    effective_cost        Decimal(38, 18)           COMMENT 'effective cost of the known days',
    requests              UInt64                    COMMENT 'requests of the known days',
    failed                UInt64                    COMMENT 'those that went wrong',
    retries               Nullable(UInt64)          COMMENT 'retries that say so, of the days on which any does',
    cost_per_good_request Nullable(Decimal(38, 18)) COMMENT 'effective cost of days with requests over the requests that went right, sampled ones as what they stand for',
    cohort_apps           UInt32                    COMMENT 'apps it is held against: billed in the currency, with such a figure',
    cohort_place          Nullable(UInt32)          COMMENT 'its place among them, the cheapest is 1',
    failed_cost           Nullable(Decimal(38, 18)) COMMENT 'cost of the failed requests: what the error budget burnt cost; NULL without requests',
    retry_cost            Nullable(Decimal(38, 18)) COMMENT 'cost of the retries, NULL where none is known',
    target                Nullable(Decimal(38, 18)) COMMENT 'objective of availability, 0 to 1',
    budget_cost           Nullable(Decimal(38, 18)) COMMENT 'what the whole error budget of these days is worth: effective cost of days with requests * (1 - target)',
    burnt_share           Nullable(Float64)         COMMENT 'failed / (requests * (1 - target)); above 1 is overspent',
    verdict               LowCardinality(String)    COMMENT 'over_reliable (and dear), failing (and cheap), or empty',
    price_of_a_nine       Nullable(Decimal(38, 18)) COMMENT 'estimate: what one more nine cost per window, at the requests of the later one; below zero: it was had for less',
    price_inputs          String                    COMMENT 'what the estimate rests on, or why there is none, in one sentence',
    telemetry_bytes       UInt64                    COMMENT 'bytes its telemetry took in the window, before compression',
    telemetry_share       Nullable(Float64)         COMMENT 'their share of all apps; NULL where no day is known',
    spans                 UInt64                    COMMENT 'spans in the window',
    log_records           UInt64                    COMMENT 'log records in the window',
    metric_points         UInt64                    COMMENT 'points of metrics in the window',
    series                UInt64                    COMMENT 'series on the day with the most',
    proposal              String                    COMMENT 'what to sample or keep shorter, where telemetry exceeds a cap; else empty',
    sentence              String                    COMMENT 'verdict in one sentence; empty without one',
    batch_id              UUID                      COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, app_id, billing_currency)
COMMENT 'What reliability and telemetry of an app were worth in the newest whole window, per currency';
-- statement
CREATE OR REPLACE VIEW mart_app_worth_current AS
SELECT * EXCEPT batch_id FROM mart_app_worth
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_app_worth');
-- statement
CREATE TABLE IF NOT EXISTS mart_reliability_credits
(
    month            Date                   COMMENT 'first day of the month',
    first_day        Date                   COMMENT 'first day with a failure',
    last_day         Date                   COMMENT 'last day with one',
    from_app_id      String                 COMMENT 'the shared app whose failures hurt',
    from_team        LowCardinality(String) COMMENT 'its team, which would pay',
    app_id           String                 COMMENT 'the app that was hurt',
    team             LowCardinality(String) COMMENT 'its team, which would be credited',
    billing_currency LowCardinality(String) COMMENT 'ISO 4217',
    failed_calls     UInt64                 COMMENT 'calls of the app to the shared one that failed',
    hurt_requests    UInt64                 COMMENT 'failed requests of the app that these calls were part of',
    credit           Decimal(38, 18)        COMMENT 'what those requests cost the app; credits and the rest sum to its cost of failed requests',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, month, from_app_id, app_id)
COMMENT 'Proposal: what a shared platform owes the apps its failures hurt; no statement holds it';
-- statement
CREATE OR REPLACE VIEW mart_reliability_credits_current AS
SELECT * EXCEPT batch_id FROM mart_reliability_credits
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_reliability_credits')
