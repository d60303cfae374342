-- purpose: the rows of a spooled export of Azure's actual or amortized costs under FOCUS names; a value that cannot be read
--   as what it should be stays as it stands, so that the verdicts of ingest/focus_cells refuse or empty it like any other
-- parameters: path, format, structure String, az_<column> Identifier (each of models/policy/azure_columns.csv as the file
--   spells it), date_order String (mdy or dmy: how a date with slashes is read; empty: the file has
--   none that leaves a doubt), and of models/policy/azure_values.csv, as Array(String) each: charge_types with
--   categories_of_types, classes_of_types, statuses_of_types; pricing_models with categories_of_models, statuses_of_models;
--   frequencies with frequencies_of; families with categories_of_families
-- columns: those of raw_focus_costs that come of the export, cost (what it says the charge costs), other_cost ('0' beside a
--   cost: the other view of the bill has it), `(not delivered)` (NULL: every other column), _file, _row_number
WITH
    -- shared: ingest/azure_cells
    ,
    word({az_ChargeType:Identifier}) AS charge_type,
    word({az_PricingModel:Identifier}) AS pricing_model,
    (NOT is_empty({az_BillingPeriodStartDate:Identifier}) OR NOT is_empty({az_BillingPeriodEndDate:Identifier})) AS has_period,
    coalesce(text({az_BenefitId:Identifier}), text({az_ReservationId:Identifier})) AS commitment,
    positionCaseInsensitive(ifNull(text({az_BenefitId:Identifier}), ''), '/microsoft.billingbenefits/') > 0 AS is_savings_plan,
    (isNotNull(commitment) AND NOT is_savings_plan) AS is_reservation
SELECT
    {az_Cost:Identifier} AS cost,
    if(is_empty({az_Cost:Identifier}), NULL, '0') AS other_cost,
    NULL AS `(not delivered)`,
    coalesce(text({az_BillingAccountId:Identifier}), text({az_BillingProfileId:Identifier})) AS BillingAccountId,
    coalesce(text({az_BillingAccountName:Identifier}), text({az_BillingProfileName:Identifier})) AS BillingAccountName,
    {az_BillingCurrency:Identifier} AS BillingCurrency,
    -- Where no period is named it is the calendar month of the charge, as it is for enterprise agreements and customer agreements.
    if(has_period, first_moment({az_BillingPeriodStartDate:Identifier}), month_begins({az_Date:Identifier})) AS BillingPeriodStart,
    if(has_period, moment_after({az_BillingPeriodEndDate:Identifier}), month_ends({az_Date:Identifier})) AS BillingPeriodEnd,
    first_moment({az_Date:Identifier}) AS ChargePeriodStart,
    moment_after({az_Date:Identifier}) AS ChargePeriodEnd,
    transform(charge_type, {charge_types:Array(String)}, {categories_of_types:Array(String)}, trimmed({az_ChargeType:Identifier})) AS ChargeCategory,
    nullIf(transform(charge_type, {charge_types:Array(String)}, {classes_of_types:Array(String)}, ''), '') AS ChargeClass,
    text({az_ProductName:Identifier}) AS ChargeDescription,
    transform(word({az_Frequency:Identifier}), {frequencies:Array(String)}, {frequencies_of:Array(String)}, trimmed({az_Frequency:Identifier})) AS ChargeFrequency,
    multiIf(is_reservation, 'Usage', is_savings_plan, 'Spend', NULL) AS CommitmentDiscountCategory,
    commitment AS CommitmentDiscountId,
    coalesce(text({az_BenefitName:Identifier}), text({az_ReservationName:Identifier})) AS CommitmentDiscountName,
    coalesce(
        nullIf(transform(charge_type, {charge_types:Array(String)}, {statuses_of_types:Array(String)}, ''), ''),
        if(charge_type = 'usage', nullIf(transform(pricing_model, {pricing_models:Array(String)}, {statuses_of_models:Array(String)}, ''), ''), NULL)
    ) AS CommitmentDiscountStatus,
    multiIf(is_reservation, 'Reservation', is_savings_plan, 'Savings Plan', NULL) AS CommitmentDiscountType,
    {az_UnitPrice:Identifier} AS UnitPrice,
    coalesce(text({az_PartnerName:Identifier}), 'Microsoft') AS InvoiceIssuerName,
    text({az_InvoiceId:Identifier}) AS InvoiceId,
    {az_PaygCostInBillingCurrency:Identifier} AS ListCost,
    {az_PayGPrice:Identifier} AS PayGPrice,
    nullIf(transform(pricing_model, {pricing_models:Array(String)}, {categories_of_models:Array(String)}, ''), '') AS PricingCategory,
    text({az_PricingCurrency:Identifier}) AS PricingCurrency,
    {az_Quantity:Identifier} AS PricingQuantity,
    text({az_UnitOfMeasure:Identifier}) AS PricingUnit,
    'Microsoft' AS ProviderName,
    text({az_PublisherName:Identifier}) AS PublisherName,
    lower(replaceAll(trimmed({az_ResourceLocation:Identifier}), ' ', '')) AS RegionId,
    text({az_ResourceLocation:Identifier}) AS RegionName,
    text({az_AvailabilityZone:Identifier}) AS AvailabilityZone,
    text({az_ResourceId:Identifier}) AS ResourceId,
    coalesce(text({az_ResourceName:Identifier}), nullIf(extract(ifNull(ResourceId, ''), '([^/]+)$'), '')) AS ResourceName,
    coalesce(text({az_ResourceType:Identifier}), nullIf(extract(ifNull(ResourceId, ''), '(?i).*/providers/([^/]+/[^/]+)/'), '')) AS ResourceType,
    text({az_ResourceGroup:Identifier}) AS x_ResourceGroupName,
    nullIf(transform(word({az_ServiceFamily:Identifier}), {families:Array(String)}, {categories_of_families:Array(String)}, if(is_empty({az_ServiceFamily:Identifier}), '', 'Other')), '') AS ServiceCategory,
    coalesce(text({az_MeterCategory:Identifier}), text({az_ConsumedService:Identifier}), text({az_ProductName:Identifier})) AS ServiceName,
    coalesce(text({az_ProductId:Identifier}), text({az_PartNumber:Identifier}), text({az_MeterId:Identifier})) AS SkuId,
    text({az_MeterName:Identifier}) AS SkuMeter,
    text({az_SubscriptionId:Identifier}) AS SubAccountId,
    text({az_SubscriptionName:Identifier}) AS SubAccountName,
    if(isNull(text({az_SubscriptionId:Identifier})), NULL, 'Subscription') AS SubAccountType,
    if(is_text({az_Tags:Identifier}), text(toString({az_Tags:Identifier})), toJSONString({az_Tags:Identifier})) AS Tags,
    CAST(map(), 'Map(String, Nullable(String))') AS TagsAsMap,
    _file,
    _row_number
FROM file({path:String}, {format:String}, {structure:String})
