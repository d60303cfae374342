-- purpose: how a row of a FOCUS object is read: the definitions that ingest/focus, ingest/focus_profile and
--   ingest/focus_rejects share, and those of other bills over their charges in the columns of FOCUS.
-- parameters: BilledCost, EffectiveCost, ... Identifier (each deciding column as the object spells it),
--   empty_effective_cost_is_billed UInt8, currencies, charge_categories Array(String)
-- columns: none
    -- shared: ingest/cells
    ,
    -- What is asked for more than once is named once: the analysis of a statement takes as long as its expressions are
    -- many, which is most of the time of a small object.
    is_cost({BilledCost:Identifier}) AS is_billed_cost,
    is_cost({EffectiveCost:Identifier}) AS is_effective_cost,
    is_cost({ListCost:Identifier}) AS is_list_cost,
    is_cost({ContractedCost:Identifier}) AS is_contracted_cost,
    moment({BillingPeriodStart:Identifier}) AS billing_starts,
    moment({BillingPeriodEnd:Identifier}) AS billing_ends,
    moment({ChargePeriodStart:Identifier}) AS charge_starts,
    moment({ChargePeriodEnd:Identifier}) AS charge_ends,
    -- The month a provider means begins between 14 hours before (UTC+14) and 12 hours after (UTC-12) that of UTC.
    toStartOfMonth(toDate(billing_starts + toIntervalHour(14))) AS billing_month,
    -- What decides about a row. ingest/focus_profile counts by these verdicts, ingest/focus_rejects names them.
    (
        {empty_effective_cost_is_billed:UInt8} AND is_empty({EffectiveCost:Identifier})
    ) AS is_effective_billed,
    [
        'BilledCost', 'EffectiveCost', 'BillingPeriodStart', 'BillingPeriodEnd', 'BillingPeriodEnd',
        'ChargePeriodStart', 'ChargePeriodEnd', 'ChargePeriodEnd', 'BillingCurrency', 'ChargeCategory'
    ] AS deciding_columns,
    [
        'is no plain decimal of at most 38 places and 15 digits before the point',
        'is no plain decimal of at most 38 places and 15 digits before the point',
        'is no time between 2000 and 2100', 'is no time between 2000 and 2100', 'is not after BillingPeriodStart',
        'is no time between 2000 and 2100', 'is no time between 2000 and 2100', 'is before ChargePeriodStart',
        'is no ISO 4217 currency', 'is no charge category of FOCUS'
    ] AS deciding_reasons,
    [
        is_billed_cost,
        is_effective_cost OR (is_effective_billed AND is_billed_cost),
        isNotNull(billing_starts),
        isNotNull(billing_ends),
        ifNull(billing_ends > billing_starts, true),
        isNotNull(charge_starts),
        isNotNull(charge_ends),
        ifNull(charge_ends >= charge_starts, true),
        currency_of({BillingCurrency:Identifier}) IN {currencies:Array(String)},
        titled({ChargeCategory:Identifier}) IN {charge_categories:Array(String)}
    ] AS deciding_verdicts,
    -- A row that is blank in all of them is no charge, as a spreadsheet leaves them below a table.
    (
        is_empty({BilledCost:Identifier}) AND is_empty({EffectiveCost:Identifier})
        AND is_empty({BillingPeriodStart:Identifier}) AND is_empty({BillingPeriodEnd:Identifier})
        AND is_empty({ChargePeriodStart:Identifier}) AND is_empty({ChargePeriodEnd:Identifier})
        AND is_empty({BillingCurrency:Identifier}) AND is_empty({ChargeCategory:Identifier})
    ) AS is_blank_row
