"""The readiness of a process, asked over HTTP."""

import http.client
import json
from typing import Any

TIMEOUT_S = 1.0
PROCESS = "process"
"""Reported as an unready component if the process does not answer, or not with a readiness document."""


def unready_components(host: str, port: int, timeout_s: float = TIMEOUT_S) -> dict[str, str]:
    """Return the reasons of what is not ready at `/health/ready`, by component; empty if all is ready."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", "/health/ready")
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        return {PROCESS: f"does not answer on port {port} ({type(error).__name__})"}
    finally:
        connection.close()
    if response.status == 200:
        return {}
    return unready_in(body) or {PROCESS: f"answers {response.status} on port {port}"}


def unready_in(body: bytes) -> dict[str, str]:
    """Return the components in a readiness document that are not ready."""
    try:
        document: Any = json.loads(body)
        return {str(name): str(state) for name, state in document["parts"].items() if state != "ready"}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
