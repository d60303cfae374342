-- purpose: how many statements a billing month has had that said something else: a release that kept the lines of the
--   one before it counts no further
-- parameters: billing_period Date
-- columns: version
SELECT uniqExact(head.batches['mart_chargeback_lines']) AS version
FROM period_head AS head
WHERE head.scope = 'costs' AND head.period = {billing_period:Date}
