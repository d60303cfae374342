-- Rows of the cloud bill as FOCUS 1.4, with the columns 1.4 removed; what a provider lacks is NULL.
-- Column facts: models/policy/focus_columns.csv (a test compares). Nothing is updated: a restated month is a new batch.
-- x_ChargeHash is counted by the table and not by the statement that fills it, so that every format has the same one. A
-- NULL would make it NULL and the order of a map would change it. Amounts are rounded, as a copy printed from doubles
-- differs from the sixth place on, and large quantities (bytes) from the third digit before the point.

-- statement
CREATE TABLE IF NOT EXISTS raw_focus_costs
(
    AllocatedMethodDetails              Nullable(String) COMMENT 'how a shared charge was split, JSON',
    AllocatedMethodId                   LowCardinality(Nullable(String)) COMMENT 'identifies the method a shared charge was split by',
    AllocatedResourceId                 Nullable(String) COMMENT 'resource a split charge is given to',
    AllocatedResourceName               Nullable(String) COMMENT 'name of that resource',
    AllocatedTags                       Nullable(String) COMMENT 'tags of the split charge, JSON',
    AvailabilityZone                    LowCardinality(Nullable(String)) COMMENT 'isolated part of a region',
    BilledCost                          Decimal(38, 18) COMMENT 'what is invoiced for the charge',
    BillingAccountId                    LowCardinality(String) COMMENT 'account that is invoiced',
    BillingAccountName                  LowCardinality(Nullable(String)) COMMENT 'its name',
    BillingAccountType                  LowCardinality(Nullable(String)) COMMENT 'its kind',
    BillingCurrency                     LowCardinality(String) COMMENT 'ISO 4217 currency of all costs of the row',
    BillingPeriodEnd                    DateTime64(9, 'UTC') COMMENT 'first moment after the billing period',
    BillingPeriodStart                  DateTime64(9, 'UTC') COMMENT 'first moment of the billing period',
    CapacityReservationId               LowCardinality(Nullable(String)) COMMENT 'capacity reservation the charge belongs to',
    CapacityReservationStatus           LowCardinality(Nullable(String)) COMMENT 'Used or Unused',
    ChargeCategory                      LowCardinality(String) COMMENT 'Usage, Purchase, Tax, Credit or Adjustment',
    ChargeClass                         LowCardinality(Nullable(String)) COMMENT 'Correction or NULL',
    ChargeDescription                   Nullable(String) COMMENT 'what the charge is for',
    ChargeFrequency                     LowCardinality(Nullable(String)) COMMENT 'One-Time, Recurring or Usage-Based',
    ChargePeriodEnd                     DateTime64(9, 'UTC') COMMENT 'first moment after the charge period',
    ChargePeriodStart                   DateTime64(9, 'UTC') COMMENT 'first moment of the charge period',
    CommitmentDiscountCategory          LowCardinality(Nullable(String)) COMMENT 'Spend or Usage',
    CommitmentDiscountId                LowCardinality(Nullable(String)) COMMENT 'commitment the charge belongs to',
    CommitmentDiscountName              LowCardinality(Nullable(String)) COMMENT 'its name',
    CommitmentDiscountQuantity          Nullable(Decimal(38, 18)) COMMENT 'commitment bought or drawn down',
    CommitmentDiscountStatus            LowCardinality(Nullable(String)) COMMENT 'Used or Unused',
    CommitmentDiscountType              LowCardinality(Nullable(String)) COMMENT 'the provider''s kind of commitment',
    CommitmentDiscountUnit              LowCardinality(Nullable(String)) COMMENT 'unit of CommitmentDiscountQuantity',
    CommitmentProgramEligibilityDetails Nullable(String) COMMENT 'programs the charge could be covered by, JSON',
    ConsumedQuantity                    Nullable(Decimal(38, 18)) COMMENT 'metered quantity',
    ConsumedUnit                        LowCardinality(Nullable(String)) COMMENT 'its unit',
    ContractApplied                     Nullable(String) COMMENT 'contracts applied to the charge, JSON',
    ContractedCost                      Nullable(Decimal(38, 18)) COMMENT 'cost at negotiated prices',
    ContractedUnitPrice                 Nullable(Decimal(38, 18)) COMMENT 'negotiated price of one pricing unit',
    EffectiveCost                       Decimal(38, 18) COMMENT 'cost after all discounts with prepaid purchases amortised',
    HostProviderName                    LowCardinality(Nullable(String)) COMMENT 'who hosts the resource',
    InvoiceDetailId                     LowCardinality(Nullable(String)) COMMENT 'line of the invoice',
    InvoiceId                           LowCardinality(Nullable(String)) COMMENT 'invoice the charge is on',
    InvoiceIssuerName                   LowCardinality(Nullable(String)) COMMENT 'who invoices',
    ListCost                            Nullable(Decimal(38, 18)) COMMENT 'cost at list prices',
    ListUnitPrice                       Nullable(Decimal(38, 18)) COMMENT 'list price of one pricing unit',
    PricingCategory                     LowCardinality(Nullable(String)) COMMENT 'Standard, Dynamic, Committed or Other',
    PricingCurrency                     LowCardinality(Nullable(String)) COMMENT 'currency of the price list',
    PricingCurrencyContractedUnitPrice  Nullable(Decimal(38, 18)) COMMENT 'negotiated unit price in that currency',
    PricingCurrencyEffectiveCost        Nullable(Decimal(38, 18)) COMMENT 'effective cost in that currency',
    PricingCurrencyListUnitPrice        Nullable(Decimal(38, 18)) COMMENT 'list unit price in that currency',
    PricingQuantity                     Nullable(Decimal(38, 18)) COMMENT 'quantity the price is for',
    PricingUnit                         LowCardinality(Nullable(String)) COMMENT 'its unit',
    ProviderName                        LowCardinality(Nullable(String)) COMMENT 'who made the service available, until 1.3',
    PublisherName                       LowCardinality(Nullable(String)) COMMENT 'who produced the service, until 1.3',
    RegionId                            LowCardinality(Nullable(String)) COMMENT 'region of the resource',
    RegionName                          LowCardinality(Nullable(String)) COMMENT 'its name',
    ResourceId                          Nullable(String) COMMENT 'the resource',
    ResourceName                        Nullable(String) COMMENT 'its name',
    ResourceType                        LowCardinality(Nullable(String)) COMMENT 'its kind',
    ServiceCategory                     LowCardinality(Nullable(String)) COMMENT 'one of 19 categories',
    ServiceName                         LowCardinality(String) COMMENT 'the service',
    ServiceProviderName                 LowCardinality(Nullable(String)) COMMENT 'who provides the service',
    ServiceSubcategory                  LowCardinality(Nullable(String)) COMMENT 'one of 82 subcategories',
    SkuId                               Nullable(String) COMMENT 'the SKU',
    SkuMeter                            LowCardinality(Nullable(String)) COMMENT 'what the SKU meters',
    SkuPriceDetails                     Nullable(String) COMMENT 'properties of the SKU price, JSON',
    SkuPriceId                          Nullable(String) COMMENT 'the price of the SKU',
    SubAccountId                        LowCardinality(Nullable(String)) COMMENT 'account or subscription the charge belongs to',
    SubAccountName                      LowCardinality(Nullable(String)) COMMENT 'its name',
    SubAccountType                      LowCardinality(Nullable(String)) COMMENT 'its kind',
    Tags                                Map(String, String) COMMENT 'tags as delivered',
    x_ResourceGroupName                 LowCardinality(Nullable(String)) COMMENT 'resource group: the provider''s own column, else taken from an Azure ResourceId',
    x_SourceName                        LowCardinality(String) COMMENT 'billing source of appfleet.yaml',
    x_BillingPeriod                     Date COMMENT 'first day of the month the provider means by BillingPeriodStart, whatever its offset',
    x_BatchId                           UUID COMMENT 'load attempt that wrote the row; published batches only are read',
    x_IdentityHash                      UInt64 COMMENT 'hash over Tags, ResourceId, ResourceName, SubAccountId, BillingAccountId and x_ResourceGroupName',
    x_ObjectName                        LowCardinality(String) COMMENT 'object the row was delivered in',
    x_ChargeHash                        UInt64 DEFAULT cityHash64(
        round(BilledCost, 6), round(EffectiveCost, 6), BillingCurrency, ChargePeriodStart, ChargePeriodEnd, ChargeCategory,
        ifNull(ChargeClass, ''), ifNull(ResourceId, ''), ifNull(SubAccountId, ''), ServiceName, ifNull(SkuId, ''),
        ifNull(SkuPriceId, ''), ifNull(ChargeDescription, ''), ifNull(RegionId, ''),
        multiIf(abs(ifNull(ConsumedQuantity, 0)) < 1000000, round(ifNull(ConsumedQuantity, 0), 6), round(ifNull(ConsumedQuantity, 0), -3)),
        multiIf(abs(ifNull(PricingQuantity, 0)) < 1000000, round(ifNull(PricingQuantity, 0), 6), round(ifNull(PricingQuantity, 0), -3)),
        mapSort(Tags)
    ) COMMENT 'hash of what tells charges apart, amounts at 6 places: the same charge in another file, format or source has the same',
    x_Repairs                           Array(Tuple(subject LowCardinality(String), reason LowCardinality(String), delivered String)) COMMENT 'cells of the row that are not as they were delivered: column, what was done and why, what stood there'
)
ENGINE = {{merge_tree}}
PARTITION BY x_BillingPeriod
ORDER BY (x_SourceName, x_BillingPeriod, x_BatchId)
-- Parts as inserted are compact: two files instead of some two hundred, a fifth of an insert (measured); merges widen them.
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 1073741824, min_rows_for_wide_part = 0
COMMENT 'The bill, row by row, exact';

-- statement
CREATE OR REPLACE VIEW raw_focus_costs_published AS
SELECT * FROM raw_focus_costs
WHERE (x_SourceName, x_BillingPeriod, x_BatchId) IN
(
    SELECT substring(scope, length('billing/') + 1), period, batch_id
    FROM current_batches
    WHERE table_name = 'raw_focus_costs' AND startsWith(scope, 'billing/')
);
