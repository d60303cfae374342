-- purpose: what whole groups of apps cost in some spans of days: teams, services, or services of teams
-- parameters: teams_of, services_of, currencies Array(String), first_days, last_days Array(Date) (the same place in each is one
--   span; a text is empty where groups are not told apart by it), by_team, by_service Bool; no_trend Array(String)
-- columns: number (from 1), group_cost Decimal(38, 18)
WITH spans AS
(
    SELECT
        toUInt64(arrayJoin(arrayEnumerate({currencies:Array(String)}))) AS number,
        {teams_of:Array(String)}[number] AS team,
        {services_of:Array(String)}[number] AS service_name,
        {currencies:Array(String)}[number] AS currency,
        {first_days:Array(Date)}[number] AS first_day,
        {last_days:Array(Date)}[number] AS last_day
)
SELECT number, CAST(sum(c.cost), 'Decimal(38, 18)') AS group_cost
FROM
(
    SELECT
        if({by_team:Bool}, toString(costs.team), '') AS team,
        if({by_service:Bool}, toString(costs.service_name), '') AS service_name,
        toString(costs.billing_currency) AS currency,
        usage_date,
        sum(toDecimal256(costs.effective_cost, 18)) AS cost
    FROM core_app_costs_daily_current AS costs
    WHERE app_id != 'unallocated'
      AND charge_category = 'Usage' AND charge_class = '' AND charge_frequency NOT IN {no_trend:Array(String)}
      AND usage_date >= arrayMin({first_days:Array(Date)}) AND usage_date <= arrayMax({last_days:Array(Date)})
    GROUP BY team, service_name, currency, usage_date
) AS c
INNER JOIN spans AS s ON s.team = c.team AND s.service_name = c.service_name AND s.currency = c.currency
WHERE c.usage_date BETWEEN s.first_day AND s.last_day
GROUP BY number
ORDER BY number
