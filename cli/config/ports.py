"""Free and taken TCP ports on localhost."""

import random
import socket
from collections import deque

LOOPBACK = "127.0.0.1"
# Below the ephemeral range: an ephemeral port may be taken by the very connection that polls it.
LOWEST, HIGHEST = 20000, 32000

_reserved: deque[socket.socket] = deque(maxlen=256)


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
    """A port of 127.0.0.1 that nobody listens on now, picked at random so that neighbours differ.

    It stays this process' own until the process ends (or has drawn 256 more): no other process draws it
    before whoever it is for listens on it.
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
    """Hold the UDP port of the same number: in nobody's way, and given back however the process ends."""
    holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        holder.bind((LOOPBACK, port))
    except OSError:
        holder.close()
        return None
    return holder
