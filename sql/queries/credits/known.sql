-- purpose: the last day credits are computed to; no row where nothing is
-- parameters: none
-- columns: known_to
SELECT last_day AS known_to FROM mart_app_worth_current ORDER BY last_day DESC LIMIT 1
