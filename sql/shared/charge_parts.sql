        -- Parts of one charge, in time: (line of its identity, first moment, moment after, billed, effective, place). One
        -- owner has all of it, or each has what is his of the charge period, by the nanosecond. Needs `line`, which held at
        -- its start, `later`, those that begin after it, and of the charge its period and amounts.
        arrayConcat([line], arrayMap(one -> one.2, arrayFilter(one -> one.1 < ChargePeriodEnd, later))) AS owners,
        arrayConcat([ChargePeriodStart], arrayMap(one -> one.1, arrayFilter(one -> one.1 < ChargePeriodEnd, later))) AS starts,
        arrayConcat(arrayMap(one -> one.1, arrayFilter(one -> one.1 < ChargePeriodEnd, later)), [ChargePeriodEnd]) AS stops,
        arrayMap((begins, ends) -> toUnixTimestamp64Nano(ends) - toUnixTimestamp64Nano(begins), starts, stops) AS owned,
        arrayJoin(arrayZip(
            owners, starts, stops, money_split(BilledCost, owned), money_split(EffectiveCost, owned), arrayEnumerate(starts)
        )) AS part
