-- purpose: every decision on the statement of a month, the newest first: who closed or reopened it, when, and why
-- right: see_statements
-- parameters: teams Array(String), billing_period Date
-- columns: state, decided_by, decided_at, reason, statement_id, statement_version, rule_version, lines
SELECT
    toString(state) AS state,
    decided_by,
    decided_at,
    reason,
    statement_id,
    statement_version,
    rule_version,
    rows AS lines
FROM statement_closings
WHERE statement_period = {billing_period:Date} AND notEmpty({teams:Array(String)})
ORDER BY fence DESC, seq DESC
