-- Requests may be told by spans, by a sample of them, or by the histogram of their durations where there are no spans: each
-- slice says by which.

-- statement
ALTER TABLE core_request_slices
    ADD COLUMN IF NOT EXISTS counted_from LowCardinality(String) DEFAULT 'spans' COMMENT 'spans, sampled_spans (a part of them, not scaled up) or metrics' AFTER within;
-- statement
CREATE OR REPLACE VIEW core_request_slices_current AS
SELECT * EXCEPT batch_id FROM core_request_slices
WHERE (toDate(slice_start), batch_id) IN (SELECT period, batch_id FROM current_batches WHERE table_name = 'core_request_slices')
