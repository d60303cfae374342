-- purpose: rows of a published table that meet the conditions of what objectives count, or what a column of them sums up to, by
--   five minutes; a date is its midnight
-- parameters: view Identifier, app, place_column, time, summed Identifier (columns; a table without environments or a sum is given
--   that of the app), has_place Bool, has_sum Bool, field_1, field_2, field_3,
--   field_4, field_5, field_6, field_7, field_8 Identifier (columns conditions name by their number), days Array(Date), asked String (JSON, as for queries/indicators/logs; the field of a need is the number of its column)
-- columns: place UInt32, app_id, environment, slice_start DateTime64(0), counted UInt64, set_aside UInt64, newest DateTime64(9)
WITH
-- shared: shared/indicator_asked
    ,
    held AS
    (
        SELECT
            place, a.app AS app_id, if({has_place:Bool}, toString(r.{place_column:Identifier}), '') AS environment,
            toDateTime64(r.{time:Identifier}, 9, 'UTC') AS at,
            if({has_sum:Bool}, toUInt64OrZero(toString(r.{summed:Identifier})), 1) AS events,
            a.needs AS needs,
            [
                toString(r.{field_1:Identifier}), toString(r.{field_2:Identifier}), toString(r.{field_3:Identifier}),
                toString(r.{field_4:Identifier}), toString(r.{field_5:Identifier}), toString(r.{field_6:Identifier}),
                toString(r.{field_7:Identifier}), toString(r.{field_8:Identifier})
            ] AS columns,
            arrayMap(need -> ifNull(columns[toUInt8(need.1)], ''), needs) AS said
        FROM {view:Identifier} AS r
        INNER JOIN asked AS a ON a.app = r.{app:Identifier}
        WHERE toDate(r.{time:Identifier}) IN {days:Array(Date)} AND r.{app:Identifier} IN (SELECT app FROM asked)
    )
SELECT
    place, toString(h.app_id) AS app_id, h.environment AS environment,
    toDateTime64(toStartOfFiveMinutes(toDateTime(h.at, 'UTC')), 0, 'UTC') AS slice_start,
    sum(h.events) AS counted, toUInt64(0) AS set_aside, max(h.at) AS newest
FROM held AS h
WHERE
-- shared: shared/indicator_meets
GROUP BY place, app_id, environment, slice_start
