-- purpose: objectives of the chosen teams by state
-- parameters: teams Array(String)
-- columns: ok, ticket, page, no_data, breached
SELECT
    countIf(state = 'ok') AS ok,
    countIf(state = 'ticket') AS ticket,
    countIf(state = 'page') AS page,
    countIf(state = 'no_data') AS no_data,
    countIf(budget_remaining < 0) AS breached
FROM mart_slo_status_current
WHERE team IN {teams:Array(String)}
