-- purpose: which list prices the rows of a spooled object of Google's billing export lack: the catalogue is asked for these
-- parameters: path, format, structure String, the parameters of ingest/gcp_billing_cells, service, service_id, sku, sku_id, price,
--   price_list_price Identifier
-- columns: wanted Array(String): service id, SKU id, currency and month (YYYY-MM, as Google counts months) with blanks between, in
--   their order
WITH
    -- shared: ingest/cells
    ,
    -- shared: ingest/gcp_billing_cells
    ,
    part({service_id:Identifier}, tags_text({service:Identifier}), 'id') AS service_code,
    part({sku_id:Identifier}, tags_text({sku:Identifier}), 'id') AS sku_code,
    number_part({price_list_price:Identifier}, tags_text({price:Identifier}), 'list_price') AS list_price_text
SELECT
    arraySort(groupUniqArrayIf(
        concat(
            assumeNotNull(service_code), ' ', assumeNotNull(sku_code), ' ', billing_currency, ' ',
            formatDateTime(toTimeZone(assumeNotNull(usage_starts), {time_zone:String}), '%Y-%m')
        ),
        NOT is_blank_row AND arrayAll(verdict -> verdict, deciding_verdicts) AND list_price_text IN ('', 'NULL')
            AND isNotNull(service_code) AND isNotNull(sku_code)
    )) AS wanted
FROM file({path:String}, {format:String}, {structure:String})
