-- purpose: ends a lease of this session: its connection may take a moment longer to end
-- parameters: key
-- columns: whether it was ours
SELECT pg_advisory_unlock(%(key)s)
