"""A probe of a Kafka broker in Kafka's protocol: one Metadata request, encoded by hand."""

import socket
import struct

METADATA_KEY, METADATA_VERSION = 3, 1
CLIENT_ID = b"concord-probe"


def serves(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Return True if a broker answers there and counts at least one broker (itself) as alive."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            connection.sendall(request())
            size = struct.unpack(">i", receive(connection, 4))[0]
            _, brokers = struct.unpack(">ii", receive(connection, size)[:8])
    except (OSError, EOFError, struct.error):
        return False
    return bool(brokers >= 1)


def request() -> bytes:
    """Return a Metadata request for no topic."""
    header = struct.pack(">hhih", METADATA_KEY, METADATA_VERSION, 1, len(CLIENT_ID)) + CLIENT_ID
    body = header + struct.pack(">i", 0)
    return struct.pack(">i", len(body)) + body


def receive(connection: socket.socket, size: int) -> bytes:
    """Read exactly `size` bytes; raise EOFError if the other side hangs up before."""
    parts = b""
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return parts
