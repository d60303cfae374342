-- purpose: removes entries of the access log that are older than they are kept
-- parameters: before DateTime64(9, 'UTC')
-- columns: none
DELETE FROM core_access_log WHERE at < {before:DateTime64(9, 'UTC')}
