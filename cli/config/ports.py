"""Free and taken TCP ports on localhost."""

import random
import socket
from collections import deque

LOOPBACK = "127.0.0.1"
# Below the ephemeral range: an ephemeral port may be taken by the very connection that polls it.
LOWEST, HIGHEST = 20000, 32000

_reserved: deque[socket.socket] = deque(maxlen=256)


def is_taken(port: int, host: str = LOOPBACK) -> bool:
    """Return True if something listens on `host:port`, or it cannot be bound for another reason."""
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
    """Return a free port of 127.0.0.1, picked at random so that parallel runs differ.

    It stays reserved until this process ends (or has drawn 256 more): no other process draws it before
    the server that it is for listens on it.
    """
    for _ in range(1000):
        port = random.randint(LOWEST, HIGHEST)  # noqa: S311 - no secret
        reservation = _reserve(port)
        if reservation is None:
            continue
        if not is_taken(port):
            _reserved.append(reservation)
            return port
        reservation.close()
    raise RuntimeError(f"no free port between {LOWEST} and {HIGHEST}")


def _reserve(port: int) -> socket.socket | None:
    """Hold the UDP port of the same number, which no server uses; the kernel frees it with the process."""
    holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        holder.bind((LOOPBACK, port))
    except OSError:
        holder.close()
        return None
    return holder
