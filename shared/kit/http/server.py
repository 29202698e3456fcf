"""uvicorn with bounded connections, and without its signal handlers, logs and access log."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from shared.kit.http.asgi import Asgi
from shared.kit.http.connection_limits import HttpBounds
from shared.kit.http.protocol import bounded_protocol


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do not install signal handlers."""
        yield


def make_server(app: Asgi, bounds: HttpBounds, *, keep_alive_ms: int, drain_timeout_ms: int) -> Server:
    """Return a server of an application; the owner calls `serve` with sockets and sets `should_exit`."""
    options: dict[str, Any] = {
        "http": bounded_protocol(bounds),
        "loop": "uvloop",
        "ws": "none",
        "lifespan": "off",
        "interface": "asgi3",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_keep_alive": keep_alive_ms / 1000,
        "timeout_graceful_shutdown": drain_timeout_ms / 1000,
    }
    return Server(uvicorn.Config(app, **options))
