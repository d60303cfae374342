-- purpose: how a cell of any bill is read: functions of one cell that the statements of all formats share. A column comes as
--   text or as the type it has in Parquet; which of both is folded when the statement is analysed. What cannot be read is
--   NULL, and nothing is cast before it is known to fit.
-- parameters: none
-- columns: none
    x -> startsWith(toTypeName(x), 'Nullable(Nothing') AS is_absent,
    x -> (toTypeName(x) IN ('String', 'Nullable(String)', 'LowCardinality(Nullable(String))')) AS is_text,
    x -> trimBoth(ifNull(toString(x), '')) AS trimmed,
    x -> nullIf(nullIf(x, ''), 'NULL') AS text,
    x -> if(is_text(x), trimmed(x) IN ('', 'NULL'), isNull(x)) AS is_empty,
    -- Numbers: `digits` before the point at most, 38 places at most.
    x -> (
        toInt16OrZero(extract(toTypeName(x), 'Decimal\\(([0-9]+)')) - toInt16OrZero(extract(toTypeName(x), 'Decimal.*, ([0-9]+)'))
    ) AS whole_digits,
    s -> (length(extract(s, '[.]([0-9]*)')) - toInt16OrZero(extract(s, '[eE]([+-]?[0-9]+)$'))) AS places,
    (s, digits) -> (
        match(s, concat('^[+-]?(0*[0-9]{1,', toString(digits), '}([.][0-9]{0,38})?|[.][0-9]{1,38})$'))
        OR (
            match(s, '^[+-]?([0-9]+([.][0-9]{0,38})?|[.][0-9]{1,38})[eE][+-]?[0-9]{1,2}$')
            AND places(s) <= 38 AND ifNull(abs(toDecimal256OrNull(s, 38)) < toDecimal256(concat('1', repeat('0', digits)), 38), false)
        )
    ) AS is_number,
    -- A column of fewer digits needs no look. Else a constant without places is brought to the column's places: the
    -- column itself is not touched.
    (x, digits) -> if(
        is_text(x),
        is_number(trimmed(x), digits),
        if(
            whole_digits(x) <= digits,
            isNotNull(x),
            ifNull(x > toDecimal128(concat('-1', repeat('0', digits)), 0) AND x < toDecimal128(concat('1', repeat('0', digits)), 0), false)
        )
    ) AS is_amount,
    (x, is_one) -> if(
        is_one,
        if(is_text(x), toDecimal128OrNull(trimmed(x), 18), CAST(x, 'Nullable(Decimal(38, 18))')),
        NULL
    ) AS amount,
    x -> is_amount(x, 15) AS is_cost,
    x -> is_amount(x, 20) AS is_quantity,
    -- Times: with their own offset, or UTC; from 2000 to 2099, as an empty or default one must not pass for a time.
    x -> match(
        x,
        '^20[0-9]{2}-[0-9]{2}-[0-9]{2}([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?( ?(Z|UTC|[+-][0-9]{2}(:?[0-9]{2})?))?)?$'
    ) AS is_time_text,
    x -> if(
        is_text(x),
        if(is_time_text(trimmed(x)), parseDateTime64BestEffortOrNull(trimmed(x), 9, 'UTC'), NULL),
        if(
            x >= toDateTime64('2000-01-01 00:00:00', 0, 'UTC') AND x < toDateTime64('2100-01-01 00:00:00', 0, 'UTC'),
            CAST(x, 'Nullable(DateTime64(9, \'UTC\'))'),
            NULL
        )
    ) AS moment,
    -- Words of a closed list: any case.
    x -> upper(trimBoth(ifNull(toString(x), ''))) AS currency_of,
    x -> concat(upper(substring(trimmed(x), 1, 1)), lower(substring(trimmed(x), 2))) AS titled,
    -- Tags: a JSON object; a list of pairs, a label's own before inherited ones; an object without its braces.
    x -> if(is_absent(x), '', if(is_text(x), trimmed(x), ifNull(toJSONString(x), ''))) AS tags_text,
    s -> (s NOT IN ('', 'NULL', 'null', '{}', '[]')) AS has_tags,
    s -> (startsWith(s, '{\'') AND match(s, '^\\{(\'[^\'"\\\\]*\' *: *(\'[^\'"\\\\]*\'|None|True|False|-?[0-9.]+) *(, *|\\}$))+$')) AS is_python,
    s -> multiIf(
        startsWith(s, '"'), if(JSONType(s) = 'String', JSONExtractString(s), concat('{', s, '}')),
        is_python(s), replaceRegexpAll(replaceRegexpAll(replaceAll(s, '\'', '"'), ': *None', ':null'), ': *(True|False)', ':"\\1"'),
        s
    ) AS tags_json,
    e -> coalesce(JSONExtract(e, 'key', 'Nullable(String)'), JSONExtract(e, 'Key', 'Nullable(String)'), '') AS pair_key,
    e -> coalesce(JSONExtract(e, 'value', 'Nullable(String)'), JSONExtract(e, 'Value', 'Nullable(String)'), '') AS pair_value,
    s -> arraySort(
        e -> (JSONExtractBool(e, 'inherited') OR JSONExtractBool(e, 'x_inherited')),
        arrayFilter(e -> pair_key(e) != '', JSONExtractArrayRaw(s))
    ) AS pairs,
    (keys, values) -> mapFromArrays(
        arrayFilter((key, place) -> indexOf(keys, key) = place, keys, arrayEnumerate(keys)),
        arrayFilter((value, key, place) -> indexOf(keys, key) = place, values, keys, arrayEnumerate(keys))
    ) AS map_of_first,
    (json, pairs_of_json) -> if(
        JSONType(json) = 'Object',
        JSONExtract(json, 'Map(String, String)'),
        map_of_first(arrayMap(e -> pair_key(e), pairs_of_json), arrayMap(e -> pair_value(e), pairs_of_json))
    ) AS other_tags,
    -- Why tags are not stored as they were delivered, or nothing; `found` is the map they gave as they stood,
    -- `json` what else they were read as.
    s -> (
        (position(s, '{', 2) > 0 OR position(s, '[') > 0)
        AND arrayExists(one -> match(one.2, '^[{\\[]'), JSONExtractKeysAndValuesRaw(s))
    ) AS is_nested,
    (s, found, json) -> multiIf(
        NOT has_tags(s), '',
        notEmpty(found), if(is_nested(s), 'holds a nested value: kept as JSON text', ''),
        is_python(s), 'is a Python dictionary: read as one',
        JSONType(json) = 'Object', if(is_nested(json), 'holds a nested value: kept as JSON text', ''),
        JSONType(json) = 'Array' AND arrayAll(e -> pair_key(e) != '', JSONExtractArrayRaw(json)), '',
        'is no JSON object and no list of pairs: left empty'
    ) AS tags_repair,
    -- What identifies a charge: the hash its app is found by.
    (tags, resource_id, resource_name, sub_account, billing_account, resource_group) -> cityHash64(
        tags, ifNull(resource_id, ''), ifNull(resource_name, ''), ifNull(sub_account, ''), ifNull(billing_account, ''),
        ifNull(resource_group, '')
    ) AS identity_hash
