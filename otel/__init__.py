"""What a micro app installs: one call names the app and its owner and starts traces, metrics and logs.

Needs opentelemetry-* only, and is a distribution of its own (``appfleet-otel``). Whatever happens to the
telemetry, the app must not notice: nothing here raises, waits or grows because nobody listens.
"""

from otel.instrumentation import Instrumentation, instrument

__all__ = ["Instrumentation", "instrument"]
