-- purpose: days of which raw telemetry was removed, or begun to be, because it was past its retention
-- parameters: none
-- columns: day, began_at DateTime64(9)
SELECT day, min(recorded_at) AS began_at
FROM telemetry_removals
GROUP BY day
ORDER BY day
