-- purpose: the last day that was judged whole or open; none where nothing was
-- parameters: none
-- columns: judged_to Nullable(Date)
SELECT maxOrNull(usage_date) AS judged_to FROM core_cost_days_current
