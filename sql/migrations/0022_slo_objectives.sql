-- What every objective promises, and since when: a change of an objective begins a generation, and what held before stays.

-- statement
CREATE TABLE IF NOT EXISTS mart_slo_objectives
(
    app_id           String                  COMMENT 'the app',
    team             LowCardinality(String)  COMMENT 'owning team',
    environment      LowCardinality(String)  COMMENT 'environment; empty: telemetry names none',
    objective        LowCardinality(String)  COMMENT 'name of the objective, as in mart_slo_status',
    generation       UInt32                  COMMENT 'number of this definition of the objective, from 1',
    valid_from       DateTime('UTC')         COMMENT 'as-of of the first answer that was given by it',
    valid_to         Nullable(DateTime('UTC')) COMMENT 'as-of of the first answer that was not; NULL: it holds',
    indicator        LowCardinality(String)  COMMENT 'availability or latency',
    target           Decimal(38, 18)         COMMENT 'share of events that must be good',
    threshold_ms     Nullable(UInt32)        COMMENT 'a good event takes this long at most; NULL: not about latency',
    time_window      LowCardinality(String)  COMMENT 'days that roll (30d), or a period of a calendar with its first begin and zone (1M from 2026-01-01 00:00:00 Europe/Vienna)',
    budgeting_method LowCardinality(String)  COMMENT 'OpenSLO budgeting method',
    span_kinds       Array(String)           COMMENT 'kinds of spans it counts',
    source           String                  COMMENT 'file and line that say so, the tier of the app, or defaults',
    batch_id         UUID                    COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (batch_id, app_id, environment, objective, generation)
COMMENT 'Generations of every objective';
-- statement
CREATE OR REPLACE VIEW mart_slo_objectives_current AS
SELECT * EXCEPT batch_id FROM mart_slo_objectives
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_slo_objectives')
