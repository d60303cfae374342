-- purpose: the newest entries of the access log, of the kinds asked for. It is of no team, so only a viewer with the right
--   to see it is shown it
-- right: see_access_log
-- parameters: teams Array(String), see_access_log Bool, kinds Array(String), row_limit UInt64
-- columns: event_id, at, event, person, subject, session, page, file_name, parameters, teams, rights, reason, lost
SELECT
    event_id, at, toString(event) AS event, person, subject, session, toString(page) AS page, file_name, parameters, teams,
    rights, reason, lost
FROM core_access_log_current
WHERE {see_access_log:Bool} AND notEmpty({teams:Array(String)}) AND event IN {kinds:Array(String)}
ORDER BY at DESC, event_id
LIMIT {row_limit:UInt64}
