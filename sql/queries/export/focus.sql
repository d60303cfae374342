-- purpose: charges of a month of the bill in the columns of FOCUS, with whose they are by one batch of identities, but for those
--   of apps that shared cost rules take from (queries/export/focus_shared). One whose owner changed within its period is a row
--   for each owner, cut at that moment. Empty text is NULL, tags are JSON. In no order: sorting a month takes its memory
-- parameters: billing_period Date, sources Array(String), batches Array(UUID) (of raw_focus_costs), identities_batch UUID, pools
--   Array(String) (the apps that are left out)
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
    -- shared: shared/focus_columns
FROM
(
    SELECT
        costs.*,
        -- shared: shared/charge_parts
    FROM raw_focus_costs AS costs
    -- shared: shared/identity_join
    WHERE costs.x_BillingPeriod = {billing_period:Date} AND costs.x_SourceName IN {sources:Array(String)}
        AND costs.x_BatchId IN {batches:Array(UUID)}
) AS costs
WHERE NOT has({pools:Array(String)}, x_AppId)
