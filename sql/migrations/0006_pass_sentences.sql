-- What a pass said, so that it is said until it is mended and not only while somebody looks.

-- statement
CREATE TABLE IF NOT EXISTS pass_sentences
(
    step     LowCardinality(String) COMMENT 'the step of a pass',
    place    UInt32                 COMMENT 'place of the sentence among those of its step, from 1; 0 stands for the step itself',
    kind     LowCardinality(String) COMMENT 'refused, held, note or failed; of the step itself: done',
    sentence String                 COMMENT 'what was said',
    said_at  DateTime64(9, 'UTC')   COMMENT 'when the step ended; only the newest of a step holds'
)
ENGINE = {{replacing_merge_tree}}(said_at)
ORDER BY (step, place)
COMMENT 'What the last pass of each step refused, held, noted or failed at, whole'
