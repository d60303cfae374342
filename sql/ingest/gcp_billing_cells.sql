-- purpose: what the columns of Google's billing export are, by ingest/cells: the definitions that ingest/gcp_billing,
--   ingest/gcp_billing_profile and ingest/gcp_billing_rejects share. A record comes as JSON text or as the tuple it is in
--   Parquet, and is read as text; a member of it may come as a column of its own, which then counts.
-- parameters: cost, currency, cost_type, usage_start_time, usage_end_time, credits, invoice, invoice_month Identifier,
--   currencies, cost_types Array(String), time_zone String
-- columns: none
    -- The words of a bill are data: NULL, blanks and the text NULL are nothing.
    x -> nullIf(nullIf(trimmed(x), ''), 'NULL') AS word,
    (column, record, member) -> coalesce(word(column), nullIf(JSONExtract(record, member, 'Nullable(String)'), '')) AS part,
    -- A number of a record is cut out of its text, so that no digit passes through a double. In JSON a quote inside of a
    -- text is escaped, so a quoted name before a colon is a name.
    (record, member) -> trim(BOTH '"' FROM extract(record, concat('"', member, '"\\s*:\\s*("[^"]*"|[0-9.eE+-]+)'))) AS number_of,
    (column, record, member) -> if(is_empty(column), number_of(record, member), trimmed(column)) AS number_part,
    -- Credits: a list of records, each with an amount. As many amounts must be found as there are records.
    tags_text({credits:Identifier}) AS credits_text,
    has_tags(credits_text) AS has_credits,
    if(has_credits, JSONExtractArrayRaw(credits_text), []) AS credit_records,
    if(
        has_credits,
        arrayMap(
            token -> trimBoth(trim(BOTH '"' FROM token)),
            extractAll(credits_text, '"(?i:amount)"\\s*:\\s*("[^"]*"|[^,}\\]\\s]+)')
        ),
        []
    ) AS credit_amounts,
    trimmed({cost:Identifier}) AS cost_text,
    tags_text({invoice:Identifier}) AS invoice_text,
    ifNull(part({invoice_month:Identifier}, invoice_text, 'month'), '') AS month_text,
    match(month_text, '^20[0-9]{2}-?(0[1-9]|1[0-2])$') AS is_month,
    replaceOne(month_text, '-', '') AS month_digits,
    if(is_month, makeDate(toUInt16OrZero(substring(month_digits, 1, 4)), toUInt8OrZero(substring(month_digits, 5, 2)), 1), NULL) AS billing_month,
    moment({usage_start_time:Identifier}) AS usage_starts,
    moment({usage_end_time:Identifier}) AS usage_ends,
    lower(ifNull(word({cost_type:Identifier}), 'regular')) AS kind,
    currency_of({currency:Identifier}) AS billing_currency,
    -- What decides about a row. ingest/gcp_billing_profile counts by these verdicts, ingest/gcp_billing_rejects names them.
    [
        'cost', 'credits', 'credits', 'invoice.month', 'usage_start_time', 'usage_end_time', 'usage_end_time', 'currency', 'cost_type'
    ] AS deciding_columns,
    [
        'is no plain decimal of at most 38 places and 15 digits before the point',
        'is no list of records with one amount each',
        'has an amount that is no plain decimal of at most 38 places and 15 digits before the point',
        'is no month written YYYYMM',
        'is no time between 2000 and 2100', 'is no time between 2000 and 2100', 'is before usage_start_time',
        'is no ISO 4217 currency', 'is no cost type of this export'
    ] AS deciding_reasons,
    [
        is_number(cost_text, 15),
        NOT has_credits OR (JSONType(credits_text) = 'Array' AND notEmpty(credit_records) AND length(credit_amounts) = length(credit_records)),
        arrayAll(amount_text -> is_number(amount_text, 15), credit_amounts),
        isNotNull(billing_month),
        isNotNull(usage_starts),
        isNotNull(usage_ends),
        ifNull(usage_ends >= usage_starts, true),
        billing_currency IN {currencies:Array(String)},
        kind IN {cost_types:Array(String)}
    ] AS deciding_verdicts,
    (
        is_empty({cost:Identifier}) AND NOT has_credits AND month_text = '' AND is_empty({usage_start_time:Identifier})
        AND is_empty({usage_end_time:Identifier}) AND is_empty({currency:Identifier}) AND is_empty({cost_type:Identifier})
    ) AS is_blank_row,
    -- Months and days of an invoice begin at midnight of Google's own time zone.
    month -> toTimezone(toDateTime64(concat(toString(month), ' 00:00:00'), 9, {time_zone:String}), 'UTC') AS month_begins
