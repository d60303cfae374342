-- purpose: a mark that changes with every release and every month that is closed or reopened: the key under which pages remember what they read
-- parameters: teams Array(String), the viewer's
-- columns: mark String
SELECT concat(toString(count()), '/', toString(max(published_at)), '/', toString((SELECT count() FROM statement_closings))) AS mark
FROM period_head
WHERE notEmpty({teams:Array(String)})
