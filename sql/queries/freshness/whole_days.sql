-- purpose: the newest whole day of cost of every source, as it was published, and whether anything of its bill was published since
-- parameters: until Date (the last day that can be over)
-- columns: source_name, newest_day, is_newer UInt8 (1: its bill was published after its days were judged)
WITH
    judged AS (SELECT max(published_at) AS at FROM period_head WHERE scope = 'completeness')
SELECT
    days.source_name AS source_name,
    days.newest_day AS newest_day,
    toUInt8(bills.published_at > (SELECT at FROM judged)) AS is_newer
FROM
(
    SELECT toString(source_name) AS source_name, max(usage_date) AS newest_day
    FROM core_cost_days_current
    WHERE is_whole AND usage_date <= {until:Date}
    GROUP BY source_name
) AS days
INNER JOIN
(
    SELECT substring(toString(scope), length('billing/') + 1) AS source_name, max(published_at) AS published_at
    FROM period_head
    WHERE startsWith(scope, 'billing/')
    GROUP BY source_name
) AS bills ON bills.source_name = days.source_name
ORDER BY source_name
