-- purpose: what the functions of a mapping are, by ingest/cells: one definition for each row of models.mapping.FUNCTIONS, of
--   texts, in which nothing is the empty text. What cannot be read as a mapping says stays as it stands with a remark
--   behind it, which no verdict of ingest/focus_cells takes for a value. An argument is an expression of any size, and a
--   definition would repeat it wherever it names it: so each is held in an array of one, and computed once.
-- parameters: none
-- columns: none
    -- shared: ingest/cells
    ,
    (x, is_there) -> multiIf(
        NOT is_there OR is_absent(x), '',
        is_text(x), if(trimmed(x) = 'NULL', '', trimmed(x)),
        ifNull(toJSONString(x), '')
    ) AS mapped_cell,
    (x, remark) -> if(x = '', '', concat(x, ' (', remark, ')')) AS unread,
    xs -> arrayFirst(x -> x != '', xs) AS mapped_coalesce,
    xs -> arrayStringConcat(xs) AS mapped_concat,
    x -> upperUTF8(x) AS mapped_upper,
    x -> lowerUTF8(x) AS mapped_lower,
    x -> trimBoth(x) AS mapped_trim,
    (x, separator, place) -> trimBoth(splitByString(separator, x)[toInt16(place)]) AS mapped_part,
    (given, words, meanings, otherwise) -> arrayMap(
        x -> if(has(words, lower(x)), meanings[indexOf(words, lower(x))], if(x = '', x, otherwise)), [given]
    )[1] AS mapped_map,
    xs -> arrayStringConcat(
        arrayFilter(
            (x, place) -> x != '' AND indexOf(arrayMap(one -> lower(one), xs), lower(x)) = place, xs, arrayEnumerate(xs)
        ),
        ' and '
    ) AS mapped_agreed,
    -- Numbers are cut into sign, digits before and digits behind the mark, so that no digit is guessed.
    (groups, grouping) -> concat(
        if(groups[1] IN ('-', '(') OR groups[4] = '-', '-', ''),
        if(grouping = '', groups[2], replaceAll(groups[2], if(grouping = '', ' ', grouping), '')),
        if(groups[3] = '', '', concat('.', groups[3]))
    ) AS plain_number,
    (given, pattern, grouping) -> arrayMap(
        (x, groups) -> if(
            empty(groups) OR (groups[1] = '(') != (groups[4] = ')') OR (groups[1] IN ('-', '+') AND groups[4] != ''),
            unread(x, 'no number as the mapping has it'),
            plain_number(groups, grouping)
        ),
        [given], [extractGroups(given, pattern)]
    )[1] AS mapped_decimal,
    -- Arithmetic in 256 bits: at most 20 digits before the point and 38 behind it, which is checked before any cast.
    x -> assumeNotNull(toDecimal256OrZero(x, 38)) AS exact_number,
    xs -> if(
        arrayExists(x -> x = '', xs), 'nothing',
        arrayFirst(x -> NOT is_number(x, 20), xs)
    ) AS first_fault_of,
    (fault, found) -> multiIf(fault = 'nothing', '', fault != '', unread(fault, 'no plain decimal'), found) AS if_numbers,
    given -> arrayMap(
        xs -> if_numbers(
            first_fault_of(xs), toString(arrayFold((total, x) -> total + exact_number(x), xs, toDecimal256('0', 38)))
        ),
        [given]
    )[1] AS mapped_sum,
    given -> arrayMap(
        xs -> if_numbers(first_fault_of(xs), toString(exact_number(xs[1]) - exact_number(xs[2]))), [given]
    )[1] AS mapped_difference,
    -- A product is one of whole numbers, with as many places as its factors have together.
    s -> length(extract(s, '[.]([0-9]*)')) AS places_of,
    s -> replaceAll(replaceOne(s, '.', ''), '-', '') AS digits_of,
    (digits, many) -> trimRight(
        trimRight(
            concat(substring(digits, 1, length(digits) - many), '.', substring(digits, length(digits) - many + 1)), '0'
        ),
        '.'
    ) AS with_point,
    numbers -> concat(
        if(arrayCount(s -> startsWith(s, '-'), numbers) % 2 = 1, '-', ''),
        arrayMap(
            (digits, many) -> with_point(leftPad(digits, greatest(length(digits), many + 1), '0'), many),
            [toString(arrayFold((total, s) -> total * toInt256OrZero(digits_of(s)), numbers, toInt256(1)))],
            [toUInt16(arraySum(s -> places_of(s), numbers))]
        )[1]
    ) AS product_of,
    given -> arrayMap(
        (xs, numbers) -> if_numbers(
            first_fault_of(xs),
            if(
                arraySum(s -> length(digits_of(s)), numbers) > 76,
                unread(arrayStringConcat(xs, ' times '), 'more than 76 digits'),
                product_of(numbers)
            )
        ),
        [given], [arrayMap(x -> toString(exact_number(x)), given)]
    )[1] AS mapped_product,
    -- Times: groups of a pattern, year, month, day, hour, minute and second each at its place.
    s -> if(length(s) < 2, concat('0', s), s) AS two_digits,
    (groups, place, otherwise) -> if(place = 0, otherwise, two_digits(groups[place])) AS piece_at,
    s -> if(match(s, '^[0-9]'), s, two_digits(toString(indexOf(
        ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'], lower(substring(s, 1, 3))
    )))) AS month_number,
    s -> if(length(s) = 2, concat('20', s), s) AS whole_year,
    (groups, places) -> concat(
        whole_year(piece_at(groups, places[1], '')), '-', month_number(piece_at(groups, places[2], '')), '-',
        piece_at(groups, places[3], '01')
    ) AS day_of_groups,
    (groups, places) -> concat(
        piece_at(groups, places[4], '00'), ':', piece_at(groups, places[5], '00'), ':', piece_at(groups, places[6], '00')
    ) AS clock_of_groups,
    -- The engine takes 31 February for 3 March: what it makes of a text must be that text.
    s -> ifNull(toString(toDate32OrNull(s)) = s, false) AS is_day,
    (given, pattern, places, format, offset) -> arrayMap(
        (x, groups) -> arrayMap(
            (day, clock) -> if(
                empty(groups) OR NOT is_day(day), unread(x, concat('not ', format)),
                concat(day, 'T', clock, if(offset = '', 'Z', offset))
            ),
            [day_of_groups(groups, places)], [clock_of_groups(groups, places)]
        )[1],
        [given], [extractGroups(given, pattern)]
    )[1] AS mapped_date,
    (x, day) -> if(isNull(day), unread(x, 'no time'), toString(day)) AS day_text_of,
    given -> arrayMap(x -> arrayMap(day -> day_text_of(x, day), [toDate32(moment(x))])[1], [given])[1] AS mapped_day_start,
    given -> arrayMap(x -> arrayMap(day -> day_text_of(x, addDays(day, 1)), [toDate32(moment(x))])[1], [given])[1] AS mapped_day_end,
    given -> arrayMap(
        x -> arrayMap(day -> day_text_of(x, toStartOfMonth(day)), [toDate32(moment(x))])[1], [given]
    )[1] AS mapped_month_start,
    given -> arrayMap(
        x -> arrayMap(day -> day_text_of(x, addMonths(toStartOfMonth(day), 1)), [toDate32(moment(x))])[1], [given]
    )[1] AS mapped_month_end,
    -- JSON: a member as its text; objects and lists as they are written.
    (x, member) -> if(JSONType(x, member) = 'String', JSONExtractString(x, member), JSONExtractRaw(x, member)) AS member_of,
    (x, members) -> arrayFold(
        (inner, member) -> if(member_of(inner, member) = 'null', '', member_of(inner, member)), members, x
    ) AS mapped_json,
    (names, xs) -> CAST(
        (arrayFilter((name, x) -> x != '', names, xs), arrayFilter(x -> x != '', xs)), 'Map(String, String)'
    ) AS named_tags,
    (names, xs, json) -> arrayMap(
        (named, text) -> arrayMap(
            read -> arrayMap(
                further -> multiIf(
                    text = '', toJSONString(named),
                    tags_repair(text, further, read) LIKE '%left empty', text,
                    toJSONString(mapUpdate(further, named))
                ),
                [other_tags(read, pairs(read))]
            )[1],
            [tags_json(text)]
        )[1],
        [named_tags(names, xs)], [json]
    )[1] AS mapped_tags
