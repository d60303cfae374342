-- purpose: where every message about alerts is that was made lately
-- parameters: made_from DateTime64(3, 'UTC')
-- columns: message_id, fence, seq, target, form, state, attempt UInt32, at, made_at, next_at DateTime64(3), title, body, items, reason
SELECT
    message_id, fence, seq, toString(s.target) AS target, toString(s.form) AS form, toString(s.state) AS state, attempt, at, made_at, next_at,
    title, body, items, reason
FROM alert_sends_current AS s
WHERE made_at >= {made_from:DateTime64(3, 'UTC')}
ORDER BY made_at, message_id
