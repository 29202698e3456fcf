"""`python -m cli.healthcheck`: exit code 0 when the process of this container is ready; for health checks."""

import os
import sys

from cli.config.ports import LOOPBACK
from cli.config.settings import whole_number
from cli.launcher.service_process import GATEWAY_PORT
from cli.processes.health import PROCESS, unready_parts


def main() -> None:
    """Asks the port that tells health: `HEALTH_PORT`; where nobody listens there, a gateway's own."""
    missing = asked("HEALTH_PORT", 0)
    if PROCESS in missing:
        missing = asked("GATEWAY_PORT", GATEWAY_PORT)
    for part, reason in missing.items():
        sys.stderr.write(f"{part}: {reason}\n")
    sys.exit(1 if missing else 0)


def asked(setting: str, default: int) -> dict[str, str]:
    """What is not ready, by the process at the port that the setting names."""
    return unready_parts(LOOPBACK, whole_number(os.environ, setting, default, 0, 65535))


if __name__ == "__main__":
    main()
