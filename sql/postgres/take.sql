-- purpose: takes a lease for this session where it is free
-- parameters: key (64 bits of the sha256 of the lease's name)
-- columns: whether it is ours
SELECT pg_try_advisory_lock(%(key)s)
