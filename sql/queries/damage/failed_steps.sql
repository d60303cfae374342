-- purpose: steps that failed in their last pass, whose figures are those from before
-- parameters: teams Array(String), the viewer's, or of a command any: whoever has none is told nothing
-- columns: step, sentence
SELECT toString(step) AS step, sentence
FROM pass_sentences FINAL
WHERE notEmpty({teams:Array(String)}) AND kind = 'failed'
    AND (step, said_at) IN (SELECT step, max(said_at) FROM pass_sentences GROUP BY step)
ORDER BY step
