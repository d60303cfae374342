-- Credits for failures of shared apps that a person accepted or declined: what was proposed is frozen with the decision, and
-- becomes lines of a statement that sum to nothing. And the shared cost rules a closed month was reclassified by, so that what its
-- provider restates later is split by them.

-- statement
CREATE TABLE IF NOT EXISTS statement_credits
(
    credit_id        String                 COMMENT 'name of the proposal: <month>/<shared app>/<currency>@<fingerprint of what it says>',
    fence            UInt64                 COMMENT 'of the lease it was decided under; the highest (fence, seq) of a proposal holds',
    seq              UInt64                 COMMENT 'counts the decisions on proposals',
    decision         LowCardinality(String) COMMENT 'accepted, declined, or reversed (accepted before, and taken back)',
    month            Date                   COMMENT 'first day of the month of the failures',
    from_app_id      String                 COMMENT 'the shared app whose failures hurt',
    from_team        LowCardinality(String) COMMENT 'its team, which pays',
    from_cost_center LowCardinality(String) COMMENT 'cost centre of that team then',
    billing_currency LowCardinality(String) COMMENT 'ISO 4217',
    apps             Array(String)          COMMENT 'apps that were hurt; the arrays below have a value for each',
    teams            Array(String)          COMMENT 'their teams then, which are credited',
    cost_centers     Array(String)          COMMENT 'cost centres of these teams then',
    first_days       Array(Date)            COMMENT 'first day with a failure',
    last_days        Array(Date)            COMMENT 'last day with one',
    failed_calls     Array(Int64)           COMMENT 'calls to the shared app that failed; below zero: fewer than were accepted before',
    hurt_requests    Array(Int64)           COMMENT 'failed requests these calls were part of; below zero as well',
    credits          Array(Decimal(38, 18)) COMMENT 'credited; below zero: too much was accepted before',
    worth_batch      UUID                   COMMENT 'batch of mart_reliability_credits it was decided by',
    known_to         Date                   COMMENT 'last day that was whole in bills and telemetry then',
    decided_by       String                 COMMENT 'who decided',
    reason           String                 COMMENT 'why',
    decided_at       DateTime64(3, 'UTC')   COMMENT 'when'
)
ENGINE = {{merge_tree}} ORDER BY (month, credit_id, fence, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Proposed credits for failures of shared apps that a person accepted, declined or took back, as they were then';

-- statement
CREATE OR REPLACE VIEW statement_credits_current AS
SELECT * FROM statement_credits
ORDER BY month, credit_id, fence DESC, seq DESC
LIMIT 1 BY month, credit_id;

-- statement
ALTER TABLE mart_statement_adjustments
    COMMENT COLUMN adjustment 'restatement, reclassification, credit (for failures of a shared app), or empty',
    COMMENT COLUMN adjustment_of 'the closed line that is adjusted, <statement id>/<line>, or none; of a credit its name in statement_credits; empty where nothing is';

-- statement
ALTER TABLE mart_statement_lines
    COMMENT COLUMN adjustment 'restatement, reclassification, credit (for failures of a shared app), or empty',
    COMMENT COLUMN adjustment_of 'the closed line that is adjusted, <statement id>/<line>, or none; of a credit its name in statement_credits; empty where nothing is';

-- statement
ALTER TABLE mart_reliability_credits
    MODIFY COMMENT 'What a shared platform owes the apps its failures hurt: a proposal, of which statements hold what is accepted in statement_credits';

-- statement
ALTER TABLE statement_reclassifications
    ADD COLUMN IF NOT EXISTS shared_rules String DEFAULT '' COMMENT 'text of the shared cost rules then, empty where there were none and in what was asked for before it was kept'
