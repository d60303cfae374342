-- purpose: the moment an SLO pass counts up to where nobody names one: the end of the newest slice
-- parameters: none
-- columns: as_of DateTime64(3): NULL without slices
SELECT toDateTime64(maxOrNull(slice_start) + INTERVAL 5 MINUTE, 3, 'UTC') AS as_of
FROM core_sli_slices_current
