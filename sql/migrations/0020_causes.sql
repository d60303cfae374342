-- Why cost changed: anomalies and the largest changes of a week in exact parts, with the version that began them; anomalies
-- of teams and services; and the charges that are kept out of trends, each kind told apart.

-- statement
CREATE TABLE IF NOT EXISTS mart_cost_causes
(
    subject           LowCardinality(String) COMMENT 'anomaly (of effective cost, against what was expected) or week (billed cost so far, against the same days of the week before)',
    app_id            String                 COMMENT 'the app',
    team              LowCardinality(String) COMMENT 'owning team',
    billing_currency  LowCardinality(String) COMMENT 'ISO 4217; currencies are never added',
    kind              LowCardinality(String) COMMENT 'kind of the anomaly: up, ramp or zero; or week',
    first_day         Date                   COMMENT 'first day of the change',
    last_day          Date                   COMMENT 'last day of the change',
    before_first_day  Date                   COMMENT 'first of the days before it that its lines are compared with',
    before_last_day   Date                   COMMENT 'last of those days',
    cost_before       Decimal(38, 18)        COMMENT 'usage of the days before; of an anomaly what was expected',
    cost_now          Decimal(38, 18)        COMMENT 'usage of the days of the change',
    change            Decimal(38, 18)        COMMENT 'cost_now - cost_before',
    volume_change     Decimal(38, 18)        COMMENT 'of the change: by more or fewer requests; by more or less usage where requests_ratio is NULL',
    price_change      Decimal(38, 18)        COMMENT 'of the change: by unit prices',
    mix_change        Decimal(38, 18)        COMMENT 'of the change: by dearer or cheaper lines of one service and unit',
    efficiency_change Decimal(38, 18)        COMMENT 'of the change: by more or less usage per request',
    started_change    Decimal(38, 18)        COMMENT 'of the change: lines that were not billed before',
    ended_change      Decimal(38, 18)        COMMENT 'of the change: lines that are not billed any more',
    other_change      Decimal(38, 18)        COMMENT 'of the change: lines whose quantity is not known; the seven sum to the change',
    requests_ratio    Nullable(Float64)      COMMENT 'requests of a day now against before; NULL where telemetry has not seen enough of the days',
    driver_service    String                 COMMENT 'service that moved most in the direction of the change; empty: cost that no line of the bill names, or none',
    driver_account    String                 COMMENT 'sub account that holds most of its move, where there are several',
    driver_region     String                 COMMENT 'region that does',
    driver_sku        String                 COMMENT 'SKU that does',
    driver_change     Decimal(38, 18)        COMMENT 'what that service changed by',
    driver_share      Nullable(Float64)      COMMENT 'share of the change; above 1 where something else offsets it; NULL without a driver',
    version           String                 COMMENT 'service.version that began it; empty where telemetry knows none',
    version_since     Nullable(DateTime('UTC')) COMMENT 'when that version was first seen',
    sentence          String                 COMMENT 'all of it in one sentence',
    batch_id          UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, subject, app_id, first_day)
COMMENT 'Why a cost changed: every anomaly and the largest changes of the week so far';
-- statement
CREATE OR REPLACE VIEW mart_cost_causes_current AS
SELECT * EXCEPT batch_id FROM mart_cost_causes
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_cost_causes');
-- statement
CREATE TABLE IF NOT EXISTS mart_cost_cause_parts
(
    subject          LowCardinality(String) COMMENT 'anomaly or week',
    app_id           String                 COMMENT 'the app',
    team             LowCardinality(String) COMMENT 'owning team',
    billing_currency LowCardinality(String) COMMENT 'ISO 4217',
    first_day        Date                   COMMENT 'first day of the change',
    dimension        LowCardinality(String) COMMENT 'service, account, region or sku',
    value            String                 COMMENT 'its value; empty: the bill does not say, or no line of it accounts for this',
    cost_before      Decimal(38, 18)        COMMENT 'usage before; of an anomaly its share of what was expected',
    cost_now         Decimal(38, 18)        COMMENT 'usage now',
    change           Decimal(38, 18)        COMMENT 'cost_now - cost_before; the parts of a dimension sum to the change',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, subject, app_id, first_day)
COMMENT 'What each service, account, region and SKU has of a change of cost';
-- statement
CREATE OR REPLACE VIEW mart_cost_cause_parts_current AS
SELECT * EXCEPT batch_id FROM mart_cost_cause_parts
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_cost_cause_parts');
-- statement
CREATE TABLE IF NOT EXISTS mart_cost_anomaly_rollups
(
    scope            LowCardinality(String) COMMENT 'team, service (of one team) or fleet (a service of every team)',
    team             LowCardinality(String) COMMENT 'the team; empty for the fleet',
    service_name     String                 COMMENT 'the service; empty for a team as a whole',
    billing_currency LowCardinality(String) COMMENT 'ISO 4217',
    start_date       Date                   COMMENT 'first anomalous day',
    end_date         Date                   COMMENT 'last anomalous day so far',
    expected_cost    Decimal(38, 18)        COMMENT 'expected of the anomalies added up; of a whole: of all apps',
    actual_cost      Decimal(38, 18)        COMMENT 'their actual cost',
    impact           Decimal(38, 18)        COMMENT 'actual - expected: the sum over the anomalies of its apps, above and below expected apart',
    share            Nullable(Float64)      COMMENT 'impact against what the whole group would have cost; NULL where that is nothing',
    apps             UInt32                 COMMENT 'apps with an anomaly; 0: no app shows it, the sum does',
    top_app          String                 COMMENT 'the app with the largest impact',
    top_impact       Decimal(38, 18)        COMMENT 'its impact',
    state            LowCardinality(String) COMMENT 'open or ended',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, scope, team, start_date)
COMMENT 'Anomalies of teams and services: what those of their apps add up to';
-- statement
CREATE OR REPLACE VIEW mart_cost_anomaly_rollups_current AS
SELECT * EXCEPT batch_id FROM mart_cost_anomaly_rollups
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_cost_anomaly_rollups');
-- statement
CREATE TABLE IF NOT EXISTS mart_charges_apart
(
    team             LowCardinality(String) COMMENT 'team of the charges',
    app_id           String                 COMMENT 'the app, or unallocated',
    billing_currency LowCardinality(String) COMMENT 'ISO 4217',
    kind             LowCardinality(String) COMMENT 'correction, tax, credit, purchase, adjustment, recurring or one_time',
    first_day        Date                   COMMENT 'first day of the month so far',
    last_day         Date                   COMMENT 'its last day of cost that is known whole',
    billed           Decimal(38, 18)        COMMENT 'billed in the month so far',
    before_first_day Date                   COMMENT 'first day of the month before',
    before_last_day  Date                   COMMENT 'last of its days that are compared',
    billed_before    Decimal(38, 18)        COMMENT 'billed in the same days of the month before',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, team, app_id)
COMMENT 'Charges that are no usage of a day and in no trend: each kind told apart';
-- statement
CREATE OR REPLACE VIEW mart_charges_apart_current AS
SELECT * EXCEPT batch_id FROM mart_charges_apart
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_charges_apart');
