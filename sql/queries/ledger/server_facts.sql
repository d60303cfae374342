-- purpose: what a server says of itself and of us, before anything is asked of it
-- parameters: cluster String (empty: none is meant)
-- columns: version, clock DateTime64(3), is_cloud Bool, shards (of the cluster; 0: it has none of that name), may_only_read Bool
SELECT
    version() AS version,
    now64(3, 'UTC') AS clock,
    toBool((SELECT count() FROM system.settings WHERE name = 'cloud_mode' AND value IN ('1', 'true')) > 0) AS is_cloud,
    (SELECT uniqExact(shard_num) FROM system.clusters WHERE cluster = {cluster:String}) AS shards,
    toBool((SELECT count() FROM system.settings WHERE name = 'readonly' AND value != '0') > 0) AS may_only_read
