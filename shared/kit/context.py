"""What a task is working on, for its log lines."""

from contextvars import ContextVar

correlation_id_var: ContextVar[str | None] = ContextVar("correlation_id", default=None)
"""The id that the caller knows and that every log line and record of one call carries."""

operation_var: ContextVar[str | None] = ContextVar("operation", default=None)
"""The operation that is being answered, or the event type that is being taken in."""
