-- What is left of every error budget in events and minutes, when nothing will be, how sure the indicator is, and which outages
-- traffic so thin cannot show.

-- statement
CREATE TABLE IF NOT EXISTS mart_slo_budgets
(
    as_of                 DateTime('UTC')           COMMENT 'end of the newest slice counted',
    app_id                String                    COMMENT 'the app',
    team                  LowCardinality(String)    COMMENT 'owning team',
    environment           LowCardinality(String)    COMMENT 'deployment.environment.name, or empty',
    objective             LowCardinality(String)    COMMENT 'what is promised',
    events_left           Float64                   COMMENT 'bad events that the events so far still allow; negative once overspent',
    minutes_spent         Nullable(Float64)         COMMENT 'minutes of the window in which everything would have failed to do the same; NULL without events',
    minutes_allowed       Float64                   COMMENT 'minutes of the window in which everything may fail',
    exhausts_at           Nullable(DateTime('UTC')) COMMENT 'when nothing will be left if the last day goes on, counting what is spent and what ages out; as_of: spent; NULL: not within a window',
    sli_low               Nullable(Float64)         COMMENT 'share of good events, lower end of its interval at 95 %',
    sli_high              Nullable(Float64)         COMMENT 'share of good events, upper end of its interval at 95 %',
    requests_per_day      Float64                   COMMENT 'events of the objective a day, over its window',
    clustering            Float64                   COMMENT 'variance over mean of the bad events of an hour; the policy''s number where it was not measured',
    shortest_outage_hours Nullable(Float64)         COMMENT 'from which length on an outage of everything is found, by and large; NULL: no window is long enough',
    unseen                String                    COMMENT 'what traffic so thin cannot show, in one sentence; empty: an outage of half an hour is found',
    batch_id              UUID                      COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, app_id, environment, objective)
COMMENT 'Error budgets: what is left of each, until when, and what cannot be seen';
-- statement
CREATE OR REPLACE VIEW mart_slo_budgets_current AS
SELECT * EXCEPT batch_id FROM mart_slo_budgets
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_slo_budgets');
