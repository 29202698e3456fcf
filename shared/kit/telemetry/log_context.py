"""The ids of the call that a task works on, for its log lines."""

from contextvars import ContextVar

correlation_id_var: ContextVar[str | None] = ContextVar("correlation_id", default=None)
"""The correlation id: known to the caller, in every log line and record of one call."""

traceparent_var: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The caller's trace (W3C Trace Context), passed on with the calls of this task."""

operation_var: ContextVar[str | None] = ContextVar("operation", default=None)
"""The operation or event type that is being handled."""
