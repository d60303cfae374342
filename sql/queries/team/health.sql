-- purpose: objectives of the chosen teams by state, the worst state first
-- parameters: teams Array(String)
-- columns: state, objectives
SELECT toString(s.state) AS state, count() AS objectives
FROM mart_slo_states_current AS s
WHERE team IN {teams:Array(String)}
GROUP BY state, state_rank
ORDER BY state_rank
