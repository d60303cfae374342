-- purpose: the tags, resources and patterns by which cost rows belong to one app
-- parameters: teams Array(String), app_id String
-- columns: attribution_rule, confidence, evidence, identities
SELECT toString(i.attribution_rule) AS attribution_rule, confidence, evidence, count() AS identities
FROM core_identities_current AS i
WHERE app_id = {app_id:String} AND team IN {teams:Array(String)}
GROUP BY attribution_rule, confidence, evidence
ORDER BY identities DESC, evidence, attribution_rule, confidence
LIMIT 20
