-- purpose: days of apps and currencies of which a source that charged them usage lately is not whole: neither what such a day
--   cost nor that it cost nothing is known
-- parameters: until Date (the last day to tell), awaited_days UInt16 (how long before such a day the source charged last)
-- columns: app_id, billing_currency, usage_date
WITH
    opens AS
(
    SELECT toString(source_name) AS source_name, usage_date AS open_day
    FROM core_cost_days_current AS days
    WHERE days.is_whole = 0 AND usage_date <= {until:Date}
),
    used AS
(
    SELECT DISTINCT app_id, toString(billing_currency) AS billing_currency, toString(source_name) AS source_name, usage_date
    FROM core_app_costs_daily_current
    WHERE charge_category = 'Usage' AND charge_class = '' AND toString(source_name) IN (SELECT source_name FROM opens)
        AND usage_date BETWEEN (SELECT min(open_day) FROM opens) - {awaited_days:UInt16} AND {until:Date}
)
SELECT DISTINCT used.app_id AS app_id, used.billing_currency AS billing_currency, opens.open_day AS usage_date
FROM used
INNER JOIN opens ON opens.source_name = used.source_name
WHERE used.usage_date BETWEEN opens.open_day - {awaited_days:UInt16} AND opens.open_day
ORDER BY app_id, billing_currency, usage_date
