-- purpose: how many entries of the access log are older than they are kept
-- parameters: before DateTime64(9, 'UTC')
-- columns: entries
SELECT count() AS entries FROM core_access_log WHERE at < {before:DateTime64(9, 'UTC')}
