-- purpose: the rows of spooled objects of Google's billing export, of one shape, that belong to the months of an attempt, into
--   raw_focus_costs: a row is a line of its cost, and each of its credits a line of its own after it. What decides was
--   proved good by ingest/gcp_billing_profile; any other cell that cannot be read is NULL and stands in x_Repairs of the row's
--   own line. Google amortises nothing, so what is billed is what is effective. A credit is no price times quantity:
--   its list and contracted cost are its billed cost, as FOCUS has it.
-- parameters: path, format, structure String, the parameters of ingest/gcp_billing_cells and every other column of
--   models/policy/gcp_columns.csv Identifier (as the object spells it), is_utf8 UInt8 (all text of the objects was; else U+FFFD
--   stands for what was not), provider, credit_category, credit_frequency, commitment_pattern, commitment_category,
--   commitment_frequency, correction_type, correction_class String, categories, frequencies Array(String) (by cost_types), commitment_credits,
--   commitment_kinds Array(String), catalogue_keys, catalogue_prices Array(String) (list prices of a catalogue by SKU, unit, currency
--   and month), source_name String, file_names and object_names Array(String) (the object in each file of
--   the path), periods Array(Date), batch_id UUID
-- columns: none
INSERT INTO raw_focus_costs
(
    AvailabilityZone, BilledCost, BillingAccountId, BillingCurrency, BillingPeriodEnd, BillingPeriodStart, ChargeCategory,
    ChargeClass, ChargeDescription, ChargeFrequency, ChargePeriodEnd, ChargePeriodStart, CommitmentDiscountCategory,
    CommitmentDiscountId, CommitmentDiscountName, CommitmentDiscountStatus, CommitmentDiscountType, ConsumedQuantity,
    ConsumedUnit, ContractedCost, ContractedUnitPrice, EffectiveCost, HostProviderName, InvoiceIssuerName, ListCost,
    ListUnitPrice, PricingQuantity, PricingUnit, ProviderName, PublisherName, RegionId, RegionName, ResourceId, ResourceName,
    ResourceType, ServiceName, ServiceProviderName, SkuId, SkuMeter, SubAccountId, SubAccountName, SubAccountType, Tags,
    x_SourceName, x_BillingPeriod, x_BatchId, x_IdentityHash, x_ObjectName, x_ChargeHash, x_Repairs
)
WITH
    -- shared: ingest/cells
    ,
    -- shared: ingest/gcp_billing_cells
    ,
    tags_text({service:Identifier}) AS service_text,
    tags_text({sku:Identifier}) AS sku_text,
    tags_text({project:Identifier}) AS project_text,
    tags_text({location:Identifier}) AS location_text,
    tags_text({resource:Identifier}) AS resource_text,
    tags_text({usage:Identifier}) AS usage_text,
    tags_text({price:Identifier}) AS price_text,
    tags_text({subscription:Identifier}) AS subscription_text,
    part({service_id:Identifier}, service_text, 'id') AS service_code,
    part({service_description:Identifier}, service_text, 'description') AS service_title,
    part({sku_id:Identifier}, sku_text, 'id') AS sku_code,
    part({sku_description:Identifier}, sku_text, 'description') AS sku_title,
    coalesce(part({project_id:Identifier}, project_text, 'id'), part({project_number:Identifier}, project_text, 'number')) AS project_code,
    part({project_name:Identifier}, project_text, 'name') AS project_title,
    part({location_location:Identifier}, location_text, 'location') AS place,
    part({location_region:Identifier}, location_text, 'region') AS region,
    part({location_zone:Identifier}, location_text, 'zone') AS zone,
    part({resource_name:Identifier}, resource_text, 'name') AS resource_title,
    coalesce(part({resource_global_name:Identifier}, resource_text, 'global_name'), resource_title) AS resource_code,
    part({subscription_instance_id:Identifier}, subscription_text, 'instance_id') AS subscription_code,
    -- Labels: a JSON object, a list of records of key and value, or pairs key=value or key:value with , or ; between them.
    s -> match(s, '^[A-Za-z0-9_./-]+ *[=:][^,;{}\\[\\]"]*([,;] *[A-Za-z0-9_./-]+ *[=:][^,;{}\\[\\]"]*)*[,;]? *$') AS is_pairs_text,
    s -> arrayMap(groups -> (groups[1], trimBoth(groups[2])), extractAllGroupsVertical(s, '([A-Za-z0-9_./-]+) *[=:]([^,;]*)')) AS text_pairs,
    s -> if(
        is_pairs_text(s),
        map_of_first(arrayMap(one -> one.1, text_pairs(s)), arrayMap(one -> one.2, text_pairs(s))),
        if(has_tags(s), other_tags(tags_json(s), pairs(tags_json(s))), CAST(map(), 'Map(String, String)'))
    ) AS labels_of,
    s -> if(is_pairs_text(s), '', tags_repair(s, CAST(map(), 'Map(String, String)'), tags_json(s))) AS labels_repair,
    [
        ('labels', tags_text({labels:Identifier})),
        ('tags', tags_text({tags:Identifier})),
        (
            'project.labels',
            if(is_absent({project_labels:Identifier}), JSONExtractRaw(project_text, 'labels'), tags_text({project_labels:Identifier}))
        ),
        ('system_labels', tags_text({system_labels:Identifier}))
    ] AS label_texts,
    -- What is nearest to the resource counts: its labels, its tags, labels of its project, labels Google gives.
    arrayFold(
        (merged, one) -> mapUpdate(labels_of(one.2), merged),
        label_texts,
        CAST(map(), 'Map(String, String)')
    ) AS tag_map,
    assumeNotNull(billing_month) AS period,
    month_begins(period) AS period_starts,
    indexOf({cost_types:Array(String)}, kind) AS kind_place,
    (kind = 'regular' AND match(ifNull(sku_title, ''), {commitment_pattern:String})) AS is_commitment_fee,
    (kind = {correction_type:String} AND assumeNotNull(usage_ends) <= period_starts) AS is_correction,
    number_part({usage_amount:Identifier}, usage_text, 'amount') AS amount_text,
    number_part({usage_amount_in_pricing_units:Identifier}, usage_text, 'amount_in_pricing_units') AS pricing_text,
    number_part({price_effective_price:Identifier}, price_text, 'effective_price') AS effective_price_text,
    number_part({price_list_price:Identifier}, price_text, 'list_price') AS list_price_text,
    number_part({price_pricing_unit_quantity:Identifier}, price_text, 'pricing_unit_quantity') AS unit_quantity_text,
    trimmed({cost_at_list:Identifier}) AS list_text,
    (s, digits) -> if(is_number(s, digits), toDecimal128OrNull(s, 18), NULL) AS number,
    s -> assumeNotNull(toDecimal128OrNull(s, 18)) AS money,
    -- A price is of one pricing unit only where it is said to be of one, or nothing else is said.
    (unit_quantity_text = '' OR ifNull(number(unit_quantity_text, 20) = 1, false)) AS is_of_one_unit,
    -- The list price of a catalogue, where the row has none: of its SKU, unit, currency and month.
    if(
        list_price_text IN ('', 'NULL') AND is_of_one_unit,
        transform(
            concat(
                ifNull(sku_code, ''), ' ', replaceRegexpAll(lower(ifNull(part({usage_pricing_unit:Identifier}, usage_text, 'pricing_unit'), '')), '[^a-z0-9/]', ''), ' ',
                billing_currency, ' ', formatDateTime(toTimeZone(assumeNotNull(usage_starts), {time_zone:String}), '%Y-%m')
            ),
            {catalogue_keys:Array(String)}, {catalogue_prices:Array(String)}, ''
        ),
        ''
    ) AS catalogue_price,
    [
        ('cost_at_list', '15', list_text), ('usage.amount', '20', amount_text),
        ('usage.amount_in_pricing_units', '20', pricing_text), ('price.effective_price', '20', effective_price_text),
        ('price.list_price', '20', list_price_text)
    ] AS numbers,
    arrayFilter(
        one -> one.3 NOT IN ('', 'NULL') AND NOT if(one.2 = '15', is_number(one.3, 15), is_number(one.3, 20)), numbers
    ) AS unread,
    arrayFilter(one -> labels_repair(one.2) != '', label_texts) AS unread_labels,
    -- Text that was no UTF-8, told by U+FFFD: looked for only in an object that had some.
    if(
        {is_utf8:UInt8} = 1,
        [],
        arrayFilter(one -> position(one.2, '\xEF\xBF\xBD') > 0, arrayConcat(label_texts, [
            ('billing_account_id', trimmed({billing_account_id:Identifier})), ('service.id', ifNull(service_code, '')),
            ('service.description', ifNull(service_title, '')), ('sku.id', ifNull(sku_code, '')),
            ('sku.description', ifNull(sku_title, '')), ('project.id', ifNull(project_code, '')),
            ('project.name', ifNull(project_title, '')), ('location.location', ifNull(place, '')),
            ('location.region', ifNull(region, '')), ('location.zone', ifNull(zone, '')),
            ('resource.name', ifNull(resource_title, '')), ('resource.global_name', ifNull(resource_code, '')),
            ('seller_name', trimmed({seller_name:Identifier})), ('usage.unit', usage_text), ('credits', credits_text)
        ]))
    ) AS not_utf8,
    arrayConcat(
        arrayMap(
            one -> (
                one.1, 'holds bytes that are no UTF-8: replaced by U+FFFD', toValidUTF8(substring(one.2, 1, 80))
            ),
            not_utf8
        ),
        arrayMap(
            one -> (
                one.1,
                concat('is no plain decimal of at most 38 places and ', one.2, ' digits before the point: left empty'),
                toValidUTF8(substring(one.3, 1, 80))
            ),
            unread
        ),
        arrayMap(one -> (one.1, labels_repair(one.2), toValidUTF8(substring(one.2, 1, 80))), unread_labels),
        if(
            catalogue_price = '',
            [],
            [('price.list_price', 'is not delivered: the price of the Cloud Billing catalogue for that month is taken', '')]
        )
    ) AS repairs,
    -- The lines of a row: place 0 is its cost, the others are its credits in their order.
    (record, member) -> nullIf(JSONExtract(record, member, 'Nullable(String)'), '') AS of_credit,
    arrayConcat(
        [(toUInt32(0), cost_text, '')],
        arrayMap((place_of_credit, amount_of_credit, record) -> (toUInt32(place_of_credit), amount_of_credit, record),
            arrayEnumerate(credit_records), credit_amounts, credit_records)
    ) AS lines_of_row,
    line.1 > 0 AS is_credit,
    money(line.2) AS billed,
    if(is_credit, of_credit(line.3, 'type'), NULL) AS credit_type,
    multiIf(
        is_credit, {credit_category:String},
        is_commitment_fee, {commitment_category:String},
        {categories:Array(String)}[kind_place]
    ) AS category,
    if(is_credit, coalesce(of_credit(line.3, 'full_name'), of_credit(line.3, 'name')), sku_title) AS description,
    if(is_correction AND NOT is_credit, {correction_class:String}, NULL) AS class,
    if(is_credit, NULL, number(amount_text, 20)) AS consumed,
    if(is_credit, NULL, number(pricing_text, 20)) AS priced,
    has({commitment_credits:Array(String)}, ifNull(credit_type, '')) AS is_commitment_credit,
    ifNull(part({seller_name:Identifier}, '', ''), {provider:String}) AS seller
SELECT
    zone,
    billed,
    ifNull(word({billing_account_id:Identifier}), ''),
    billing_currency,
    month_begins(addMonths(period, 1)),
    period_starts,
    category,
    class,
    description,
    multiIf(
        is_credit, {credit_frequency:String},
        is_commitment_fee, {commitment_frequency:String},
        {frequencies:Array(String)}[kind_place]
    ),
    assumeNotNull(usage_ends),
    assumeNotNull(usage_starts),
    if(
        is_commitment_credit,
        {commitment_kinds:Array(String)}[indexOf({commitment_credits:Array(String)}, ifNull(credit_type, ''))],
        NULL
    ),
    multiIf(is_commitment_credit, of_credit(line.3, 'id'), is_commitment_fee AND NOT is_credit, subscription_code, NULL),
    if(is_commitment_credit, of_credit(line.3, 'name'), NULL),
    if(is_commitment_credit, 'Used', NULL),
    if(is_commitment_credit, credit_type, NULL),
    consumed,
    if(is_credit, NULL, part({usage_unit:Identifier}, usage_text, 'unit')),
    billed,
    if(is_credit OR NOT is_of_one_unit, NULL, number(effective_price_text, 20)),
    billed,
    {provider:String},
    {provider:String},
    if(is_credit, billed, number(list_text, 15)),
    if(is_credit OR NOT is_of_one_unit, NULL, number(if(catalogue_price != '', catalogue_price, list_price_text), 20)),
    priced,
    if(is_credit, NULL, part({usage_pricing_unit:Identifier}, usage_text, 'pricing_unit')),
    {provider:String},
    seller,
    coalesce(region, place),
    place,
    resource_code,
    resource_title,
    nullIf(extract(ifNull(resource_code, ''), '/([^/]+)/[^/]+$'), ''),
    ifNull(service_title, ifNull(service_code, '')),
    {provider:String},
    sku_code,
    sku_title,
    project_code,
    project_title,
    if(isNull(project_code), NULL, 'Project'),
    tag_map,
    {source_name:String},
    period,
    {batch_id:UUID},
    identity_hash(tag_map, resource_code, resource_title, project_code, word({billing_account_id:Identifier}), NULL),
    transform(toString(_file), {file_names:Array(String)}, {object_names:Array(String)}, ''),
    -- Rows are appended and none has an id: two of one window may be equal but for the moment they were exported at, and both
    -- count. So that moment, which no column keeps, tells charges apart here.
    cityHash64(
        ifNull(moment({export_time:Identifier}), toDateTime64('1970-01-01 00:00:00', 9, 'UTC')), round(billed, 6), billing_currency,
        assumeNotNull(usage_starts), assumeNotNull(usage_ends), category, ifNull(class, ''), ifNull(credit_type, ''),
        ifNull(description, ''), ifNull(resource_code, ''), ifNull(project_code, ''), ifNull(service_code, ''),
        ifNull(sku_code, ''), ifNull(region, ''), ifNull(place, ''), ifNull(of_credit(line.3, 'id'), ''),
        round(ifNull(consumed, 0), if(abs(ifNull(consumed, 0)) < 1000000, 6, -3)), mapSort(tag_map)
    ),
    if(is_credit, [], repairs)
FROM file({path:String}, {format:String}, {structure:String})
ARRAY JOIN lines_of_row AS line
WHERE has({periods:Array(Date)}, billing_month)
