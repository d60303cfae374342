-- purpose: what the last pass of each step said
-- parameters: none
-- columns: step, kind, sentence, said_at
SELECT toString(step) AS step, toString(kind) AS kind, sentence, said_at
FROM pass_sentences FINAL
WHERE place > 0 AND (step, said_at) IN (SELECT step, max(said_at) FROM pass_sentences GROUP BY step)
ORDER BY step, place
