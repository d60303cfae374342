-- The states of objectives alone: the view of mart_slo_status puts the burn of every window beside each objective, which
-- takes twice as long and which hardly anybody who asks for a state wants to see.

-- statement
CREATE OR REPLACE VIEW mart_slo_states_current AS
SELECT * EXCEPT batch_id FROM mart_slo_status
WHERE batch_id IN (SELECT batch_id FROM current_batches WHERE table_name = 'mart_slo_status')
