-- purpose: charges of a month of the bill that shared cost rules may take, as queries/export/focus has them, with what tells them
--   apart as queries/costs/pools does
-- parameters: billing_period Date, sources Array(String), batches Array(UUID) (of raw_focus_costs), identities_batch UUID, pools,
--   looked_at, tag_keys Array(String), hourly Bool (as of queries/costs/pools)
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
--   x_ResourceGroupName, x_SplitOriginId, x_SplitOriginCost, usage_date, source_name, app_id,
--   team, cost_center, environment, provider, service_name, charge_category, charge_class, charge_frequency,
--   billing_currency, attribution_rule, confidence, account, project, region, commitment, description, tags Array(String),
--   period_start DateTime64(6), period_end DateTime64(6)
SELECT
    -- shared: shared/focus_columns
    ,
    -- shared: shared/pool_columns
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
WHERE has({pools:Array(String)}, x_AppId)
