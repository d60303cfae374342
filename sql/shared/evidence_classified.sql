-- purpose: class of error of a span, empty where it did not go wrong; an expression
-- parameters: those of core_request_slices about errors
-- columns: none
    request_error_class(
        SpanKind, StatusCode, SpanAttributes, {http_errors:Array(UInt16)}, {caller_faults:Array(UInt16)},
        {grpc_errors_keys:Array(String)}, {grpc_errors_values:Array(String)})
