-- purpose: the last state of every migration recorded
-- parameters: none
-- columns: name, checksum, state
SELECT
    name,
    argMax(m.checksum, m.recorded_at) AS checksum,
    toString(argMax(m.state, m.recorded_at)) AS state
FROM schema_migrations AS m
GROUP BY name
ORDER BY name
