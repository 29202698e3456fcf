"""Asking a process over HTTP whether it is ready."""

import http.client
import json
from typing import Any

TIMEOUT_S = 1.0
PROCESS = "process"
"""Told as a part that is not ready when nobody answers, or not as a process of ours does."""


def unready_parts(host: str, port: int, timeout_s: float = TIMEOUT_S) -> dict[str, str]:
    """What `/health/ready` calls not ready, by part; empty when all is; PROCESS when none answers."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return {PROCESS: f"does not answer on port {port} ({type(error).__name__})"}
    finally:
        connection.close()
    if answer.status == 200:
        return {}
    return waiting(body) or {PROCESS: f"answers {answer.status} on port {port}"}


def waiting(body: bytes) -> dict[str, str]:
    """The parts in a readiness document that are not ready."""
    try:
        document: Any = json.loads(body)
        return {str(name): str(state) for name, state in document["parts"].items() if state != "ready"}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
