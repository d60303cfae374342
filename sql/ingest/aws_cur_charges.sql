-- purpose: the line items of a spooled Cost and Usage Report as charges in the columns of FOCUS, as text, beside their own
--   columns; a column of FOCUS that a report has nothing for is NULL
-- parameters: path, format, structure String, bill_billing_entity and every other column of the report Identifier,
--   resource_tagsAsMap Identifier (resource_tags where it is a map, and then alone), tag_keys Array(String) (the tag in each
--   column that holds one), is_net UInt8 (discounts are no lines, and the net cost is what is billed), line_types,
--   line_type_effective, line_type_category, line_type_class, line_type_frequency, line_type_pricing, line_type_status
--   Array(String)
-- columns: those of the file, _file, _row_number, line_type, effective_kind, those of FOCUS
    WITH
        -- shared: ingest/cells
        ,
        x -> if(is_text(x), trimmed(x), ifNull(toString(x), '')) AS cell,
        x -> nullIf(cell(x), '') AS given,
        -- The sum of two amounts of which one may be empty; where one cannot be read, its text: it is refused as it stands.
        (a, b, sign) -> multiIf(
            a = '' AND b = '', '',
            a != '' AND NOT is_number(a, 15), a,
            b != '' AND NOT is_number(b, 15), b,
            toString(ifNull(toDecimal256OrNull(a, 38), 0) + sign * ifNull(toDecimal256OrNull(b, 38), 0))
        ) AS sum_of,
        (net, gross) -> if({is_net:UInt8} = 1 AND cell(net) != '', cell(net), cell(gross)) AS paid,
        m -> JSONExtract(ifNull(toJSONString(m), ''), 'Map(String, String)') AS members,
        x -> if(is_absent(x), map(), if(is_text(x), JSONExtract(trimmed(x), 'Map(String, String)'), members(x))) AS properties,
        lower(replaceRegexpAll(cell({line_item_line_item_type:Identifier}), '[^a-zA-Z0-9]', '')) AS line_type,
        transform(line_type, {line_types:Array(String)}, {line_type_effective:Array(String)}, '') AS effective_kind,
        transform(line_type, {line_types:Array(String)}, {line_type_status:Array(String)}, '') AS commitment_status,
        transform(line_type, {line_types:Array(String)}, {line_type_pricing:Array(String)}, '') AS pricing_of_type,
        paid({line_item_net_unblended_cost:Identifier}, {line_item_unblended_cost:Identifier}) AS billed_text,
        properties({product:Identifier}) AS product_properties,
        given({savings_plan_savings_plan_a_r_n:Identifier}) AS savings_plan,
        given({reservation_reservation_a_r_n:Identifier}) AS reservation,
        (pricing_of_type = 'Committed' OR (effective_kind = 'reservation_fee' AND isNotNull(reservation))) AS is_committed,
        -- Tags: of a map, or of columns that hold one each.
        [COLUMNS('(?i)^resource_?tags[/_].')] AS tag_cells,
        arrayFilter(one -> one.1 != '' AND ifNull(one.2, '') != '', arrayZip({tag_keys:Array(String)}, tag_cells)) AS tags_of_columns,
        mapApply((k, v) -> (replaceRegexpOne(k, '(?i)^user[:_]', ''), v), {resource_tagsAsMap:Identifier}) AS tags_of_map
    SELECT
        *,
        _file,
        _row_number,
        line_type,
        effective_kind,
        billed_text AS BilledCost,
        multiIf(
            effective_kind = 'nothing', '0',
            effective_kind = 'reservation_fee' AND isNotNull(reservation), '0',
            effective_kind = 'savings_plan_used',
            paid({savings_plan_net_savings_plan_effective_cost:Identifier}, {savings_plan_savings_plan_effective_cost:Identifier}),
            effective_kind = 'savings_plan_unused',
            sum_of(cell({savings_plan_total_commitment_to_date:Identifier}), cell({savings_plan_used_commitment:Identifier}), -1),
            effective_kind = 'reservation_used',
            paid({reservation_net_effective_cost:Identifier}, {reservation_effective_cost:Identifier}),
            effective_kind = 'reservation_unused',
            sum_of(
                paid(
                    {reservation_net_unused_amortized_upfront_fee_for_billing_period:Identifier},
                    {reservation_unused_amortized_upfront_fee_for_billing_period:Identifier}
                ),
                paid({reservation_net_unused_recurring_fee:Identifier}, {reservation_unused_recurring_fee:Identifier}),
                1
            ),
            billed_text
        ) AS EffectiveCost,
        cell({pricing_public_on_demand_cost:Identifier}) AS ListCost,
        NULL AS ContractedCost,
        cell({bill_payer_account_id:Identifier}) AS BillingAccountId,
        given({bill_payer_account_name:Identifier}) AS BillingAccountName,
        cell({line_item_currency_code:Identifier}) AS BillingCurrency,
        cell({bill_billing_period_start_date:Identifier}) AS BillingPeriodStart,
        cell({bill_billing_period_end_date:Identifier}) AS BillingPeriodEnd,
        cell({line_item_usage_start_date:Identifier}) AS ChargePeriodStart,
        cell({line_item_usage_end_date:Identifier}) AS ChargePeriodEnd,
        transform(line_type, {line_types:Array(String)}, {line_type_category:Array(String)}, '') AS ChargeCategory,
        nullIf(transform(line_type, {line_types:Array(String)}, {line_type_class:Array(String)}, ''), '') AS ChargeClass,
        given({line_item_line_item_description:Identifier}) AS ChargeDescription,
        nullIf(transform(line_type, {line_types:Array(String)}, {line_type_frequency:Array(String)}, ''), '') AS ChargeFrequency,
        if(is_committed, coalesce(savings_plan, reservation), NULL) AS CommitmentDiscountId,
        multiIf(NOT is_committed, NULL, isNotNull(savings_plan), 'Spend', isNotNull(reservation), 'Usage', NULL)
            AS CommitmentDiscountCategory,
        multiIf(NOT is_committed, NULL, isNotNull(savings_plan), 'Savings Plan', isNotNull(reservation), 'Reservation', NULL)
            AS CommitmentDiscountType,
        nullIf(commitment_status, '') AS CommitmentDiscountStatus,
        if(ChargeCategory = 'Usage', cell({line_item_usage_amount:Identifier}), '') AS ConsumedQuantity,
        if(ChargeCategory = 'Usage', given({pricing_unit:Identifier}), NULL) AS ConsumedUnit,
        if(ChargeCategory IN ('Usage', 'Purchase'), cell({line_item_usage_amount:Identifier}), '') AS PricingQuantity,
        given({pricing_unit:Identifier}) AS PricingUnit,
        multiIf(
            line_type = 'usage' AND position(cell({line_item_usage_type:Identifier}), 'SpotUsage') > 0, 'Dynamic',
            nullIf(pricing_of_type, '')
        ) AS PricingCategory,
        cell({line_item_currency_code:Identifier}) AS PricingCurrency,
        given({bill_invoice_id:Identifier}) AS InvoiceId,
        coalesce(given({bill_invoicing_entity:Identifier}), given({line_item_legal_entity:Identifier})) AS InvoiceIssuerName,
        cell({pricing_public_on_demand_rate:Identifier}) AS ListUnitPrice,
        'AWS' AS ProviderName,
        'AWS' AS ServiceProviderName,
        coalesce(given({line_item_legal_entity:Identifier}), given({bill_billing_entity:Identifier})) AS PublisherName,
        coalesce(
            given({product_region_code:Identifier}), given({product_region:Identifier}),
            nullIf(product_properties['region'], '')
        ) AS RegionId,
        given({line_item_availability_zone:Identifier}) AS AvailabilityZone,
        given({line_item_resource_id:Identifier}) AS ResourceId,
        coalesce(
            given({product_product_name:Identifier}), nullIf(product_properties['product_name'], ''),
            given({line_item_product_code:Identifier})
        ) AS ServiceName,
        given({product_sku:Identifier}) AS SkuId,
        given({line_item_usage_type:Identifier}) AS SkuMeter,
        given({pricing_rate_code:Identifier}) AS SkuPriceId,
        coalesce(given({line_item_usage_account_id:Identifier}), given({bill_payer_account_id:Identifier})) AS SubAccountId,
        given({line_item_usage_account_name:Identifier}) AS SubAccountName,
        -- What is text stays so, and what is absent absent: which of both tags are is read of their type.
        replaceRegexpAll({resource_tags:Identifier}, '(?i)"user[:_]([^"\\\\]*"[ \t]*:)', '"\\1') AS Tags,
        mapUpdate(tags_of_map, CAST((tags_of_columns.1, tags_of_columns.2), 'Map(String, Nullable(String))')) AS TagsAsMap,
        NULL AS AllocatedMethodDetails, NULL AS AllocatedMethodId, NULL AS AllocatedResourceId,
        NULL AS AllocatedResourceName, NULL AS AllocatedTags, NULL AS BillingAccountType,
        NULL AS CapacityReservationId, NULL AS CapacityReservationStatus, NULL AS CommitmentDiscountName,
        NULL AS CommitmentDiscountQuantity, NULL AS CommitmentDiscountUnit, NULL AS CommitmentProgramEligibilityDetails,
        NULL AS ContractApplied, NULL AS ContractedUnitPrice, NULL AS HostProviderName, NULL AS InvoiceDetailId,
        NULL AS PricingCurrencyContractedUnitPrice, NULL AS PricingCurrencyEffectiveCost,
        NULL AS PricingCurrencyListUnitPrice, NULL AS RegionName, NULL AS ResourceName, NULL AS ResourceType,
        NULL AS ServiceCategory, NULL AS ServiceSubcategory, NULL AS SkuPriceDetails, NULL AS SubAccountType,
        NULL AS x_ResourceGroupName
    FROM file({path:String}, {format:String}, {structure:String})
