-- purpose: every charge of a month of the bill in the columns of FOCUS, with whose it is by one batch of identities; one
--   whose owner changed within its period is a row for each owner, cut at that moment. Empty text is NULL, tags are JSON. In
--   no order: sorting a month takes its memory
-- parameters: billing_period Date, sources Array(String), batches Array(UUID) (of raw_focus_costs), identities_batch UUID
-- columns: AllocatedMethodDetails, AllocatedMethodId, AllocatedResourceId, AllocatedResourceName, AllocatedTags,
--   AvailabilityZone, BilledCost, BillingAccountId, BillingAccountName, BillingAccountType, BillingCurrency,
--   BillingPeriodEnd, BillingPeriodStart, CapacityReservationId, CapacityReservationStatus, ChargeCategory, ChargeClass,
--   ChargeDescription, ChargeFrequency, ChargePeriodEnd, ChargePeriodStart, CommitmentDiscountCategory,
--   CommitmentDiscountId, CommitmentDiscountName, CommitmentDiscountQuantity, CommitmentDiscountStatus,
--   CommitmentDiscountType, CommitmentDiscountUnit, CommitmentProgramEligibilityDetails, ConsumedQuantity, ConsumedUnit,
--   ContractApplied, ContractedCost, ContractedUnitPrice, EffectiveCost, HostProviderName, InvoiceDetailId, InvoiceId,
--   InvoiceIssuerName, ListCost, ListUnitPrice, PricingCategory, PricingCurrency, PricingCurrencyContractedUnitPrice,
--   PricingCurrencyEffectiveCost, PricingCurrencyListUnitPrice, PricingQuantity, PricingUnit, ProviderName, PublisherName,
--   RegionId, RegionName, ResourceId, ResourceName, ResourceType, ServiceCategory, ServiceName, ServiceProviderName,
--   ServiceSubcategory, SkuId, SkuMeter, SkuPriceDetails, SkuPriceId, SubAccountId, SubAccountName, SubAccountType, Tags,
--   x_AppId, x_Team, x_CostCenter, x_Environment, x_AttributionRule, x_AttributionConfidence, x_SourceName,
--   x_ResourceGroupName, x_SplitOriginId, x_SplitOriginCost
SELECT
    nullIf(toString(costs.AllocatedMethodDetails), '') AS AllocatedMethodDetails,
    nullIf(toString(costs.AllocatedMethodId), '') AS AllocatedMethodId,
    nullIf(toString(costs.AllocatedResourceId), '') AS AllocatedResourceId,
    nullIf(toString(costs.AllocatedResourceName), '') AS AllocatedResourceName,
    nullIf(toString(costs.AllocatedTags), '') AS AllocatedTags,
    nullIf(toString(costs.AvailabilityZone), '') AS AvailabilityZone,
    CAST(costs.part.4, 'Decimal(38, 18)') AS BilledCost,
    nullIf(toString(costs.BillingAccountId), '') AS BillingAccountId,
    nullIf(toString(costs.BillingAccountName), '') AS BillingAccountName,
    nullIf(toString(costs.BillingAccountType), '') AS BillingAccountType,
    nullIf(toString(costs.BillingCurrency), '') AS BillingCurrency,
    costs.BillingPeriodEnd AS BillingPeriodEnd,
    costs.BillingPeriodStart AS BillingPeriodStart,
    nullIf(toString(costs.CapacityReservationId), '') AS CapacityReservationId,
    nullIf(toString(costs.CapacityReservationStatus), '') AS CapacityReservationStatus,
    nullIf(toString(costs.ChargeCategory), '') AS ChargeCategory,
    nullIf(toString(costs.ChargeClass), '') AS ChargeClass,
    nullIf(toString(costs.ChargeDescription), '') AS ChargeDescription,
    nullIf(toString(costs.ChargeFrequency), '') AS ChargeFrequency,
    costs.part.3 AS ChargePeriodEnd,
    costs.part.2 AS ChargePeriodStart,
    nullIf(toString(costs.CommitmentDiscountCategory), '') AS CommitmentDiscountCategory,
    nullIf(toString(costs.CommitmentDiscountId), '') AS CommitmentDiscountId,
    nullIf(toString(costs.CommitmentDiscountName), '') AS CommitmentDiscountName,
    if(isNull(costs.CommitmentDiscountQuantity), NULL, CAST(money_split(assumeNotNull(costs.CommitmentDiscountQuantity), costs.owned)[costs.part.6], 'Decimal(38, 18)')) AS CommitmentDiscountQuantity,
    nullIf(toString(costs.CommitmentDiscountStatus), '') AS CommitmentDiscountStatus,
    nullIf(toString(costs.CommitmentDiscountType), '') AS CommitmentDiscountType,
    nullIf(toString(costs.CommitmentDiscountUnit), '') AS CommitmentDiscountUnit,
    nullIf(toString(costs.CommitmentProgramEligibilityDetails), '') AS CommitmentProgramEligibilityDetails,
    if(isNull(costs.ConsumedQuantity), NULL, CAST(money_split(assumeNotNull(costs.ConsumedQuantity), costs.owned)[costs.part.6], 'Decimal(38, 18)')) AS ConsumedQuantity,
    nullIf(toString(costs.ConsumedUnit), '') AS ConsumedUnit,
    nullIf(toString(costs.ContractApplied), '') AS ContractApplied,
    if(isNull(costs.ContractedCost), NULL, CAST(money_split(assumeNotNull(costs.ContractedCost), costs.owned)[costs.part.6], 'Decimal(38, 18)')) AS ContractedCost,
    costs.ContractedUnitPrice AS ContractedUnitPrice,
    CAST(costs.part.5, 'Decimal(38, 18)') AS EffectiveCost,
    nullIf(toString(costs.HostProviderName), '') AS HostProviderName,
    nullIf(toString(costs.InvoiceDetailId), '') AS InvoiceDetailId,
    nullIf(toString(costs.InvoiceId), '') AS InvoiceId,
    nullIf(toString(costs.InvoiceIssuerName), '') AS InvoiceIssuerName,
    if(isNull(costs.ListCost), NULL, CAST(money_split(assumeNotNull(costs.ListCost), costs.owned)[costs.part.6], 'Decimal(38, 18)')) AS ListCost,
    costs.ListUnitPrice AS ListUnitPrice,
    nullIf(toString(costs.PricingCategory), '') AS PricingCategory,
    nullIf(toString(costs.PricingCurrency), '') AS PricingCurrency,
    costs.PricingCurrencyContractedUnitPrice AS PricingCurrencyContractedUnitPrice,
    if(isNull(costs.PricingCurrencyEffectiveCost), NULL, CAST(money_split(assumeNotNull(costs.PricingCurrencyEffectiveCost), costs.owned)[costs.part.6], 'Decimal(38, 18)')) AS PricingCurrencyEffectiveCost,
    costs.PricingCurrencyListUnitPrice AS PricingCurrencyListUnitPrice,
    if(isNull(costs.PricingQuantity), NULL, CAST(money_split(assumeNotNull(costs.PricingQuantity), costs.owned)[costs.part.6], 'Decimal(38, 18)')) AS PricingQuantity,
    nullIf(toString(costs.PricingUnit), '') AS PricingUnit,
    nullIf(toString(costs.ProviderName), '') AS ProviderName,
    nullIf(toString(costs.PublisherName), '') AS PublisherName,
    nullIf(toString(costs.RegionId), '') AS RegionId,
    nullIf(toString(costs.RegionName), '') AS RegionName,
    nullIf(toString(costs.ResourceId), '') AS ResourceId,
    nullIf(toString(costs.ResourceName), '') AS ResourceName,
    nullIf(toString(costs.ResourceType), '') AS ResourceType,
    nullIf(toString(costs.ServiceCategory), '') AS ServiceCategory,
    nullIf(toString(costs.ServiceName), '') AS ServiceName,
    nullIf(toString(costs.ServiceProviderName), '') AS ServiceProviderName,
    nullIf(toString(costs.ServiceSubcategory), '') AS ServiceSubcategory,
    nullIf(toString(costs.SkuId), '') AS SkuId,
    nullIf(toString(costs.SkuMeter), '') AS SkuMeter,
    nullIf(toString(costs.SkuPriceDetails), '') AS SkuPriceDetails,
    nullIf(toString(costs.SkuPriceId), '') AS SkuPriceId,
    nullIf(toString(costs.SubAccountId), '') AS SubAccountId,
    nullIf(toString(costs.SubAccountName), '') AS SubAccountName,
    nullIf(toString(costs.SubAccountType), '') AS SubAccountType,
    if(empty(costs.Tags), NULL, toJSONString(mapSort(costs.Tags))) AS Tags,
    if((costs.part.1).app_id = '', 'unallocated', (costs.part.1).app_id) AS x_AppId,
    if((costs.part.1).app_id = '', 'unassigned', (costs.part.1).team) AS x_Team,
    (costs.part.1).cost_center AS x_CostCenter,
    (costs.part.1).environment AS x_Environment,
    if((costs.part.1).app_id = '', 'unallocated', (costs.part.1).rule) AS x_AttributionRule,
    (costs.part.1).confidence AS x_AttributionConfidence,
    toString(costs.x_SourceName) AS x_SourceName,
    nullIf(toString(costs.x_ResourceGroupName), '') AS x_ResourceGroupName,
    CAST(NULL, 'Nullable(String)') AS x_SplitOriginId,
    CAST(NULL, 'Nullable(Decimal(38, 18))') AS x_SplitOriginCost
FROM
(
    SELECT
        costs.*,
        -- shared: shared/charge_parts
    FROM raw_focus_costs AS costs
    ASOF LEFT JOIN
    (
        -- shared: shared/identity_lines
        FROM core_identities
        WHERE batch_id = {identities_batch:UUID}
    ) AS identity
    ON identity.identity_hash = costs.x_IdentityHash
        -- shared: shared/identity_service
        AND costs.ChargePeriodStart >= identity.line_from
    WHERE costs.x_BillingPeriod = {billing_period:Date} AND costs.x_SourceName IN {sources:Array(String)}
        AND costs.x_BatchId IN {batches:Array(UUID)}
) AS costs
