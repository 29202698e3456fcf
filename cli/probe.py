"""`python -m cli.probe`: exit code 0 when the process of this container is ready; for health checks."""

import os
import sys

from cli.embedded.ports import LOOPBACK
from cli.health import unready_parts
from cli.service_process import GATEWAY_PORT
from cli.settings import whole_number


def main() -> None:
    """Asks the port that tells health: `HEALTH_PORT`, or in a gateway's container its own."""
    name, default = ("GATEWAY_PORT", GATEWAY_PORT) if "--gateway" in sys.argv else ("HEALTH_PORT", 0)
    missing = unready_parts(LOOPBACK, whole_number(os.environ, name, default, 0, 65535))
    for part, reason in missing.items():
        sys.stderr.write(f"{part}: {reason}\n")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
