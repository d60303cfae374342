-- purpose: periods of a scope whose newest number names two releases: two writers published at once, and which of them a reader
--   sees is chance
-- parameters: scope String
-- columns: period
SELECT period
FROM
(
    SELECT period, fence, seq, uniqExact(toString(head.batches)) AS claims
    FROM period_head AS head
    WHERE head.scope = {scope:String}
    GROUP BY period, fence, seq
)
GROUP BY period
HAVING argMax(claims, (fence, seq)) > 1
ORDER BY period
