-- purpose: every time a person asked for a closed month to be charged by newer rules or owners, in that order
-- parameters: none
-- columns: billing_period, fence, seq, batches Map(String, String), decided_by, reason, decided_at, shared_rules
SELECT
    one.billing_period AS billing_period,
    one.fence AS fence,
    one.seq AS seq,
    CAST(one.batches, 'Map(String, String)') AS batches,
    one.decided_by AS decided_by,
    one.reason AS reason,
    one.decided_at AS decided_at,
    one.shared_rules AS shared_rules
FROM statement_reclassifications AS one
ORDER BY one.billing_period, one.fence, one.seq
