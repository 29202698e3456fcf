"""Free and taken TCP ports on localhost."""

import random
import socket

LOOPBACK = "127.0.0.1"
# Below the ephemeral range: an ephemeral port may be taken by the very connection that polls it.
LOWEST, HIGHEST = 20000, 32000


def is_taken(port: int, host: str = LOOPBACK) -> bool:
    """Whether something listens on `host:port`, or it cannot be bound for another reason."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return True
    return False


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now, picked at random so that neighbours differ."""
    for _ in range(1000):
        port = random.randint(LOWEST, HIGHEST)  # noqa: S311 - no secret
        if not is_taken(port):
            return port
    raise RuntimeError(f"no free port between {LOWEST} and {HIGHEST}")
