-- purpose: currencies that months are reported in beside their own; none where the workspace names none
-- parameters: teams Array(String), the viewer's; without one there is no row
-- columns: reporting_currency
SELECT DISTINCT toString(rates.reporting_currency) AS reporting_currency
FROM mart_reporting_rates_current AS rates
WHERE notEmpty({teams:Array(String)})
ORDER BY reporting_currency
