-- purpose: a mark that changes with every release: the key under which pages remember what they read
-- parameters: teams Array(String), the viewer's
-- columns: mark String
SELECT concat(toString(count()), '/', toString(max(published_at))) AS mark
FROM period_head
WHERE notEmpty({teams:Array(String)})
