-- purpose: days of each source that are over and not whole, as they were published
-- parameters: until Date (the last day to tell)
-- columns: source_name, usage_date, since DateTime64(9), reason
SELECT toString(source_name) AS source_name, usage_date, toDateTime64(days.since, 9, 'UTC') AS since, reason
FROM core_cost_days_current AS days
WHERE days.is_whole = 0 AND usage_date <= {until:Date}
ORDER BY source_name, usage_date
