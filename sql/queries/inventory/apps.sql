-- purpose: every app known from the registry, a bill or telemetry, with its owner: the registry's word, else the newest
--   team a bill names; what nobody owns is no app
-- parameters: none
-- columns: app_id, app_name, team, lifecycle, criticality, is_registered, is_billed, is_observed
WITH
    registry AS
    (
        SELECT
            app_id,
            argMax(a.app_name, a.valid_from) AS app_name,
            argMax(toString(a.team), a.valid_from) AS team,
            argMax(toString(a.lifecycle), a.valid_from) AS lifecycle,
            argMax(toString(a.criticality), a.valid_from) AS criticality
        FROM core_apps_current AS a
        GROUP BY app_id
    ),
    billed AS
    (
        SELECT app_id, argMaxIf(toString(c.team), (c.usage_date, toString(c.team)), c.team != 'unassigned') AS team
        FROM core_app_costs_daily_current AS c
        WHERE app_id != 'unallocated'
        GROUP BY app_id
    ),
    observed AS (SELECT DISTINCT app_id FROM core_app_telemetry_daily_current WHERE app_id NOT IN ('', 'unallocated')),
    known AS
    (
        SELECT
            app_id,
            max(seen.in_registry) AS is_registered,
            max(seen.in_bill) AS is_billed,
            max(seen.in_telemetry) AS is_observed
        FROM
        (
            SELECT app_id, true AS in_registry, false AS in_bill, false AS in_telemetry FROM registry
            UNION ALL SELECT app_id, false, true, false FROM billed
            UNION ALL SELECT app_id, false, false, true FROM observed
        ) AS seen
        GROUP BY app_id
    )
SELECT
    known.app_id AS app_id,
    if(registry.app_name = '', known.app_id, registry.app_name) AS app_name,
    multiIf(registry.team NOT IN ('', 'unassigned'), registry.team, billed.team != '', billed.team, 'unassigned') AS team,
    registry.lifecycle AS lifecycle,
    registry.criticality AS criticality,
    known.is_registered AS is_registered,
    known.is_billed AS is_billed,
    known.is_observed AS is_observed
FROM known
LEFT JOIN registry ON registry.app_id = known.app_id
LEFT JOIN billed ON billed.app_id = known.app_id
ORDER BY app_id
