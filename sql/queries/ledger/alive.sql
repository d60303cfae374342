-- purpose: whether the warehouse answers and its ledger can be read
-- parameters: none
-- columns: releases
SELECT count() AS releases FROM period_head
