"""Listening sockets, with an error that says which setting to change, and files for the connections."""

import errno
import logging
import resource
import socket

log = logging.getLogger(__name__)

_FILES_BESIDE = 256
"""What a process has open beside its connections."""


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


def allow_connections(count: int) -> None:
    """Let this process have as many files open as so many connections need, as far as the system lets it."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + _FILES_BESIDE
    if most != resource.RLIM_INFINITY and most < needed:
        log.warning("this process may have %d open files; %d connections would need %d", most, count, needed)
        needed = most
    if now != resource.RLIM_INFINITY and now < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))
