-- purpose: the end of the newest slice and the newest day with cost in what is published
-- parameters: none
-- columns: slice_end DateTime64(3), cost_day
SELECT
    (SELECT toDateTime64(maxOrNull(slice_start) + INTERVAL 5 MINUTE, 3, 'UTC') FROM core_sli_slices_current) AS slice_end,
    (SELECT maxOrNull(usage_date) FROM core_app_costs_daily_current) AS cost_day
