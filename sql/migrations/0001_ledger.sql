-- The ledger: what was delivered, what was refused, what is published.
-- Every publish is one row in period_head; the highest seq of a (scope, period) wins.

-- statement
CREATE TABLE IF NOT EXISTS period_head
(
    scope        LowCardinality(String) COMMENT 'what is published: billing/<source>, registry, identities, costs, slices, slo, marts, unit_costs',
    period       Date                   COMMENT 'the month, day or 1970-01-01 (whole table) published',
    seq          UInt64                 COMMENT 'the highest of a scope and period is current',
    batches      Map(String, UUID)      COMMENT 'table fed -> the batch that is current',
    rows         UInt64                 COMMENT 'rows of the release over all its tables',
    sums         Map(String, Decimal(76, 18)) COMMENT 'exact control sums, key <currency>/<metric>',
    residues     Map(String, Decimal(76, 38)) COMMENT 'exact sum of the places beyond 18, key <currency>/<metric>',
    sha256       String                 COMMENT 'fingerprint of the inputs; an equal one means nothing new',
    version      DateTime64(9, 'UTC')   COMMENT 'version of the delivery: an older one is superseded',
    state        LowCardinality(String) COMMENT 'open; later: closed',
    published_at DateTime64(9, 'UTC')   COMMENT 'when the release was published'
)
ENGINE = {{merge_tree}}
ORDER BY (scope, period, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Releases: one row publishes a scope and period in all its tables at once';

-- statement
CREATE TABLE IF NOT EXISTS raw_deliveries
(
    kind          LowCardinality(String) COMMENT 'billing or telemetry',
    source_name   LowCardinality(String) COMMENT 'name of the source in appfleet.yaml',
    object_name   String                 COMMENT 'path or key below the source location',
    object_sha256 String                 COMMENT 'sha256 of the content, unpacked: packing changes nothing',
    object_bytes  UInt64                 COMMENT 'size as delivered',
    modified_at   DateTime64(9, 'UTC')   COMMENT 'modification time of the object, or the time its manifest gives',
    signal        LowCardinality(String) COMMENT 'costs, traces, metrics or logs',
    period        Date                   COMMENT 'billing month or day of telemetry fed; 1970-01-01 where none',
    batch_id      UUID                   COMMENT 'batch the rows went to',
    rows          UInt64                 COMMENT 'rows counted in the object by the independent count',
    sums          Map(String, Decimal(76, 18)) COMMENT 'exact sums of the object, key <currency>/<metric>',
    residues      Map(String, Decimal(76, 38)) COMMENT 'exact sum of the places beyond 18',
    rejected      UInt64                 COMMENT 'records set aside',
    content_bytes UInt64                 COMMENT 'telemetry: unpacked bytes of the object, from its beginning, that are loaded with this line',
    content_sha256 String                COMMENT 'sha256 of those bytes: an object that begins with them is read on from there',
    content_head  String                 COMMENT 'sha256 of the first 4,096 of them, or of all where they are fewer',
    waiting_bytes UInt64                 COMMENT 'bytes at the end of the object that are a message not all there yet',
    ignored_columns Array(String)        COMMENT 'columns of the object that are not of its format',
    state         LowCardinality(String) COMMENT 'loaded, refused, superseded, unchanged, vanished, replaced, held, rejected; profiled: what its bytes were counted to',
    reason        String                 COMMENT 'why, in one sentence',
    recorded_at   DateTime64(9, 'UTC')   COMMENT 'when this line was written'
)
ENGINE = {{merge_tree}}
ORDER BY (kind, source_name, period, object_name, recorded_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Ledger of deliveries: one line per object, period and attempt that ended';

-- statement
CREATE TABLE IF NOT EXISTS raw_object_charges
(
    source_name   LowCardinality(String) COMMENT 'name of the source in appfleet.yaml',
    period        Date                   COMMENT 'billing month',
    object_sha256 String                 COMMENT 'sha256 of the content, unpacked',
    rules         String                 COMMENT 'fingerprint of the statements its rows were made by',
    object_name   String                 COMMENT 'path or key below the source location',
    rows          UInt64                 COMMENT 'rows of the month in the object',
    row_hash_sum  UInt64                 COMMENT 'sum of the hashes of these rows, amounts at 18 places, modulo 2^64: with equal rows, the same charges in whatever order and format',
    gross         Map(String, Decimal(76, 18)) COMMENT 'sum of BilledCost without its sign, by currency',
    sketch        Array(UInt64)          COMMENT 'lowest distinct x_ChargeHash of these rows: looked up among other rows to see which charges two objects share',
    recorded_at   DateTime64(9, 'UTC')   COMMENT 'when this line was written'
)
ENGINE = {{replacing_merge_tree}}(recorded_at)
ORDER BY (source_name, period, object_sha256, rules)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What the rows of an object are, per month, to tell whether another object holds the same charges';

-- statement
CREATE TABLE IF NOT EXISTS raw_object_overlaps
(
    source_name         LowCardinality(String) COMMENT 'name of the source in appfleet.yaml',
    period              Date                   COMMENT 'billing month',
    object_sha256       String                 COMMENT 'content of the object whose charges were looked up',
    object_name         String                 COMMENT 'its path or key',
    other_object_sha256 String                 COMMENT 'content of the object they were found in',
    other_object_name   String                 COMMENT 'its path or key',
    looked_up           UInt64                 COMMENT 'distinct charges looked up',
    found               UInt64                 COMMENT 'of these, the ones the other object holds too',
    recorded_at         DateTime64(9, 'UTC')   COMMENT 'when this line was written'
)
ENGINE = {{replacing_merge_tree}}(recorded_at)
ORDER BY (source_name, period, object_sha256, other_object_sha256)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Objects of one source that share charges, where the source says that the newer one replaces the older';

-- statement
CREATE TABLE IF NOT EXISTS raw_held_deliveries
(
    source_name    LowCardinality(String) COMMENT 'name of the source in appfleet.yaml',
    period         Date                   COMMENT 'billing month',
    sha256         String                 COMMENT 'fingerprint of what the month was delivered as',
    state          LowCardinality(String) COMMENT 'held; accepted or rejected by a person; lapsed: something else was delivered since',
    cause          LowCardinality(String) COMMENT 'overlap, shrinks, grows, emptied, rolled_on or rejected_before',
    reason         String                 COMMENT 'why it is held, in one sentence',
    batch_id       UUID                   COMMENT 'batch that holds its rows, read by nobody until it is accepted',
    rows           UInt64                 COMMENT 'rows of that batch in the month',
    sums           Map(String, Decimal(76, 18)) COMMENT 'exact sums of these rows, key <currency>/<metric>',
    residues       Map(String, Decimal(76, 38)) COMMENT 'exact sum of the places beyond 18',
    published_sums Map(String, Decimal(76, 18)) COMMENT 'sums that were published meanwhile, key <currency>/<metric>',
    version        DateTime64(9, 'UTC')   COMMENT 'version of the delivery',
    object_names   Array(String)          COMMENT 'the objects it is made of',
    object_sha256s Array(String)          COMMENT 'their contents, in the same order',
    new_sha256s    Array(String)          COMMENT 'those of them that were not published when it was held',
    newest_sha256s Array(String)          COMMENT 'those that are left where the newer of two that share charges replaces the older',
    kept_sha256s   Array(String)          COMMENT 'those a person accepted; empty for other states',
    decided_by     String                 COMMENT 'who decided; empty while it is held',
    why            String                 COMMENT 'what the person said about it',
    recorded_at    DateTime64(9, 'UTC')   COMMENT 'when this line was written'
)
ENGINE = {{merge_tree}}
ORDER BY (source_name, period, recorded_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Deliveries that wait for a person, and what was decided: the newest line of a source and month holds';

-- statement
CREATE TABLE IF NOT EXISTS raw_rejects
(
    kind          LowCardinality(String) COMMENT 'billing or telemetry',
    source_name   LowCardinality(String) COMMENT 'name of the source in appfleet.yaml',
    object_name   String                 COMMENT 'path or key below the source location',
    object_sha256 String                 COMMENT 'sha256 of the content, unpacked',
    position      UInt64                 COMMENT 'row, line or record in the object, from 1; 0 is the object itself',
    reason        LowCardinality(String) COMMENT 'why, in a few words',
    detail        String                 COMMENT 'column and value at fault, shortened',
    first_bytes   String                 COMMENT 'beginning of the record, at most 200 bytes',
    rejected_at   DateTime64(9, 'UTC')   COMMENT 'when it was set aside'
)
ENGINE = {{replacing_merge_tree}}(rejected_at)
ORDER BY (kind, source_name, object_sha256, object_name, position, reason, detail)
COMMENT 'Records set aside, once each: the rest of their object counts';

-- statement
CREATE TABLE IF NOT EXISTS raw_repairs
(
    kind          LowCardinality(String) COMMENT 'billing or telemetry',
    source_name   LowCardinality(String) COMMENT 'name of the source in appfleet.yaml',
    object_name   String                 COMMENT 'path or key below the source location',
    object_sha256 String                 COMMENT 'sha256 of the content, unpacked',
    period        Date                   COMMENT 'billing month or day of telemetry; 1970-01-01 where it cannot be told',
    subject       LowCardinality(String) COMMENT 'the column or attribute whose value was changed, emptied or hidden',
    reason        LowCardinality(String) COMMENT 'what was done and why, in a few words',
    records       UInt64                 COMMENT 'records it happened to',
    amounts       Map(String, Decimal(76, 18)) COMMENT 'money those records carry, key <currency>/<metric>; empty for telemetry',
    example       String                 COMMENT 'one value as it was delivered, shortened; never of a hidden attribute',
    recorded_at   DateTime64(9, 'UTC')   COMMENT 'when this line was written'
)
ENGINE = {{replacing_merge_tree}}(recorded_at)
ORDER BY (kind, source_name, object_sha256, object_name, period, subject, reason)
COMMENT 'What was repaired, emptied, guessed or hidden in records that count: one line per object, period, subject and reason'

-- statement
CREATE TABLE IF NOT EXISTS raw_intake_heartbeats
(
    intake         String               COMMENT 'the intake that speaks, by name',
    loaded_through DateTime64(9, 'UTC') COMMENT 'everything this intake acknowledged before this moment is loaded',
    recorded_at    DateTime64(9, 'UTC') COMMENT 'when this line was written'
)
ENGINE = {{replacing_merge_tree}}(recorded_at)
ORDER BY intake
COMMENT 'How far live telemetry is loaded: the clock that moves the moment figures are given for, whatever events claim'

-- statement
CREATE OR REPLACE VIEW current_batches AS
SELECT scope, period, table_name, batch_id
FROM (SELECT scope, period, argMax(batches, seq) AS latest FROM period_head GROUP BY scope, period)
ARRAY JOIN mapKeys(latest) AS table_name, mapValues(latest) AS batch_id
