"""What a task is working on, for its log lines."""

from contextvars import ContextVar

correlation_id_var: ContextVar[str | None] = ContextVar("correlation_id", default=None)
"""The id that the caller knows and that every log line and record of one call carries."""

traceparent_var: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The caller's trace (W3C Trace Context), which goes on with the calls of this task."""

operation_var: ContextVar[str | None] = ContextVar("operation", default=None)
"""The operation that is being answered, or the event type that is being taken in."""
