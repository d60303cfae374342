-- Slices of requests of one app that are in maintenance, as they are published, by environment (*: all). Parameter: app_id.
    maintained AS
    (
        SELECT
            toString(m.environment) AS place,
            arrayJoin(range(intDiv(toUInt32(m.begins_at), 300) * 300, toUInt32(m.ends_at), 300)) AS slice
        FROM mart_maintenance_current AS m
        WHERE m.app_id IN ('*', {app_id:String})
    )
