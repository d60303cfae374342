-- purpose: objects of one source that share charges, where the newer one counts alone
-- parameters: none
-- columns: source_name, period, object_name, other_object_name, looked_up, found
SELECT toString(source_name) AS source_name, period, object_name, other_object_name, looked_up, found
FROM raw_object_overlaps FINAL
ORDER BY source_name, period, object_name, other_object_name
