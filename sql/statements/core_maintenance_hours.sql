-- purpose: what of the hours of some days is in maintenance, from their slices as they are published
-- parameters: days Array(Date), batch_id UUID, and maintained_calendars,
--   maintained_from, maintained_to, maintained_app_calendars, maintained_environment_calendars, maintained_pair_calendars
--   Array(UInt32), maintained_apps, maintained_environments, maintained_pairs Array(String) (as shared/maintained has them)
-- columns: none
INSERT INTO core_maintenance_hours (hour, app_id, environment, kind, requests, errors, timed, within, batch_id)
WITH
-- shared: shared/maintained
SELECT
    toStartOfHour(slice_start) AS hour, app_id, environment, kind,
    sum(slice.requests), sum(slice.errors), sum(slice.timed), sumForEach(slice.within), {batch_id:UUID}
FROM core_request_slices AS slice
WHERE (toDate(slice_start), batch_id) IN (
        SELECT period, batch_id FROM current_batches WHERE table_name = 'core_request_slices' AND period IN {days:Array(Date)}
    )
  AND toUInt32(slice_start) IN (SELECT slice FROM maintained)
  AND
-- shared: shared/in_maintenance
GROUP BY hour, app_id, environment, kind, length(slice.within)
