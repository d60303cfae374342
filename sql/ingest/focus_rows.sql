-- purpose: the rows that charges in the columns of FOCUS become in raw_focus_costs; what they are read from follows
-- parameters: those of ingest/focus but for what is read
-- columns: none
INSERT INTO raw_focus_costs
(
    AllocatedMethodDetails, AllocatedMethodId, AllocatedResourceId, AllocatedResourceName, AllocatedTags,
    AvailabilityZone, BilledCost, BillingAccountId, BillingAccountName, BillingAccountType,
    BillingCurrency, BillingPeriodEnd, BillingPeriodStart, CapacityReservationId,
    CapacityReservationStatus, ChargeCategory, ChargeClass, ChargeDescription, ChargeFrequency,
    ChargePeriodEnd, ChargePeriodStart, CommitmentDiscountCategory, CommitmentDiscountId,
    CommitmentDiscountName, CommitmentDiscountQuantity, CommitmentDiscountStatus, CommitmentDiscountType,
    CommitmentDiscountUnit, CommitmentProgramEligibilityDetails, ConsumedQuantity, ConsumedUnit,
    ContractApplied, ContractedCost, ContractedUnitPrice, EffectiveCost, HostProviderName, InvoiceDetailId,
    InvoiceId, InvoiceIssuerName, ListCost, ListUnitPrice, PricingCategory, PricingCurrency,
    PricingCurrencyContractedUnitPrice, PricingCurrencyEffectiveCost, PricingCurrencyListUnitPrice,
    PricingQuantity, PricingUnit, ProviderName, PublisherName, RegionId, RegionName, ResourceId,
    ResourceName, ResourceType, ServiceCategory, ServiceName, ServiceProviderName, ServiceSubcategory,
    SkuId, SkuMeter, SkuPriceDetails, SkuPriceId, SubAccountId, SubAccountName, SubAccountType, Tags,
    x_ResourceGroupName, x_SourceName, x_BillingPeriod, x_BatchId, x_IdentityHash, x_ObjectName,
    x_Repairs
)
WITH
    -- shared: ingest/focus_cells
    ,
    x -> if(is_absent(x), NULL, if(is_text(x), text(toString(x)), nullIf(toJSONString(x), '{}'))) AS json,
    tags_text({Tags:Identifier}) AS given_tags,
    tags_json(given_tags) AS given_json,
    pairs(given_json) AS given_pairs,
    if(
        is_absent({Tags:Identifier}),
        mapApply((k, v) -> (k, ifNull(v, '')), {TagsAsMap:Identifier}),
        JSONExtract(given_tags, 'Map(String, String)')
    ) AS tags_as_they_stand,
    if(
        is_absent({Tags:Identifier}),
        tags_as_they_stand,
        if(empty(tags_as_they_stand) AND has_tags(given_tags), other_tags(given_json, given_pairs), tags_as_they_stand)
    ) AS tag_map,
    if(is_absent({Tags:Identifier}), '', tags_repair(given_tags, tags_as_they_stand, given_json)) AS repair_of_tags,
    coalesce(
        text({x_ResourceGroupName:Identifier}),
        if(
            startsWith(ifNull({ResourceId:Identifier}, ''), '/'),
            nullIf(extract(ifNull({ResourceId:Identifier}, ''), '(?i)/resourcegroups/([^/]+)'), ''),
            NULL
        )
    ) AS resource_group,
    assumeNotNull(billing_month) AS period,
    amount({BilledCost:Identifier}, is_billed_cost) AS billed,
    -- Numbers, the digits each may have before the point, and whether what was delivered is not read.
    is_quantity({CommitmentDiscountQuantity:Identifier}) AS is_commitment_discount_quantity,
    is_quantity({ConsumedQuantity:Identifier}) AS is_consumed_quantity,
    is_quantity({ContractedUnitPrice:Identifier}) AS is_contracted_unit_price,
    is_quantity({ListUnitPrice:Identifier}) AS is_list_unit_price,
    is_quantity({PricingCurrencyContractedUnitPrice:Identifier}) AS is_pricing_currency_contracted_unit_price,
    is_quantity({PricingCurrencyEffectiveCost:Identifier}) AS is_pricing_currency_effective_cost,
    is_quantity({PricingCurrencyListUnitPrice:Identifier}) AS is_pricing_currency_list_unit_price,
    is_quantity({PricingQuantity:Identifier}) AS is_pricing_quantity,
    (x, is_one) -> (NOT is_empty(x) AND NOT is_one) AS is_unread,
    [
        ('ContractedCost', '15'), ('ListCost', '15'), ('CommitmentDiscountQuantity', '20'),
        ('ConsumedQuantity', '20'), ('ContractedUnitPrice', '20'), ('ListUnitPrice', '20'),
        ('PricingCurrencyContractedUnitPrice', '20'), ('PricingCurrencyEffectiveCost', '20'),
        ('PricingCurrencyListUnitPrice', '20'), ('PricingQuantity', '20')
    ] AS numbers,
    [
        is_unread({ContractedCost:Identifier}, is_contracted_cost),
        is_unread({ListCost:Identifier}, is_list_cost),
        is_unread({CommitmentDiscountQuantity:Identifier}, is_commitment_discount_quantity),
        is_unread({ConsumedQuantity:Identifier}, is_consumed_quantity),
        is_unread({ContractedUnitPrice:Identifier}, is_contracted_unit_price),
        is_unread({ListUnitPrice:Identifier}, is_list_unit_price),
        is_unread({PricingCurrencyContractedUnitPrice:Identifier}, is_pricing_currency_contracted_unit_price),
        is_unread({PricingCurrencyEffectiveCost:Identifier}, is_pricing_currency_effective_cost),
        is_unread({PricingCurrencyListUnitPrice:Identifier}, is_pricing_currency_list_unit_price),
        is_unread({PricingQuantity:Identifier}, is_pricing_quantity)
    ] AS unread_verdicts,
    -- Text that was no UTF-8, told by U+FFFD and column by column: looked for only in an object that had some.
    x -> if(is_text(x), ifNull(toString(x), ''), '') AS cell_text,
    if(
        {is_utf8:UInt8} = 1,
        [],
        arrayFilter(one -> position(one.2, '\xEF\xBF\xBD') > 0, [
            ('AllocatedMethodDetails', cell_text({AllocatedMethodDetails:Identifier})),
            ('AllocatedMethodId', cell_text({AllocatedMethodId:Identifier})),
            ('AllocatedResourceId', cell_text({AllocatedResourceId:Identifier})),
            ('AllocatedResourceName', cell_text({AllocatedResourceName:Identifier})),
            ('AllocatedTags', cell_text({AllocatedTags:Identifier})),
            ('AvailabilityZone', cell_text({AvailabilityZone:Identifier})),
            ('BillingAccountId', cell_text({BillingAccountId:Identifier})),
            ('BillingAccountName', cell_text({BillingAccountName:Identifier})),
            ('BillingAccountType', cell_text({BillingAccountType:Identifier})),
            ('CapacityReservationId', cell_text({CapacityReservationId:Identifier})),
            ('CapacityReservationStatus', cell_text({CapacityReservationStatus:Identifier})),
            ('ChargeClass', cell_text({ChargeClass:Identifier})),
            ('ChargeDescription', cell_text({ChargeDescription:Identifier})),
            ('ChargeFrequency', cell_text({ChargeFrequency:Identifier})),
            ('CommitmentDiscountCategory', cell_text({CommitmentDiscountCategory:Identifier})),
            ('CommitmentDiscountId', cell_text({CommitmentDiscountId:Identifier})),
            ('CommitmentDiscountName', cell_text({CommitmentDiscountName:Identifier})),
            ('CommitmentDiscountStatus', cell_text({CommitmentDiscountStatus:Identifier})),
            ('CommitmentDiscountType', cell_text({CommitmentDiscountType:Identifier})),
            ('CommitmentDiscountUnit', cell_text({CommitmentDiscountUnit:Identifier})),
            ('CommitmentProgramEligibilityDetails', cell_text({CommitmentProgramEligibilityDetails:Identifier})),
            ('ConsumedUnit', cell_text({ConsumedUnit:Identifier})),
            ('ContractApplied', cell_text({ContractApplied:Identifier})),
            ('HostProviderName', cell_text({HostProviderName:Identifier})),
            ('InvoiceDetailId', cell_text({InvoiceDetailId:Identifier})),
            ('InvoiceId', cell_text({InvoiceId:Identifier})),
            ('InvoiceIssuerName', cell_text({InvoiceIssuerName:Identifier})),
            ('PricingCategory', cell_text({PricingCategory:Identifier})),
            ('PricingCurrency', cell_text({PricingCurrency:Identifier})),
            ('PricingUnit', cell_text({PricingUnit:Identifier})),
            ('ProviderName', cell_text({ProviderName:Identifier})),
            ('PublisherName', cell_text({PublisherName:Identifier})),
            ('RegionId', cell_text({RegionId:Identifier})),
            ('RegionName', cell_text({RegionName:Identifier})),
            ('ResourceId', cell_text({ResourceId:Identifier})),
            ('ResourceName', cell_text({ResourceName:Identifier})),
            ('ResourceType', cell_text({ResourceType:Identifier})),
            ('ServiceCategory', cell_text({ServiceCategory:Identifier})),
            ('ServiceName', cell_text({ServiceName:Identifier})),
            ('ServiceProviderName', cell_text({ServiceProviderName:Identifier})),
            ('ServiceSubcategory', cell_text({ServiceSubcategory:Identifier})),
            ('SkuId', cell_text({SkuId:Identifier})),
            ('SkuMeter', cell_text({SkuMeter:Identifier})),
            ('SkuPriceDetails', cell_text({SkuPriceDetails:Identifier})),
            ('SkuPriceId', cell_text({SkuPriceId:Identifier})),
            ('SubAccountId', cell_text({SubAccountId:Identifier})),
            ('SubAccountName', cell_text({SubAccountName:Identifier})),
            ('SubAccountType', cell_text({SubAccountType:Identifier})),
            ('Tags', cell_text({Tags:Identifier})),
            ('x_ResourceGroupName', cell_text({x_ResourceGroupName:Identifier}))
        ])
    ) AS not_utf8,
    -- The end of a month may be written as its last day.
    ifNull(
        billing_starts <= toDateTime64(billing_month, 9, 'UTC') + toIntervalHour(12)
        AND billing_ends BETWEEN toDateTime64(billing_month + toIntervalMonth(1), 9, 'UTC') - toIntervalHour(38)
            AND toDateTime64(billing_month + toIntervalMonth(1), 9, 'UTC') + toIntervalHour(12),
        false
    ) AS is_filed_whole,
    (
        arrayExists(verdict -> verdict, unread_verdicts)
        OR repair_of_tags != '' OR notEmpty(not_utf8) OR is_effective_billed OR NOT is_filed_whole
    ) AS is_repaired,
    if(
        is_repaired,
        arrayConcat(
            arrayMap(
                one -> (one.1, 'holds bytes that are no UTF-8: replaced by U+FFFD', toValidUTF8(substring(one.2, 1, 80))),
                not_utf8
            ),
            arrayMap(
                one -> (
                    one.1.1,
                    concat('is no plain decimal of at most 38 places and ', one.1.2, ' digits before the point: left empty'),
                    toValidUTF8(substring(ifNull(one.2, ''), 1, 80))
                ),
                arrayFilter(one -> one.3, arrayZip(numbers, [
                    toString({ContractedCost:Identifier}), toString({ListCost:Identifier}),
                    toString({CommitmentDiscountQuantity:Identifier}), toString({ConsumedQuantity:Identifier}),
                    toString({ContractedUnitPrice:Identifier}), toString({ListUnitPrice:Identifier}),
                    toString({PricingCurrencyContractedUnitPrice:Identifier}),
                    toString({PricingCurrencyEffectiveCost:Identifier}),
                    toString({PricingCurrencyListUnitPrice:Identifier}), toString({PricingQuantity:Identifier})
                ], unread_verdicts))
            ),
            if(repair_of_tags = '', [], [('Tags', repair_of_tags, toValidUTF8(substring(given_tags, 1, 80)))]),
            if(is_effective_billed, [('EffectiveCost', 'is empty: BilledCost stands for it, as this export means it', '')], []),
            if(
                is_filed_whole,
                [],
                [(
                    'BillingPeriodStart',
                    'and BillingPeriodEnd are of no calendar month: filed under the month it begins in',
                    concat(toString({BillingPeriodStart:Identifier}), ' to ', toString({BillingPeriodEnd:Identifier}))
                )]
            )
        ),
        []
    ) AS repairs
SELECT
    json({AllocatedMethodDetails:Identifier}),
    text({AllocatedMethodId:Identifier}),
    text({AllocatedResourceId:Identifier}),
    text({AllocatedResourceName:Identifier}),
    json({AllocatedTags:Identifier}),
    text({AvailabilityZone:Identifier}),
    assumeNotNull(billed),
    ifNull(text({BillingAccountId:Identifier}), ''),
    text({BillingAccountName:Identifier}),
    text({BillingAccountType:Identifier}),
    currency_of({BillingCurrency:Identifier}),
    assumeNotNull(billing_ends),
    assumeNotNull(billing_starts),
    text({CapacityReservationId:Identifier}),
    text({CapacityReservationStatus:Identifier}),
    titled({ChargeCategory:Identifier}),
    if(titled({ChargeClass:Identifier}) = 'Correction', 'Correction', text({ChargeClass:Identifier})),
    text({ChargeDescription:Identifier}),
    text({ChargeFrequency:Identifier}),
    assumeNotNull(charge_ends),
    assumeNotNull(charge_starts),
    text({CommitmentDiscountCategory:Identifier}),
    text({CommitmentDiscountId:Identifier}),
    text({CommitmentDiscountName:Identifier}),
    amount({CommitmentDiscountQuantity:Identifier}, is_commitment_discount_quantity),
    text({CommitmentDiscountStatus:Identifier}),
    text({CommitmentDiscountType:Identifier}),
    text({CommitmentDiscountUnit:Identifier}),
    json({CommitmentProgramEligibilityDetails:Identifier}),
    amount({ConsumedQuantity:Identifier}, is_consumed_quantity),
    text({ConsumedUnit:Identifier}),
    json({ContractApplied:Identifier}),
    amount({ContractedCost:Identifier}, is_contracted_cost),
    amount({ContractedUnitPrice:Identifier}, is_contracted_unit_price),
    assumeNotNull(if(is_effective_billed, billed, amount({EffectiveCost:Identifier}, is_effective_cost))),
    text({HostProviderName:Identifier}),
    text({InvoiceDetailId:Identifier}),
    text({InvoiceId:Identifier}),
    text({InvoiceIssuerName:Identifier}),
    amount({ListCost:Identifier}, is_list_cost),
    amount({ListUnitPrice:Identifier}, is_list_unit_price),
    text({PricingCategory:Identifier}),
    text({PricingCurrency:Identifier}),
    amount({PricingCurrencyContractedUnitPrice:Identifier}, is_pricing_currency_contracted_unit_price),
    amount({PricingCurrencyEffectiveCost:Identifier}, is_pricing_currency_effective_cost),
    amount({PricingCurrencyListUnitPrice:Identifier}, is_pricing_currency_list_unit_price),
    amount({PricingQuantity:Identifier}, is_pricing_quantity),
    text({PricingUnit:Identifier}),
    text({ProviderName:Identifier}),
    text({PublisherName:Identifier}),
    text({RegionId:Identifier}),
    text({RegionName:Identifier}),
    text({ResourceId:Identifier}),
    text({ResourceName:Identifier}),
    text({ResourceType:Identifier}),
    text({ServiceCategory:Identifier}),
    ifNull(text({ServiceName:Identifier}), ''),
    text({ServiceProviderName:Identifier}),
    text({ServiceSubcategory:Identifier}),
    text({SkuId:Identifier}),
    text({SkuMeter:Identifier}),
    json({SkuPriceDetails:Identifier}),
    text({SkuPriceId:Identifier}),
    text({SubAccountId:Identifier}),
    text({SubAccountName:Identifier}),
    text({SubAccountType:Identifier}),
    tag_map,
    resource_group,
    {source_name:String},
    period,
    {batch_id:UUID},
    identity_hash(
        tag_map, text({ResourceId:Identifier}), text({ResourceName:Identifier}), text({SubAccountId:Identifier}),
        text({BillingAccountId:Identifier}), resource_group
    ),
    transform(toString(_file), {file_names:Array(String)}, {object_names:Array(String)}, ''),
    repairs
