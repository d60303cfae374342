-- purpose: what came with every token since a day, over all intakes
-- parameters: first_day Date
-- columns: token, requests, bytes, rejected_records, limited, refused, last_at
SELECT
    token,
    sum(uses.requests) AS requests,
    sum(uses.bytes) AS bytes,
    sum(uses.rejected_records) AS rejected_records,
    sum(uses.limited) AS limited,
    sum(uses.refused) AS refused,
    max(uses.last_at) AS last_at
FROM raw_intake_token_uses AS uses FINAL
WHERE day >= {first_day:Date}
GROUP BY token
ORDER BY token
