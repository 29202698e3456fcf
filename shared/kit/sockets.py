"""Listening sockets, with an error that says which setting to change."""

import errno
import socket


class PortError(OSError):
    """A port can not be listened on; the text names it, its setting and why."""


def listen(host: str, port: int, setting: str) -> socket.socket:
    """A listening socket; port 0 takes any free one. Raises `PortError` that names `setting`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "is taken by another process" if taken else f"can not be used: {error.strerror or error}"
        raise PortError(f"{setting}: port {port} on {host} {why}") from error
