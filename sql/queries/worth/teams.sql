-- purpose: teams of what was judged and of what is proposed: a command shows all of them
-- parameters: none
-- columns: team
SELECT DISTINCT team
FROM (SELECT toString(team) AS team FROM mart_app_worth_current UNION ALL SELECT toString(team) FROM mart_reliability_credits_current)
ORDER BY team
