-- purpose: how far a backup or restore of the server's own has come
-- parameters: id String
-- columns: status, error, total_size
SELECT toString(status) AS status, error, total_size
FROM system.backups
WHERE id = {id:String}
