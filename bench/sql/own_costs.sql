-- purpose: the engine's own copy of a Parquet file into raw_focus_costs's schema, synced to disk: what an ingest must
--   write at least, with no mapping, check or count
-- parameters: path String
-- columns: none
INSERT INTO bench_own_costs
(
    BilledCost, EffectiveCost, ListCost, ContractedCost, BillingAccountId, BillingAccountName, BillingCurrency,
    BillingPeriodStart, BillingPeriodEnd, ChargePeriodStart, ChargePeriodEnd, ChargeCategory, ChargeDescription,
    ChargeFrequency, InvoiceIssuerName, ProviderName, PublisherName, PricingQuantity, PricingUnit, RegionId,
    ResourceId, ServiceCategory, ServiceName, SubAccountId, Tags, x_BillingPeriod
)
SELECT
    BilledCost, EffectiveCost, ListCost, ContractedCost, BillingAccountId, BillingAccountName, BillingCurrency,
    BillingPeriodStart, BillingPeriodEnd, ChargePeriodStart, ChargePeriodEnd, ChargeCategory, ChargeDescription,
    ChargeFrequency, InvoiceIssuerName, ProviderName, PublisherName, PricingQuantity, PricingUnit, RegionId,
    ResourceId, ServiceCategory, ServiceName, SubAccountId, Tags, toStartOfMonth(toDate(BillingPeriodStart))
FROM file({path:String}, 'Parquet')
