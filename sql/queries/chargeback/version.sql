-- purpose: how many statements a billing month has had that said something else: a release that kept the lines of the
--   one before it counts no further, and one that changed what it adjusts of closed months does
-- parameters: billing_period Date
-- columns: version
SELECT
    uniqExactIf(head.batches['mart_chargeback_lines'], head.scope = 'costs')
        + uniqExactIf(head.batches['mart_statement_adjustments'], head.scope = 'adjustments') AS version
FROM period_head AS head
WHERE head.scope IN ('costs', 'adjustments') AND head.period = {billing_period:Date}
