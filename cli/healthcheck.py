"""`python -m cli.healthcheck`: exit with code 0 if the process of this container is ready."""

import os
import sys

from cli.config.ports import LOOPBACK
from cli.config.settings import ListenSettings, read
from cli.processes.health import PROCESS, unready_components


def main() -> None:
    """Ask the process at HEALTH_PORT, or at GATEWAY_PORT if none answers there; print what is not ready."""
    listen = read(ListenSettings, os.environ)
    unready = unready_components(LOOPBACK, listen.health_port)
    if PROCESS in unready:
        unready = unready_components(LOOPBACK, listen.gateway_port)
    for component, reason in unready.items():
        sys.stderr.write(f"{component}: {reason}\n")
    sys.exit(1 if unready else 0)


if __name__ == "__main__":
    main()
