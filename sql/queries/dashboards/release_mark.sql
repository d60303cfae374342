-- purpose: a mark that changes with every release, every month that is closed or reopened, every credit that is decided on, and whatever is done, decided or told about alerts: the key under which pages remember what they read
-- parameters: teams Array(String), the viewer's
-- columns: mark String
SELECT concat(toString(count()), '/', toString(max(published_at)), '/', toString((SELECT count() FROM statement_closings)), '/',
    toString((SELECT count() FROM statement_credits)), '/',
    toString((SELECT count() FROM alert_acts)), '/', toString((SELECT count() FROM alert_sends)), '/', toString((SELECT count() FROM remediation_decisions))) AS mark
FROM period_head
WHERE notEmpty({teams:Array(String)})
