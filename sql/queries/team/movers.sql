-- purpose: the apps of the chosen teams whose usage cost moved most, up and down, per currency, with the service that moved
--   most in the same direction; other charges (tax, purchases, credits, corrections) are no move
-- parameters: teams Array(String), first_day Date, last_day Date, before_first_day Date, before_last_day Date,
--   row_limit UInt32 (per currency and direction)
-- columns: app_id, billing_currency, billed, billed_before, change, service_name, service_change Decimal(38, 18)
SELECT app_id, billing_currency, billed, billed_before, change, mover.2 AS service_name, mover.1 AS service_change
FROM
(
    SELECT
        app_id,
        billing_currency,
        CAST(sum(CAST(service_billed AS Decimal(76, 18))) AS Decimal(38, 18)) AS billed,
        CAST(sum(CAST(service_before AS Decimal(76, 18))) AS Decimal(38, 18)) AS billed_before,
        billed - billed_before AS change,
        groupArray((service_billed - service_before, service_name)) AS services,
        arraySort(one -> (if(change > 0, -one.1, one.1), one.2), services)[1] AS mover
    FROM
    (
        SELECT
            app_id,
            toString(c.billing_currency) AS billing_currency,
            toString(c.service_name) AS service_name,
            CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), usage_date >= {first_day:Date}) AS Decimal(38, 18)) AS service_billed,
            CAST(sumIf(CAST(billed_cost AS Decimal(76, 18)), usage_date <= {before_last_day:Date}) AS Decimal(38, 18)) AS service_before
        FROM core_app_costs_daily_current AS c
        WHERE team IN {teams:Array(String)}
          AND charge_category = 'Usage' AND charge_class = ''
          AND usage_date >= {before_first_day:Date}
          AND usage_date <= {last_day:Date}
          AND (usage_date >= {first_day:Date} OR usage_date <= {before_last_day:Date})
        GROUP BY app_id, billing_currency, service_name
    )
    GROUP BY app_id, billing_currency
)
WHERE change != 0
ORDER BY billing_currency, abs(change) DESC, app_id
LIMIT {row_limit:UInt32} BY billing_currency, change > 0
