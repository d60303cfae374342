-- purpose: what somebody should look at in the access log since a moment: uses of the break-glass admin, people refused and
--   entries lost
-- parameters: since DateTime64(9, 'UTC')
-- columns: event, entries UInt64, lost, last_at, example
SELECT
    toString(event) AS event, count() AS entries, toUInt64(sum(log.lost)) AS lost, max(at) AS last_at,
    argMax(if(empty(reason), person, reason), at) AS example
FROM core_access_log_current AS log
WHERE at >= {since:DateTime64(9, 'UTC')} AND event IN ('break_glass', 'refused', 'lost')
GROUP BY event
ORDER BY event
