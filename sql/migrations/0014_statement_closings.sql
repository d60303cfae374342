-- Closed statements: what a month was closed with, its lines and the bytes of its files, and what was moved by a person
-- afterwards. Lines are only ever added; the highest (fence, seq) of a statement's month holds.

-- statement
CREATE TABLE IF NOT EXISTS statement_closings
(
    statement_period  Date                   COMMENT 'month of the statement',
    fence             UInt64                 COMMENT 'of the lease it was decided under; the highest (fence, seq) of a month holds',
    seq               UInt64                 COMMENT 'counts the decisions on a month',
    state             LowCardinality(String) COMMENT 'closed, or reopened by a person',
    statement_id      String                 COMMENT 'fingerprint of what the statement says',
    statement_version UInt64                 COMMENT 'of the statements of the month that said something else, the one this is',
    rule_version      String                 COMMENT 'version of the rules of attribution',
    rules_sha256      String                 COMMENT 'fingerprint of everything the lines were computed by',
    layout_version    UInt64                 COMMENT 'layout of the files',
    lines_batch       UUID                   COMMENT 'batch of mart_statement_lines and statement_files',
    rows              UInt64                 COMMENT 'lines',
    sums              Map(String, Decimal(76, 18)) COMMENT 'exact sums of the lines, key <currency>/<column>',
    batches           Map(String, UUID)      COMMENT 'what the lines were made of, key <scope> <provider''s month> <table>: never collected',
    releases          Map(String, UInt64)    COMMENT 'number of the release each of these scopes and months had',
    files             Map(String, String)    COMMENT 'name of a file -> sha256 of its bytes',
    decided_by        String                 COMMENT 'who closed or reopened it',
    reason            String                 COMMENT 'why it was reopened',
    decided_at        DateTime64(9, 'UTC')   COMMENT 'when it was closed or reopened'
)
ENGINE = {{merge_tree}}
ORDER BY (statement_period, fence, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Ledger of closed statements: one row closes a month, or reopens it';

-- statement
CREATE TABLE IF NOT EXISTS statement_reclassifications
(
    billing_period Date                 COMMENT 'the provider''s month whose closed lines are moved',
    fence          UInt64               COMMENT 'of the lease it was decided under',
    seq            UInt64               COMMENT 'counts the decisions on a month',
    batches        Map(String, UUID)    COMMENT 'bill, identities and lines the month is moved to, key as in statement_closings: never collected',
    decided_by     String               COMMENT 'who asked for it',
    reason         String               COMMENT 'why',
    decided_at     DateTime64(9, 'UTC') COMMENT 'when it was asked for'
)
ENGINE = {{merge_tree}}
ORDER BY (billing_period, fence, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Closed months that a person asked to be charged by newer rules or owners: the difference is lines of the open month';

-- statement
CREATE TABLE IF NOT EXISTS mart_statement_lines
(
    statement_period Date                   COMMENT 'month of the statement',
    billing_period   Date                   COMMENT 'month the provider billed the charge in',
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
    cost_type        LowCardinality(String) COMMENT 'direct, shared, unallocated, adjustment or rounding',
    attribution_rule LowCardinality(String) COMMENT 'rule that gave the app',
    billing_currency LowCardinality(String) COMMENT 'ISO 4217',
    billed_cost      Decimal(38, 18)        COMMENT 'exact',
    effective_cost   Decimal(38, 18)        COMMENT 'exact',
    amount           Decimal(38, 18)        COMMENT 'charged: billed cost in the minor unit of the currency',
    adjustment       LowCardinality(String) COMMENT 'restatement, reclassification, or empty',
    adjustment_of    String                 COMMENT 'the closed line that is adjusted, <statement id>/<line>, or none; empty where nothing is',
    gl_account       String                 COMMENT 'account of the general ledger, or empty',
    legal_entity     String                 COMMENT 'legal entity charged, or empty',
    erp_cost_center  String                 COMMENT 'cost centre as the ledger names it, or empty',
    batch_id         UUID                   COMMENT 'attempt to close that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY statement_period ORDER BY (statement_period, batch_id, line)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Lines of closed statements: those of the closing that holds are current, and none is ever removed';

-- statement
CREATE TABLE IF NOT EXISTS statement_files
(
    statement_period Date                   COMMENT 'month of the statement',
    file_name        String                 COMMENT 'name of the file',
    file_sha256      String                 COMMENT 'sha256 of its bytes',
    content          String                 COMMENT 'its bytes',
    batch_id         UUID                   COMMENT 'attempt to close that wrote the row'
)
ENGINE = {{merge_tree}} ORDER BY (statement_period, batch_id, file_name)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Files of closed statements, byte for byte';

-- statement
CREATE TABLE IF NOT EXISTS mart_statement_adjustments
(
    statement_period Date                   COMMENT 'the open month whose statement has the line',
    billing_period   Date                   COMMENT 'month the provider billed the charge in',
    line             UInt64                 COMMENT 'position on the statement, behind the month''s own lines',
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
    cost_type        LowCardinality(String) COMMENT 'adjustment or rounding',
    attribution_rule LowCardinality(String) COMMENT 'rule that gave the app',
    billing_currency LowCardinality(String) COMMENT 'ISO 4217',
    billed_cost      Decimal(38, 18)        COMMENT 'exact: what is to be added to what was closed',
    effective_cost   Decimal(38, 18)        COMMENT 'exact',
    amount           Decimal(38, 18)        COMMENT 'charged: billed cost in the minor unit of the currency',
    adjustment       LowCardinality(String) COMMENT 'restatement, reclassification, or empty',
    adjustment_of    String                 COMMENT 'the closed line that is adjusted, <statement id>/<line>, or none; empty where nothing is',
    batch_id         UUID                   COMMENT 'batch that wrote the row'
)
ENGINE = {{merge_tree}} PARTITION BY statement_period ORDER BY (statement_period, batch_id, line)
COMMENT 'What changed in closed months since: lines the open month''s statement will have beside its own';

-- statement
CREATE OR REPLACE VIEW mart_statement_adjustments_current AS
SELECT * EXCEPT batch_id FROM mart_statement_adjustments
WHERE (statement_period, batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'mart_statement_adjustments');

-- statement
CREATE OR REPLACE VIEW statement_closings_current AS
SELECT * FROM statement_closings
ORDER BY statement_period, fence DESC, seq DESC
LIMIT 1 BY statement_period;

-- statement
CREATE OR REPLACE VIEW mart_statement_lines_current AS
SELECT * EXCEPT batch_id FROM mart_statement_lines
WHERE (statement_period, batch_id) IN (SELECT statement_period, lines_batch FROM statement_closings_current WHERE state = 'closed')
UNION ALL
SELECT
    billing_period AS statement_period, billing_period, line, cost_center, team, owner, app_id, app_name, source_name, provider,
    service_name, charge_category, charge_class, cost_type, attribution_rule, billing_currency, billed_cost, effective_cost,
    amount, toLowCardinality('') AS adjustment, '' AS adjustment_of, '' AS gl_account, '' AS legal_entity, '' AS erp_cost_center
FROM mart_chargeback_lines_current
WHERE billing_period NOT IN (SELECT statement_period FROM statement_closings_current WHERE state = 'closed')
UNION ALL
SELECT *, '' AS gl_account, '' AS legal_entity, '' AS erp_cost_center
FROM mart_statement_adjustments_current
WHERE statement_period NOT IN (SELECT statement_period FROM statement_closings_current WHERE state = 'closed')
