-- Computed tables. Each row carries the batch that wrote it; the _current views admit published batches only.

-- statement
CREATE TABLE IF NOT EXISTS core_apps
(
    app_id       String                 COMMENT 'normalised app id',
    valid_from   Date                   COMMENT 'first day this line holds',
    valid_to     Date                   COMMENT 'first day it no longer holds; 2149-06-06 is open',
    app_name     String                 COMMENT 'title for people',
    team         LowCardinality(String) COMMENT 'owning team; unassigned where nobody is known',
    system       LowCardinality(String) COMMENT 'Backstage system, or empty',
    lifecycle    LowCardinality(String) COMMENT 'Backstage lifecycle: experimental, production, deprecated',
    lead         String                 COMMENT 'lead of the team',
    cost_center  LowCardinality(String) COMMENT 'cost centre of the team, text: leading zeros count',
    resource_ids Array(String)          COMMENT 'cloud resources the registry gives this app',
    patterns     Map(String, String)    COMMENT 'registry patterns: account, project, resource_group, name',
    source       String                 COMMENT 'file and document that says so',
    batch_id     UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, app_id, valid_from)
COMMENT 'The registry: apps, effective-dated, from catalog-info.yaml and teams.yaml';

-- statement
CREATE TABLE IF NOT EXISTS core_teams
(
    team         LowCardinality(String) COMMENT 'team name',
    lead         String                 COMMENT 'who leads it',
    cost_center  LowCardinality(String) COMMENT 'cost centre charged',
    members      Array(String)          COMMENT 'people of the team',
    batch_id     UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, team)
COMMENT 'Teams, from teams.yaml';

-- statement
CREATE TABLE IF NOT EXISTS core_identities
(
    x_IdentityHash   UInt64                 COMMENT 'hash over what identifies a cost row',
    valid_from       Date                   COMMENT 'first day the answer holds',
    app_id           String                 COMMENT 'the app, or unallocated',
    team             LowCardinality(String) COMMENT 'owning team, or unassigned',
    cost_center      LowCardinality(String) COMMENT 'cost centre of that team',
    environment      LowCardinality(String) COMMENT 'environment tag, or empty',
    attribution_rule LowCardinality(String) COMMENT 'app_tag, resource_id, pattern, shared, unallocated',
    confidence       Float64                COMMENT 'how sure the rule is, 0 to 1 (policy data)',
    evidence         String                 COMMENT 'the tag, resource or pattern that decided',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, x_IdentityHash, valid_from)
COMMENT 'Which app every distinct identity of the bill belongs to, and why';

-- statement
CREATE TABLE IF NOT EXISTS core_app_costs_daily
(
    billing_period   Date                   COMMENT 'first day of the billing month (UTC)',
    usage_date       Date                   COMMENT 'day the charge period starts (UTC)',
    source_name      LowCardinality(String) COMMENT 'billing source',
    app_id           String                 COMMENT 'the app, or unallocated',
    team             LowCardinality(String) COMMENT 'owning team, or unassigned',
    cost_center      LowCardinality(String) COMMENT 'cost centre, or empty',
    environment      LowCardinality(String) COMMENT 'environment, or empty',
    provider         LowCardinality(String) COMMENT 'FOCUS ServiceProviderName, else ProviderName',
    service_name     LowCardinality(String) COMMENT 'FOCUS ServiceName',
    charge_category  LowCardinality(String) COMMENT 'FOCUS ChargeCategory',
    charge_class     LowCardinality(String) COMMENT 'FOCUS ChargeClass; empty where NULL',
    billing_currency LowCardinality(String) COMMENT 'ISO 4217',
    billed_cost      Decimal(38, 18)        COMMENT 'exact sum of BilledCost',
    effective_cost   Decimal(38, 18)        COMMENT 'exact sum of EffectiveCost',
    attribution_rule LowCardinality(String) COMMENT 'rule that gave the app',
    confidence       Float64                COMMENT 'confidence of that rule',
    batch_id         UUID                   COMMENT 'batch that wrote the row',
    -- A charge may be billed in another month than the one it was used in: only the days say which parts can be left out.
    INDEX usage_days usage_date TYPE minmax GRANULARITY 1
)
ENGINE = {{merge_tree}} PARTITION BY billing_period ORDER BY (billing_period, batch_id, app_id, usage_date)
COMMENT 'Cost per app and day: attributed equals billed per source, period, currency and metric';

-- What a request is, and whether it went wrong, is said once: slices and daily activity share these functions. Their
-- numbers and names come from policy data, as arguments.

-- statement
CREATE OR REPLACE FUNCTION request_is AS (span_kind) ->
    span_kind IN ('Server', 'Consumer', 'SPAN_KIND_SERVER', 'SPAN_KIND_CONSUMER')

-- statement
CREATE OR REPLACE FUNCTION request_is_server AS (span_kind) -> span_kind IN ('Server', 'SPAN_KIND_SERVER')

-- statement
CREATE OR REPLACE FUNCTION request_method AS (attributes) ->
    upper(if(attributes['http.request.method'] != '', attributes['http.request.method'], attributes['http.method']))

-- statement
CREATE OR REPLACE FUNCTION request_path AS (span_name, attributes) -> multiIf(
    attributes['url.path'] != '', attributes['url.path'],
    attributes['http.target'] != '', cutQueryString(attributes['http.target']),
    attributes['http.route'] != '', attributes['http.route'],
    attributes['rpc.service'] != '', attributes['rpc.service'],
    position(span_name, ' ') > 0, substring(span_name, position(span_name, ' ') + 1),
    span_name)

-- statement
CREATE OR REPLACE FUNCTION request_agent AS (attributes) ->
    if(attributes['user_agent.original'] != '', attributes['user_agent.original'], attributes['http.user_agent'])

-- statement
CREATE OR REPLACE FUNCTION request_asks AS (attributes, methods) ->
    request_method(attributes) = '' OR has(methods, request_method(attributes))

-- statement
CREATE OR REPLACE FUNCTION request_kind AS (span_kind, span_name, attributes, health_paths, health_services, health_agents, health_methods) -> multiIf(
    NOT request_is_server(span_kind), 'consumer',
    match(request_path(span_name, attributes), health_services), 'health',
    (match(request_path(span_name, attributes), health_paths) OR match(request_agent(attributes), health_agents))
        AND request_asks(attributes, health_methods), 'health',
    'server')

-- statement
CREATE OR REPLACE FUNCTION request_route AS (span_name, attributes) -> if(
    attributes['http.route'] != '',
    trimLeft(concat(request_method(attributes), ' ', attributes['http.route'])),
    span_name)

-- statement
CREATE OR REPLACE FUNCTION request_http_status AS (attributes) -> greatest(
    toUInt16OrZero(attributes['http.response.status_code']), toUInt16OrZero(attributes['http.status_code']))

-- statement
CREATE OR REPLACE FUNCTION request_grpc_status AS (attributes) -> if(
    attributes['rpc.grpc.status_code'] != '', attributes['rpc.grpc.status_code'], attributes['rpc.response.status_code'])

-- statement
CREATE OR REPLACE FUNCTION request_error_class AS (span_kind, status_code, attributes, http_errors, caller_faults, grpc_codes, grpc_names) -> multiIf(
    request_http_status(attributes) BETWEEN http_errors[1] AND http_errors[2], toString(request_http_status(attributes)),
    has(grpc_codes, upper(request_grpc_status(attributes))), transform(upper(request_grpc_status(attributes)), grpc_codes, grpc_names, ''),
    request_is_server(span_kind)
        AND (request_http_status(attributes) BETWEEN caller_faults[1] AND caller_faults[2]
            OR request_grpc_status(attributes) NOT IN ('', '0', 'OK')), '',
    status_code IN ('Error', 'STATUS_CODE_ERROR'), 'error',
    '')

-- statement
CREATE TABLE IF NOT EXISTS core_request_slices
(
    slice_start     DateTime('UTC')        COMMENT 'start of the five minutes',
    app_id          String                 COMMENT 'app of the spans',
    environment     LowCardinality(String) COMMENT 'deployment.environment.name, or empty',
    version         LowCardinality(String) COMMENT 'service.version, or empty',
    route           LowCardinality(String) COMMENT 'method and http.route, else the name of the span; empty: the rare ones of the app and day, pooled',
    kind            LowCardinality(String) COMMENT 'server, consumer (CONSUMER spans) or health (health checks of a server)',
    requests        UInt32                 COMMENT 'requests, each span once',
    errors          UInt32                 COMMENT 'requests that went wrong',
    errors_by_class Map(LowCardinality(String), UInt32) COMMENT 'the same by HTTP status, gRPC code, or error where only the span says so',
    timed           UInt32                 COMMENT 'requests whose span has an end: the only ones with a duration',
    within          Array(UInt32)          COMMENT 'timed requests that took at most each bound of the latency ladder, in its order',
    batch_id        UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY toYYYYMM(slice_start) ORDER BY (batch_id, app_id, environment, slice_start)
COMMENT 'Five-minute slices of the requests an app answered or took from a queue';

-- statement
CREATE TABLE IF NOT EXISTS core_app_telemetry_daily
(
    usage_date      Date                   COMMENT 'day (UTC)',
    app_id          String                 COMMENT 'app of the signals',
    environment     LowCardinality(String) COMMENT 'deployment.environment.name, or empty',
    spans           UInt64                 COMMENT 'distinct spans of any kind',
    logs            UInt64                 COMMENT 'log records',
    metric_points   UInt64                 COMMENT 'distinct metric points',
    requests        UInt64                 COMMENT 'requests: SERVER and CONSUMER spans that are no health check',
    errors          UInt64                 COMMENT 'those that went wrong',
    health_checks   UInt64                 COMMENT 'health checks answered',
    health_errors   UInt64                 COMMENT 'those that went wrong',
    duration_p50_ms Float64                COMMENT 'median duration of the requests whose span has an end',
    duration_p95_ms Float64                COMMENT '95th percentile of the same',
    last_seen       DateTime64(9, 'UTC')   COMMENT 'time of the last signal',
    last_span_at    Nullable(DateTime64(9, 'UTC')) COMMENT 'start of the last span; null without spans',
    batch_id        UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY toYYYYMM(usage_date) ORDER BY (batch_id, app_id, usage_date)
COMMENT 'Daily activity per app';

-- statement
CREATE TABLE IF NOT EXISTS core_app_resources
(
    usage_date   Date                   COMMENT 'day (UTC)',
    app_id       String                 COMMENT 'app whose telemetry names the resource',
    resource_id  String                 COMMENT 'cloud.resource_id or faas.id, lower case',
    spans        UInt64                 COMMENT 'spans that name it',
    batch_id     UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY toYYYYMM(usage_date) ORDER BY (batch_id, resource_id, app_id)
COMMENT 'Cloud resources seen in telemetry: evidence for attribution rule 2';

-- statement
CREATE TABLE IF NOT EXISTS mart_slo_status
(
    as_of            DateTime('UTC')        COMMENT 'end of the newest slice counted',
    app_id           String                 COMMENT 'the app',
    team             LowCardinality(String) COMMENT 'owning team',
    environment      LowCardinality(String) COMMENT 'deployment.environment.name, or empty',
    is_production    Bool                   COMMENT 'only production pages',
    objective        LowCardinality(String) COMMENT 'availability or latency',
    target           Float64                COMMENT 'share of good events promised, 0 to 1',
    threshold_ms     Nullable(UInt32)       COMMENT 'a good event takes at most this; NULL where errors are counted',
    window_days      UInt16                 COMMENT 'rolling window',
    good             UInt64                 COMMENT 'good events in the window',
    total            UInt64                 COMMENT 'events in the window',
    sli              Nullable(Float64)      COMMENT 'good / total; NULL without events',
    budget_remaining Nullable(Float64)      COMMENT '1 - (bad/total)/(1-target), by occurrences, may be negative',
    is_spent         Bool                   COMMENT 'no budget is left, and that is no matter of one or two events',
    state            LowCardinality(String) COMMENT 'page, ticket, spent, silent, too_few, stale, ok or no_data',
    state_rank       UInt8                  COMMENT 'order of the states, 1 is the worst',
    since            Nullable(DateTime('UTC')) COMMENT 'first bad slice of the windows that fired, or begin of the silence',
    silent_since     Nullable(DateTime('UTC')) COMMENT 'begin of the silence, whatever the state; NULL where requests come as they should',
    health_checks    UInt64                 COMMENT 'health checks of the app and environment in the window, part of no objective',
    health_errors    UInt64                 COMMENT 'those that went wrong',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, app_id, environment, objective)
COMMENT 'Objectives, budgets and states per app and environment';

-- statement
CREATE TABLE IF NOT EXISTS mart_slo_burn
(
    as_of            DateTime('UTC')        COMMENT 'end of the newest slice counted',
    app_id           String                 COMMENT 'the app',
    team             LowCardinality(String) COMMENT 'owning team',
    environment      LowCardinality(String) COMMENT 'deployment.environment.name, or empty',
    objective        LowCardinality(String) COMMENT 'availability or latency',
    window           LowCardinality(String) COMMENT 'a window of the burn policy, or the objective''s own: 5m, 1h, 3d, 30d',
    window_seconds   UInt32                 COMMENT 'its length',
    bad              UInt64                 COMMENT 'bad events in it',
    total            UInt64                 COMMENT 'events in it',
    burn_rate        Nullable(Float64)      COMMENT '(bad/total)/(1-target); NULL without events',
    bad_slices       Nullable(UInt32)       COMMENT 'slices in it that burn faster than the budget allows; NULL for the objective''s own window',
    first_bad        Nullable(DateTime('UTC')) COMMENT 'start of the first of them',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, app_id, environment, objective, window_seconds)
COMMENT 'Burn of every objective in every window, one row each';

-- statement
CREATE TABLE IF NOT EXISTS mart_as_of
(
    slice_end        DateTime('UTC')        COMMENT 'end of the newest whole slice: the moment objectives are given for',
    cost_day         Date                   COMMENT 'the newest day of cost that is whole in every source still delivered',
    basis            LowCardinality(String) COMMENT 'live (the intake), fresh (files as they arrive), past (the senders own times), named (by a person), none',
    note             String                 COMMENT 'what cannot be known about the moment, or empty',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id)
COMMENT 'The moment figures are given for, and what it rests on: one row';

-- statement
CREATE TABLE IF NOT EXISTS mart_app_silences
(
    app_id           String                 COMMENT 'the app',
    team             LowCardinality(String) COMMENT 'owning team',
    environment      LowCardinality(String) COMMENT 'deployment.environment.name, or empty',
    silent_since     DateTime('UTC')        COMMENT 'end of the last slice with a request; where far too few came, since when',
    received         UInt64                 COMMENT 'requests since then',
    expected         Float64                COMMENT 'requests expected since then: same hours of the four weeks before',
    requests_per_day Float64                COMMENT 'requests a day in those weeks',
    clustering       Float64                COMMENT 'variance over mean of its hourly counts in those weeks, as the rule took it',
    apps_together    UInt32                 COMMENT 'apps that fell silent within a day, where so many are one finding; else 0',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, app_id, environment)
COMMENT 'Apps whose requests stopped, or nearly, against their own rhythm';

-- statement
CREATE TABLE IF NOT EXISTS mart_cost_anomalies
(
    app_id           String                 COMMENT 'the app',
    team             LowCardinality(String) COMMENT 'owning team',
    billing_currency LowCardinality(String) COMMENT 'currency of the series',
    start_date       Date                   COMMENT 'first anomalous day',
    end_date         Date                   COMMENT 'last anomalous day so far',
    kind             LowCardinality(String) COMMENT 'up, ramp or zero',
    expected_cost    Decimal(38, 18)        COMMENT 'expected over the episode',
    actual_cost      Decimal(38, 18)        COMMENT 'actual over the episode',
    impact           Decimal(38, 18)        COMMENT 'actual - expected',
    state            LowCardinality(String) COMMENT 'open (touches the last three days) or ended',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, app_id, start_date)
COMMENT 'Cost anomalies as episodes: flagged days with gaps of at most three days';

-- statement
CREATE TABLE IF NOT EXISTS mart_app_unit_costs_daily
(
    usage_date       Date                   COMMENT 'day (UTC)',
    app_id           String                 COMMENT 'the app',
    team             LowCardinality(String) COMMENT 'owning team',
    billing_currency LowCardinality(String) COMMENT 'ISO 4217',
    billed_cost      Decimal(38, 18)        COMMENT 'billed on that day',
    effective_cost   Decimal(38, 18)        COMMENT 'effective on that day',
    requests         UInt64                 COMMENT 'requests on that day',
    errors           UInt64                 COMMENT 'bad requests on that day',
    duration_p95_ms  Nullable(Float64)      COMMENT '95th percentile of request duration',
    cost_per_1000_requests Nullable(Decimal(38, 18)) COMMENT 'effective cost per 1,000 requests; NULL without requests',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY toYYYYMM(usage_date) ORDER BY (batch_id, app_id, usage_date)
COMMENT 'The join: cost and requests of an app on one day';

-- statement
CREATE TABLE IF NOT EXISTS mart_team_costs_weekly
(
    iso_week         String                 COMMENT 'ISO 8601 week, 2026-W07',
    week_start       Date                   COMMENT 'Monday (UTC)',
    days             UInt8                  COMMENT 'days of the week with any cost: 7 is complete',
    team             LowCardinality(String) COMMENT 'owning team, or unassigned',
    app_id           String                 COMMENT 'the app',
    billing_currency LowCardinality(String) COMMENT 'ISO 4217',
    billed_cost      Decimal(38, 18)        COMMENT 'billed in the week',
    effective_cost   Decimal(38, 18)        COMMENT 'effective in the week',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, team, week_start, app_id)
COMMENT 'Weekly cost per team and app, ISO weeks in UTC';

-- statement
CREATE TABLE IF NOT EXISTS mart_chargeback_lines
(
    billing_period   Date                   COMMENT 'billing month',
    line             UInt64                 COMMENT 'position on the statement',
    cost_center      LowCardinality(String) COMMENT 'cost centre charged',
    team             LowCardinality(String) COMMENT 'team charged',
    owner            String                 COMMENT 'lead of the team',
    app_id           String                 COMMENT 'the app, or unallocated',
    app_name         String                 COMMENT 'its title',
    source_name      LowCardinality(String) COMMENT 'billing source',
    provider         LowCardinality(String) COMMENT 'provider',
    service_name     LowCardinality(String) COMMENT 'service',
    charge_category  LowCardinality(String) COMMENT 'FOCUS ChargeCategory',
    charge_class     LowCardinality(String) COMMENT 'FOCUS ChargeClass, or empty',
    cost_type        LowCardinality(String) COMMENT 'direct, shared, unallocated or rounding',
    attribution_rule LowCardinality(String) COMMENT 'rule that gave the app',
    billing_currency LowCardinality(String) COMMENT 'ISO 4217',
    billed_cost      Decimal(38, 18)        COMMENT 'exact',
    effective_cost   Decimal(38, 18)        COMMENT 'exact',
    amount           Decimal(38, 18)        COMMENT 'charged: billed cost in the minor unit of the currency',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY billing_period ORDER BY (billing_period, batch_id, line)
COMMENT 'Statement lines: exact costs and the amount in minor units, with a rounding line per currency';

-- statement
CREATE TABLE IF NOT EXISTS mart_app_inventory
(
    app_id           String                 COMMENT 'the app',
    app_name         String                 COMMENT 'its title',
    team             LowCardinality(String) COMMENT 'owning team, or unassigned',
    lifecycle        LowCardinality(String) COMMENT 'Backstage lifecycle, or empty',
    is_registered    Bool                   COMMENT 'in the registry',
    is_billed        Bool                   COMMENT 'seen in a bill',
    is_observed      Bool                   COMMENT 'seen in telemetry',
    has_indicator    Bool                   COMMENT 'has SERVER or CONSUMER spans in the window',
    first_cost_date  Nullable(Date)         COMMENT 'first day with cost',
    last_cost_date   Nullable(Date)         COMMENT 'last day with cost',
    last_seen        Nullable(DateTime64(9, 'UTC')) COMMENT 'last signal',
    requests_30d     UInt64                 COMMENT 'requests in the 30 days to as-of',
    billed_cost_30d  Map(String, Decimal(38, 18)) COMMENT 'billed in the 30 cost days to as-of, by currency',
    effective_cost_30d Map(String, Decimal(38, 18)) COMMENT 'effective in the same days, by currency',
    is_idle          Bool                   COMMENT 'cost in the last 30 days, observed before, no request in them',
    worst_state      LowCardinality(String) COMMENT 'worst objective in production, or anywhere where there is none',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, app_id)
COMMENT 'Every app known from the registry, a bill or telemetry';

-- statement
CREATE OR REPLACE VIEW core_apps_current AS
SELECT * EXCEPT batch_id FROM core_apps
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'core_apps');
-- statement
CREATE OR REPLACE VIEW core_teams_current AS
SELECT * EXCEPT batch_id FROM core_teams
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'core_teams');
-- statement
CREATE OR REPLACE VIEW core_identities_current AS
SELECT * EXCEPT batch_id FROM core_identities
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'core_identities');
-- statement
CREATE OR REPLACE VIEW core_app_costs_daily_current AS
SELECT * EXCEPT batch_id FROM core_app_costs_daily
WHERE (billing_period, batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_app_costs_daily');
-- statement
CREATE OR REPLACE VIEW core_request_slices_current AS
SELECT * EXCEPT batch_id FROM core_request_slices
WHERE (toDate(slice_start), batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_request_slices');
-- statement
CREATE OR REPLACE VIEW core_app_telemetry_daily_current AS
SELECT * EXCEPT batch_id FROM core_app_telemetry_daily
WHERE (usage_date, batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_app_telemetry_daily');
-- statement
CREATE OR REPLACE VIEW core_app_resources_current AS
SELECT * EXCEPT batch_id FROM core_app_resources
WHERE (usage_date, batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_app_resources');
-- statement
CREATE OR REPLACE VIEW mart_slo_burn_current AS
SELECT * EXCEPT batch_id FROM mart_slo_burn
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_slo_burn');
-- statement
CREATE OR REPLACE VIEW mart_slo_status_current AS
SELECT s.* EXCEPT batch_id,
    b.burn_rate_5m AS burn_rate_5m, b.burn_rate_30m AS burn_rate_30m, b.burn_rate_1h AS burn_rate_1h,
    b.burn_rate_2h AS burn_rate_2h, b.burn_rate_6h AS burn_rate_6h, b.burn_rate_1d AS burn_rate_1d,
    b.burn_rate_3d AS burn_rate_3d
FROM mart_slo_status AS s
LEFT JOIN
(
    SELECT
        app_id, environment, objective,
        anyIf(burn_rate, window = '5m') AS burn_rate_5m, anyIf(burn_rate, window = '30m') AS burn_rate_30m,
        anyIf(burn_rate, window = '1h') AS burn_rate_1h, anyIf(burn_rate, window = '2h') AS burn_rate_2h,
        anyIf(burn_rate, window = '6h') AS burn_rate_6h, anyIf(burn_rate, window = '1d') AS burn_rate_1d,
        anyIf(burn_rate, window = '3d') AS burn_rate_3d
    FROM mart_slo_burn
    WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_slo_burn')
    GROUP BY app_id, environment, objective
) AS b USING (app_id, environment, objective)
WHERE s.batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_slo_status');
-- statement
CREATE OR REPLACE VIEW mart_as_of_current AS
SELECT * EXCEPT batch_id FROM mart_as_of
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_as_of');
-- statement
CREATE OR REPLACE VIEW mart_app_silences_current AS
SELECT * EXCEPT batch_id FROM mart_app_silences
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_app_silences');
-- statement
CREATE OR REPLACE VIEW mart_cost_anomalies_current AS
SELECT * EXCEPT batch_id FROM mart_cost_anomalies
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_cost_anomalies');
-- statement
CREATE OR REPLACE VIEW mart_app_unit_costs_daily_current AS
SELECT * EXCEPT batch_id FROM mart_app_unit_costs_daily
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_app_unit_costs_daily');
-- statement
CREATE OR REPLACE VIEW mart_team_costs_weekly_current AS
SELECT * EXCEPT batch_id FROM mart_team_costs_weekly
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_team_costs_weekly');
-- statement
CREATE OR REPLACE VIEW mart_chargeback_lines_current AS
SELECT * EXCEPT batch_id FROM mart_chargeback_lines
WHERE (billing_period, batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'mart_chargeback_lines');
-- statement
CREATE OR REPLACE VIEW mart_app_inventory_current AS
SELECT * EXCEPT batch_id FROM mart_app_inventory
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_app_inventory');
-- statement
-- The bill as people read it: published rows with the app of their identity, as it held on the day of the charge.
CREATE OR REPLACE VIEW raw_focus_costs_current AS
SELECT costs.*, if(identity.app_id = '', 'unallocated', identity.app_id) AS x_AppId
FROM raw_focus_costs_published AS costs
ASOF LEFT JOIN
(
    SELECT x_IdentityHash AS identity_hash, valid_from, app_id FROM core_identities_current
) AS identity
ON identity.identity_hash = costs.x_IdentityHash AND toDate(costs.ChargePeriodStart) >= identity.valid_from
