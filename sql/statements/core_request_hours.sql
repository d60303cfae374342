-- purpose: the hours of whole days from one batch of their slices; slices cut by ladders of different lengths are not added
-- parameters: days Array(Date), slices_batch_id UUID, batch_id UUID
-- columns: none
INSERT INTO core_request_hours
    (hour, app_id, environment, kind, requests, errors, timed, within, last_slice, batch_id)
SELECT
    toStartOfHour(slice_start) AS hour, app_id, environment, kind,
    sum(slice.requests), sum(slice.errors), sum(slice.timed), sumForEach(slice.within), max(slice_start),
    {batch_id:UUID}
FROM core_request_slices AS slice
WHERE batch_id = {slices_batch_id:UUID} AND toDate(slice_start) IN {days:Array(Date)}
GROUP BY hour, app_id, environment, kind, length(slice.within)
