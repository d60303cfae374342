-- purpose: what one spooled FOCUS object (CSV or Parquet) holds per billing month and currency, counted from its bytes
--   and not from the table: rows, rows that may not be loaded, exact sums and what the 18 places of the table cut off.
--   ingest/focus_rejects names the rows at fault; both must agree.
-- parameters: path, format, structure String, currencies Array(String)
-- columns: period Nullable(Date) (NULL: the month cannot be told), currency, rows, bad_rows UInt64,
--   per metric of the four costs sum_<metric> (18 places) and residue_<metric> (the 20 places after), both String
WITH
    x -> (toTypeName(x) IN ('String', 'Nullable(String)')) AS is_text,
    x -> nullIf(nullIf(x, ''), 'NULL') AS text,
    x -> if(is_text(x), toDecimal256OrNull(toString(x), 38), CAST(x, 'Nullable(Decimal(76, 38))')) AS decimal,
    x -> (length(extract(x, '[.]([0-9]*)')) - toInt16OrZero(extract(x, '[eE]([+-]?[0-9]+)$'))) AS places,
    x -> (
        match(x, '^[+-]?([0-9]+([.][0-9]{0,38})?|[.][0-9]{1,38})([eE][+-]?[0-9]{1,2})?$')
        AND (positionCaseInsensitive(x, 'e') = 0 OR places(x) <= 38)
    ) AS is_number_text,
    x -> (
        ifNull(abs(decimal(x)) < toDecimal256('1000000000000000', 38), false)
        AND if(is_text(x), is_number_text(ifNull(toString(x), '')), true)
    ) AS is_cost,
    x -> if(is_text(x), text(toString(x)) IS NULL OR is_cost(toString(x)), true) AS is_quantity,
    x -> if(
        is_text(x),
        if(
            match(ifNull(toString(x), ''), '^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$'),
            parseDateTime64BestEffortOrNull(toString(x), 9, 'UTC'),
            NULL
        ),
        if(toYear(x) BETWEEN 2000 AND 2099, CAST(x, 'Nullable(DateTime64(9, \'UTC\'))'), NULL)
    ) AS moment,
    x -> ifNull(toYear(moment(x)) BETWEEN 2000 AND 2099, false) AS is_moment,
    x -> if(is_text(x), toString(x) IN ('', 'NULL') OR JSONType(toString(x)) = 'Object', true) AS is_tags,
    x -> toDecimal256(CAST(ifNull(decimal(x), 0), 'Decimal(38, 18)'), 38) AS kept,
    moment(BillingPeriodStart) AS billing_start,
    (
        is_cost(BilledCost)
        AND is_cost(ContractedCost)
        AND is_cost(EffectiveCost)
        AND is_cost(ListCost)
        AND is_quantity(CommitmentDiscountQuantity)
        AND is_quantity(ConsumedQuantity)
        AND is_quantity(ContractedUnitPrice)
        AND is_quantity(ListUnitPrice)
        AND is_quantity(PricingCurrencyContractedUnitPrice)
        AND is_quantity(PricingCurrencyEffectiveCost)
        AND is_quantity(PricingCurrencyListUnitPrice)
        AND is_quantity(PricingQuantity)
        AND is_moment(BillingPeriodEnd)
        AND is_moment(BillingPeriodStart)
        AND is_moment(ChargePeriodEnd)
        AND is_moment(ChargePeriodStart)
        AND ifNull(moment(BillingPeriodEnd) > billing_start, false)
        AND ifNull(moment(ChargePeriodEnd) >= moment(ChargePeriodStart), false)
        AND ifNull(BillingCurrency, '') IN {currencies:Array(String)}
        AND is_tags(Tags)
    ) AS is_good
SELECT
    if(is_moment(BillingPeriodStart), toStartOfMonth(toDate(billing_start)), NULL) AS period,
    ifNull(BillingCurrency, '') AS currency,
    count() AS rows,
    countIf(NOT is_good) AS bad_rows,
    toString(sumIf(kept(BilledCost), is_good)) AS sum_BilledCost,
    toString(sumIf(ifNull(decimal(BilledCost), 0) - kept(BilledCost), is_good)) AS residue_BilledCost,
    toString(sumIf(kept(EffectiveCost), is_good)) AS sum_EffectiveCost,
    toString(sumIf(ifNull(decimal(EffectiveCost), 0) - kept(EffectiveCost), is_good)) AS residue_EffectiveCost,
    toString(sumIf(kept(ListCost), is_good)) AS sum_ListCost,
    toString(sumIf(ifNull(decimal(ListCost), 0) - kept(ListCost), is_good)) AS residue_ListCost,
    toString(sumIf(kept(ContractedCost), is_good)) AS sum_ContractedCost,
    toString(sumIf(ifNull(decimal(ContractedCost), 0) - kept(ContractedCost), is_good)) AS residue_ContractedCost
FROM file({path:String}, {format:String}, {structure:String})
GROUP BY period, currency
ORDER BY period, currency
