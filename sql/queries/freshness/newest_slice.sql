-- purpose: the end of the newest slice in what is published; NULL without one
-- parameters: none
-- columns: slice_end DateTime64(3)
SELECT toDateTime64(maxOrNull(slice_start) + INTERVAL 5 MINUTE, 3, 'UTC') AS slice_end
FROM core_request_slices_current
