-- What finance reports beside the ledgers of their own: the rates a month was converted by, its statement in the reporting
-- currency, and what lies between billed and effective cost. A closed month's rates and lines are those of the batches its
-- closing names.

-- statement
CREATE TABLE IF NOT EXISTS mart_reporting_rates
(
    statement_period   Date                      COMMENT 'month of the statement',
    usage_date         Date                      COMMENT 'day of usage the rate converts',
    billing_currency   LowCardinality(String)    COMMENT 'currency of the bill, ISO 4217',
    reporting_currency LowCardinality(String)    COMMENT 'currency it is converted to',
    rate               Nullable(Decimal(38, 18)) COMMENT 'reporting currency for one unit of the bill''s; NULL where the table has none',
    rate_date          Nullable(Date)            COMMENT 'day the table has the rate for',
    rate_source        String                    COMMENT 'who published the rate, as the table says',
    batch_id           UUID                      COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY statement_period ORDER BY (statement_period, batch_id, billing_currency, usage_date)
COMMENT 'Rates a month is converted to the reporting currency by, per day of usage';

-- statement
CREATE TABLE IF NOT EXISTS mart_reporting_lines
(
    statement_period   Date                   COMMENT 'month of the statement',
    line               UInt64                 COMMENT 'line of the statement; the one behind the last is the rounding of this currency',
    reporting_currency LowCardinality(String) COMMENT 'ISO 4217',
    billed_cost        Decimal(38, 18)        COMMENT 'the line''s billed cost, each day at its rate, the sum rounded half to even to 18 places',
    effective_cost     Decimal(38, 18)        COMMENT 'the same of its effective cost',
    amount             Decimal(38, 18)        COMMENT 'the billed cost before that rounding, in the minor unit of the currency',
    batch_id           UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY statement_period ORDER BY (statement_period, batch_id, line)
COMMENT 'Statement lines in the reporting currency; none where a rate of the month is missing';

-- statement
CREATE TABLE IF NOT EXISTS mart_cost_bridges
(
    billing_period   Date                   COMMENT 'first day of the billing month (UTC)',
    source_name      String                 COMMENT 'billing source; both sources of a pair, a + between them',
    billing_currency LowCardinality(String) COMMENT 'ISO 4217',
    position         UInt8                  COMMENT 'order of the parts, from billed to effective',
    part             LowCardinality(String) COMMENT 'billed, purchases, covered, used, unused, other or effective',
    amount           Decimal(38, 18)        COMMENT 'billed and all up to other sum to effective',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY billing_period ORDER BY (billing_period, batch_id, source_name, billing_currency, position)
COMMENT 'What lies between billed and effective cost of a month: commitments bought, used and unused';

-- statement
CREATE TABLE IF NOT EXISTS mart_unused_commitments
(
    billing_period   Date                   COMMENT 'first day of the billing month (UTC)',
    source_name      LowCardinality(String) COMMENT 'billing source',
    billing_currency LowCardinality(String) COMMENT 'ISO 4217',
    commitment_id    String                 COMMENT 'FOCUS CommitmentDiscountId',
    commitment_name  String                 COMMENT 'its name',
    app_id           String                 COMMENT 'app its unused part is attributed to before shared cost is split, or unallocated',
    team             LowCardinality(String) COMMENT 'team of that app',
    unused_cost      Decimal(38, 18)        COMMENT 'effective cost nobody used',
    used_cost        Decimal(38, 18)        COMMENT 'effective cost of the commitment that was used, by whomever',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY billing_period ORDER BY (billing_period, batch_id, source_name, commitment_id)
COMMENT 'Commitments that were not used whole, and who owns them';

-- statement
CREATE OR REPLACE VIEW mart_reporting_rates_current AS
SELECT * EXCEPT batch_id FROM mart_reporting_rates
WHERE (statement_period, batch_id) IN
(
    SELECT period, batch_id FROM current_batches
    WHERE table_name = 'mart_reporting_rates'
        AND period NOT IN (SELECT statement_period FROM statement_closings_current WHERE state = 'closed')
    UNION ALL
    SELECT statement_period, batches[concat('reporting ', formatDateTime(statement_period, '%Y-%m'), ' mart_reporting_rates')]
    FROM statement_closings_current
    WHERE state = 'closed'
);

-- statement
CREATE OR REPLACE VIEW mart_reporting_lines_current AS
SELECT * EXCEPT batch_id FROM mart_reporting_lines
WHERE (statement_period, batch_id) IN
(
    SELECT period, batch_id FROM current_batches
    WHERE table_name = 'mart_reporting_lines'
        AND period NOT IN (SELECT statement_period FROM statement_closings_current WHERE state = 'closed')
    UNION ALL
    SELECT statement_period, batches[concat('reporting ', formatDateTime(statement_period, '%Y-%m'), ' mart_reporting_lines')]
    FROM statement_closings_current
    WHERE state = 'closed'
);

-- statement
CREATE OR REPLACE VIEW mart_cost_bridges_current AS
SELECT * EXCEPT batch_id FROM mart_cost_bridges
WHERE (billing_period, batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'mart_cost_bridges');

-- statement
CREATE OR REPLACE VIEW mart_unused_commitments_current AS
SELECT * EXCEPT batch_id FROM mart_unused_commitments
WHERE (billing_period, batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'mart_unused_commitments');
