-- purpose: what one spooled FOCUS object (CSV or Parquet) holds per billing month and currency, counted from its bytes
--   and not from the table: rows, rows that may not be loaded, exact sums and what the 18 places of the table cut off.
--   ingest/focus_rejects names the rows at fault; both must agree.
-- parameters: path, format, structure String, currencies Array(String)
-- columns: period Nullable(Date) (NULL: the month cannot be told), currency, rows, bad_rows UInt64,
--   per metric of the four costs sum_<metric> (18 places) and residue_<metric> (the 20 places after), both String
WITH
    x -> (toTypeName(x) IN ('String', 'Nullable(String)')) AS is_text,
    x -> nullIf(nullIf(x, ''), 'NULL') AS text,
    x -> (toUInt8OrZero(extract(toTypeName(x), 'Decimal.*, ([0-9]+)')) <= 18) AS is_short,
    x -> if(is_text(x), toDecimal256OrNull(toString(x), 38), CAST(x, 'Nullable(Decimal(76, 38))')) AS decimal,
    x -> (length(extract(x, '[.]([0-9]*)')) - toInt16OrZero(extract(x, '[eE]([+-]?[0-9]+)$'))) AS places,
    x -> (
        match(x, '^[+-]?(0*[0-9]{1,15}([.][0-9]{0,38})?|[.][0-9]{1,38})$')
        OR (
            match(x, '^[+-]?([0-9]+([.][0-9]{0,38})?|[.][0-9]{1,38})[eE][+-]?[0-9]{1,2}$')
            AND places(x) <= 38 AND ifNull(abs(toDecimal256OrNull(x, 38)) < toDecimal256('1000000000000000', 38), false)
        )
    ) AS is_number_text,
    x -> ifNull(
        multiIf(
            is_text(x), is_number_text(ifNull(toString(x), '')),
            is_short(x), abs(CAST(x, 'Nullable(Decimal(38, 18))')) < toDecimal128('1000000000000000', 18),
            abs(decimal(x)) < toDecimal256('1000000000000000', 38)
        ),
        false
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
    x -> if(is_text(x), toDecimal128OrNull(toString(x), 18), CAST(x, 'Nullable(Decimal(38, 18))')) AS kept,
    x -> (positionCaseInsensitive(x, 'e') > 0 OR match(x, '[.][0-9]{19}')) AS is_long_text,
    x -> ifNull(
        multiIf(
            is_text(x), if(is_long_text(ifNull(toString(x), '')), decimal(x) - toDecimal256(kept(x), 38), toDecimal256(0, 38)),
            is_short(x), toDecimal256(0, 38),
            decimal(x) - toDecimal256(kept(x), 38)
        ),
        toDecimal256(0, 38)
    ) AS residue,
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
    toString(sumIf(ifNull(toDecimal256(kept(BilledCost), 18), 0), is_good)) AS sum_BilledCost,
    toString(sumIf(residue(BilledCost), is_good)) AS residue_BilledCost,
    toString(sumIf(ifNull(toDecimal256(kept(EffectiveCost), 18), 0), is_good)) AS sum_EffectiveCost,
    toString(sumIf(residue(EffectiveCost), is_good)) AS residue_EffectiveCost,
    toString(sumIf(ifNull(toDecimal256(kept(ListCost), 18), 0), is_good)) AS sum_ListCost,
    toString(sumIf(residue(ListCost), is_good)) AS residue_ListCost,
    toString(sumIf(ifNull(toDecimal256(kept(ContractedCost), 18), 0), is_good)) AS sum_ContractedCost,
    toString(sumIf(residue(ContractedCost), is_good)) AS residue_ContractedCost
FROM file({path:String}, {format:String}, {structure:String})
GROUP BY period, currency
ORDER BY period, currency
