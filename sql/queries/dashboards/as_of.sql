-- purpose: how far the published data goes
-- parameters: teams Array(String), the viewer's; without one there is no row
-- columns: cost_day Date (the newest that is whole in every source still delivered, else the newest there is),
--   telemetry_end DateTime64(0), note (what cannot be known about it), published_at DateTime64(3), releases UInt64
WITH newest AS
(
    SELECT max(period) AS billing_period
    FROM (SELECT period, argMax(rows, (fence, seq)) AS held FROM period_head WHERE scope = 'costs' GROUP BY period)
    WHERE held > 0
)
SELECT
    coalesce(
        (SELECT maxOrNull(m.cost_day) FROM mart_as_of_current AS m WHERE m.cost_day > '1970-01-01'),
        (
            SELECT maxOrNull(usage_date) FROM core_app_costs_daily_current
            WHERE billing_period = (SELECT billing_period FROM newest)
        )
    ) AS cost_day,
    (SELECT toDateTime64(maxOrNull(as_of), 0, 'UTC') FROM mart_slo_states_current) AS telemetry_end,
    (SELECT any(note) FROM mart_as_of_current) AS note,
    maxOrNull(toDateTime64(published_at, 3, 'UTC')) AS published_at,
    count() AS releases
FROM period_head
WHERE notEmpty({teams:Array(String)})
HAVING releases > 0
