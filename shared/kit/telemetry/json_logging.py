"""Logs: one JSON object a line on stdout, in UTC, with the ids of the call and without secrets."""

import logging
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from pythonjsonlogger.msgspec import MsgspecFormatter

from shared.kit.telemetry.log_context import correlation_id_var, operation_var, traceparent_var
from shared.kit.telemetry.log_throttle import LogThrottle
from shared.kit.telemetry.redaction import redact_value

_VERBOSE = ("aiokafka", "faststream", "uvicorn", "asyncio", "kafka", "botocore", "urllib3", "alembic")
_CALL = ("correlation_id", "operation", "traceparent")
_FIRST = ("timestamp", "level", "service", "instance", "logger", "message", *_CALL)


class JsonFormatter(MsgspecFormatter):
    """Formats a record as `{timestamp, level, service, instance, logger, message, correlation_id, …}`.

    `operation` follows, and `traceparent` if the caller sent one.
    """

    def __init__(self, service: str, instance: str = "") -> None:
        super().__init__(
            fmt=["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
            static_fields={"service": service, "instance": instance},
            timestamp=True,
            reserved_attrs=_RESERVED,
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Add the ids of the call, redact secrets, order the fields."""
        log_data.setdefault("correlation_id", correlation_id_var.get())
        log_data.setdefault("operation", operation_var.get())
        log_data.setdefault("traceparent", traceparent_var.get())
        ordered = {name: log_data.get(name) for name in _FIRST} | log_data
        return {name: redact_value(value, name) for name, value in ordered.items() if value not in (None, "")}

    def jsonify_log_record(self, log_data: dict[str, Any]) -> str:
        """Return the line; values that cannot be encoded (lone surrogates, objects) are printed as ASCII."""
        try:
            return super().jsonify_log_record(log_data)
        except (TypeError, ValueError, UnicodeEncodeError):
            printed = {name: ascii(value) for name, value in log_data.items() if name != "timestamp"}
            return super().jsonify_log_record({"timestamp": log_data["timestamp"], **printed})


# `color_message` repeats uvicorn's message with escape codes.
_RESERVED = [*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName", "color_message"]


def setup_logging(
    service: str,
    level: str = "INFO",
    instance: str = "",
    stream: TextIO | None = None,
    *,
    throttled: Iterable[str] = (),
) -> None:
    """Log JSON lines to stdout from `level` on, verbose libraries only from WARNING on.

    Repeated messages of aiokafka and of the loggers `throttled` are throttled.
    """
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter(service, instance))
    handler.addFilter(LogThrottle("aiokafka", *throttled))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    for name in _VERBOSE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("uvicorn.access").disabled = True
    # It warns at each start that it creates no topics, which is intended.
    logging.getLogger("concord.broker").setLevel(logging.ERROR)
