-- purpose: lets the next fence be higher than one that was used
-- parameters: least
-- columns: the number the sequence stands at
SELECT setval('appfleet.fence', greatest(%(least)s + 1, (SELECT last_value FROM appfleet.fence) + 1))
