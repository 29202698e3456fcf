"""Print the metrics that each kind of process registers.

A module registers its metrics when it is imported, so each kind has a process of its own. They are forked
from one that has loaded the large libraries, which takes longest.
"""

import json
import os
from contextlib import suppress
from importlib import import_module
from unittest.mock import MagicMock

from prometheus_client import REGISTRY

KINDS = ("gateway", "auth", "server", "message", "file")
LIBRARIES = ("faststream.kafka", "sqlmodel", "sqlalchemy.ext.asyncio", "litestar", "boto3", "uvicorn", "PIL")


def register(kind: str) -> None:
    """Import a process and register the metrics that it registers at run time only."""
    main = import_module(f"apps.{kind}.main")
    if kind == "gateway":
        main._metrics(MagicMock(), MagicMock(), MagicMock())
    if kind == "file":
        REGISTRY.register(import_module("shared.edge.http_metrics").HttpMetrics())


def registered() -> dict[str, str]:
    """Return the metrics of this process by name: the type and the labels."""
    metrics = {}
    for collector in list(REGISTRY._collector_to_names):
        collected = [collector] if hasattr(collector, "_labelnames") else getattr(collector, "metrics", ())
        for family in collected or collector.collect():
            name = getattr(family, "name", None) or family._name
            kind = getattr(family, "type", None) or family._type
            if name.startswith("concord_"):
                metrics[name] = " ".join([kind, *family._labelnames])
    return metrics


def in_a_fork(kind: str) -> dict[str, str]:
    """Return the metrics of one kind of process. Raises EOFError when it can not be imported."""
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            register(kind)
            with os.fdopen(writing, "w") as output:
                json.dump(registered(), output)
            os._exit(0)
        finally:
            import traceback

            traceback.print_exc()
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as source:
        text = source.read()
    os.waitpid(pid, 0)
    if not text:
        raise EOFError(f"{kind} can not be imported")
    metrics: dict[str, str] = json.loads(text)
    return metrics


if __name__ == "__main__":
    for library in LIBRARIES:
        with suppress(ImportError):
            import_module(library)
    print(json.dumps({kind: in_a_fork(kind) for kind in KINDS}))
