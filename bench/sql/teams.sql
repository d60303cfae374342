-- purpose: every team that has an app, and the one of apps nobody owns: a viewer who sees all
-- parameters: none
-- columns: team
SELECT DISTINCT toString(team) AS team FROM mart_app_inventory_current
UNION DISTINCT
SELECT 'unassigned'
