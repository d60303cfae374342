-- purpose: every decision on a month's statement, the one that holds first for each month
-- parameters: none
-- columns: statement_period, fence, seq, state, statement_id, statement_version, rule_version, rules_sha256,
--   shared_rules_version, shared_rules_sha256, shared_rules, layout_version,
--   lines_batch String, rows, sums Map(String, String), batches Map(String, String), releases Map(String, UInt64),
--   files Map(String, String), decided_by, reason, decided_at
SELECT
    one.statement_period AS statement_period,
    one.fence AS fence,
    one.seq AS seq,
    toString(one.state) AS state,
    one.statement_id AS statement_id,
    one.statement_version AS statement_version,
    one.rule_version AS rule_version,
    one.rules_sha256 AS rules_sha256,
    one.shared_rules_version AS shared_rules_version,
    one.shared_rules_sha256 AS shared_rules_sha256,
    one.shared_rules AS shared_rules,
    one.layout_version AS layout_version,
    toString(one.lines_batch) AS lines_batch,
    one.rows AS rows,
    CAST(one.sums, 'Map(String, String)') AS sums,
    CAST(one.batches, 'Map(String, String)') AS batches,
    one.releases AS releases,
    one.files AS files,
    one.decided_by AS decided_by,
    one.reason AS reason,
    one.decided_at AS decided_at
FROM statement_closings AS one
ORDER BY one.statement_period, one.fence DESC, one.seq DESC
