"""A small service in its own process: it answers all operations of `auth` and records effects in a file.

`python -m tests.faults.replica EFFECTS SECONDS`: every request takes SECONDS; a line with its
call id is appended to EFFECTS when it is done. Settings come from the environment, as for every service.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from shared.contracts.catalogue import operations_of
from shared.kit.config.settings import ProcessSettings, load
from shared.kit.runtime.service import run_service
from shared.kit.runtime.service_context import ServiceContext
from shared.kit.wire.call import Call, Reply


def note(effects: Path, call_id: str) -> None:
    """Append a line in one write, as other processes may append too."""
    with effects.open("a", encoding="utf-8") as lines:
        lines.write(f"{call_id}\n")


def main() -> None:
    effects, seconds = Path(sys.argv[1]), float(sys.argv[2])

    async def answer(request: Any, call: Call) -> Reply:
        await asyncio.sleep(seconds)
        note(effects, call.call_id)
        return Reply(200, call.call_id.encode())

    async def build(parts: ServiceContext[ProcessSettings]) -> None:
        for operation in operations_of("auth"):
            parts.handlers.register(operation, answer)

    run_service("auth", load(ProcessSettings, os.environ), build)


if __name__ == "__main__":
    main()
