"""Logs and metrics: `json_logging.setup_logging`, `log_throttle.LogThrottle`, `redaction.redact`, `metrics`.

May import `kit.clock` and the contracts.
"""
