-- Forecasts of the month's end and states of budgets; and how often a charge comes, which keeps it out of a trend.

-- statement
ALTER TABLE core_app_costs_daily
    ADD COLUMN IF NOT EXISTS charge_frequency LowCardinality(String) DEFAULT '' COMMENT 'FOCUS ChargeFrequency; empty where NULL, and in months computed before it was kept' AFTER charge_class;
-- statement
CREATE OR REPLACE VIEW core_app_costs_daily_current AS
SELECT * EXCEPT batch_id FROM core_app_costs_daily
WHERE (billing_period, batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_app_costs_daily');
-- statement
CREATE TABLE IF NOT EXISTS mart_cost_forecasts
(
    scope              LowCardinality(String) COMMENT 'app, team or fleet',
    name               String                 COMMENT 'the app or the team; empty for the fleet',
    team               LowCardinality(String) COMMENT 'team the row is of: the newest owner of an app; empty for the fleet',
    billing_currency   LowCardinality(String) COMMENT 'ISO 4217; currencies are never added',
    month              Date                   COMMENT 'first day of the calendar month (UTC) that is forecast',
    as_of              Date                   COMMENT 'last day of cost that is known whole',
    usage_to_date      Decimal(38, 18)        COMMENT 'billed usage of the complete days of the month',
    other_charges      Decimal(38, 18)        COMMENT 'every other billed charge of the month as it stands: tax, credits, purchases, corrections, recurring and one-time charges',
    recurring_expected Decimal(38, 18)        COMMENT 'recurring charges of the same days of the month before, for the days to come',
    expected_rest      Nullable(Float64)      COMMENT 'prediction: usage of the days that are not complete; NULL where too little is known',
    expected_total     Nullable(Float64)      COMMENT 'prediction: what the month will come to',
    low_total          Nullable(Float64)      COMMENT 'prediction: lower bound of the 80 % band; NULL where no past tells how wrong it is',
    high_total         Nullable(Float64)      COMMENT 'prediction: upper bound of the 80 % band',
    state              LowCardinality(String) COMMENT 'ok, no_band, stopped, no_usage, too_few (days of cost) or late (bill)',
    apps               UInt32                 COMMENT 'apps with usage that the row is of',
    apps_unpredicted   UInt32                 COMMENT 'of them those too young or too late to predict; what they have cost counts',
    known_days         UInt32                 COMMENT 'days of cost the longest known app of it rests on',
    batch_id           UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, scope, name)
COMMENT 'Where the month will end for every app, team and the fleet, per currency';
-- statement
CREATE OR REPLACE VIEW mart_cost_forecasts_current AS
SELECT * EXCEPT batch_id FROM mart_cost_forecasts
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_cost_forecasts');
-- statement
CREATE TABLE IF NOT EXISTS mart_budget_states
(
    scope            LowCardinality(String)    COMMENT 'app, team or fleet',
    name             String                    COMMENT 'the app or the team; empty for the fleet',
    team             LowCardinality(String)    COMMENT 'team the row is of: the newest owner of an app; empty for the fleet',
    billing_currency LowCardinality(String)    COMMENT 'ISO 4217; charges of other currencies do not count',
    period           LowCardinality(String)    COMMENT 'month, quarter or year',
    first_day        Date                      COMMENT 'first day of the period that has a budget',
    last_day         Date                      COMMENT 'last day of the period that has a budget',
    as_of            Date                      COMMENT 'last day of cost that is known whole',
    budget           Decimal(38, 18)           COMMENT 'amount of the period; of lines that hold for a part of it, their share of its days',
    spent            Decimal(38, 18)           COMMENT 'billed on the days of the period to as_of',
    expected_total   Nullable(Float64)         COMMENT 'prediction: what the period will come to',
    low_total        Nullable(Float64)         COMMENT 'prediction: lower bound of the 80 % band',
    high_total       Nullable(Float64)         COMMENT 'prediction: upper bound of the 80 % band',
    alert_share      Nullable(Decimal(38, 18)) COMMENT 'largest share of the budget to alert at that is spent; NULL while none is',
    next_share       Nullable(Decimal(38, 18)) COMMENT 'largest share to alert at that the period is expected to reach, where it is not spent yet',
    state            LowCardinality(String)    COMMENT 'exhausted, over (expected to run out), alert (a share is spent), ok or unknown (no forecast)',
    exhausted_on     Nullable(Date)            COMMENT 'day on which the budget was spent',
    expected_on      Nullable(Date)            COMMENT 'prediction: day on which it will be; NULL where it lasts',
    earliest_on      Nullable(Date)            COMMENT 'prediction: the same at the upper bound of the band',
    latest_on        Nullable(Date)            COMMENT 'prediction: the same at the lower bound; NULL where it then lasts',
    basis            String                    COMMENT 'the lines of the budget in words',
    batch_id         UUID                      COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, scope, name)
COMMENT 'Budgets of the current period: what is spent, what is expected, and when they run out';
-- statement
CREATE OR REPLACE VIEW mart_budget_states_current AS
SELECT * EXCEPT batch_id FROM mart_budget_states
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_budget_states');
