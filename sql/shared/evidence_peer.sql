-- purpose: what a span that calls calls, by the attributes of semantic conventions; an expression
-- parameters: none
-- columns: none
    multiIf(
        SpanKind NOT IN ('Client', 'Producer', 'SPAN_KIND_CLIENT', 'SPAN_KIND_PRODUCER'), '',
        SpanAttributes['peer.service'] != '', SpanAttributes['peer.service'],
        SpanAttributes['server.address'] != '', SpanAttributes['server.address'],
        SpanAttributes['net.peer.name'] != '', SpanAttributes['net.peer.name'],
        SpanAttributes['url.full'] != '', domain(SpanAttributes['url.full']),
        SpanAttributes['rpc.service'] != '', SpanAttributes['rpc.service'],
        SpanAttributes['messaging.destination.name'] != '', SpanAttributes['messaging.destination.name'],
        SpanAttributes['db.namespace'] != '', SpanAttributes['db.namespace'],
        SpanAttributes['db.name'] != '', SpanAttributes['db.name'],
        SpanAttributes['db.system.name'] != '', SpanAttributes['db.system.name'],
        SpanAttributes['db.system'] != '', SpanAttributes['db.system'],
        SpanName)
