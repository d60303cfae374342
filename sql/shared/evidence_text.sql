-- purpose: what a span says went wrong; an expression
-- parameters: none
-- columns: none
    leftUTF8(multiIf(
        StatusMessage != '', StatusMessage,
        arrayExists(one -> one['exception.message'] != '', `Events.Attributes`),
        arrayFirst(one -> one['exception.message'] != '', `Events.Attributes`)['exception.message'],
        arrayExists(one -> one['exception.type'] != '', `Events.Attributes`),
        arrayFirst(one -> one['exception.type'] != '', `Events.Attributes`)['exception.type'],
        SpanAttributes['error.type']), 300)
