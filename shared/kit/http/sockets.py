"""Listening sockets, with an error that names the setting to change, and the limit of open files."""

import errno
import logging
import resource
import socket

log = logging.getLogger(__name__)

_OTHER_FILES = 256
"""The files that a process has open in addition to its connections."""


class PortError(OSError):
    """The process cannot listen on a port; the text names it, its setting and the reason."""


def listen(host: str, port: int, setting: str) -> socket.socket:
    """Return a listening socket; port 0 takes any free one. Raises `PortError` that names `setting`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "is taken by another process" if taken else f"can not be used: {error.strerror or error}"
        raise PortError(f"{setting}: port {port} on {host} {why}") from error


def allow_connections(count: int) -> None:
    """Raise the limit of open files to what `count` connections need, as far as the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + _OTHER_FILES
    if hard != resource.RLIM_INFINITY and hard < needed:
        log.warning("this process may have %d open files; %d connections would need %d", hard, count, needed)
        needed = hard
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
