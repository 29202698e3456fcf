"""ProvisioningStep by a process that is about to serve: it waits for as long as it takes, and says so."""

import asyncio
import logging
import signal
from collections.abc import Mapping

from cli.provisioning.provision import NotReadyError, PrepareSettings, prepare_all
from shared.kit.config.env import load
from shared.kit.health.checks import Health
from shared.kit.health.server import serve_health

_log = logging.getLogger(__name__)

_WAIT_S = 10.0
_PAUSE_S = 0.5


def provision_before_serving(environ: Mapping[str, str], host: str, port: int, setting: str) -> bool:
    """Prepare, however late Kafka and the databases come up; serve health at host and port until then.

    Return False if the process was asked to stop (SIGTERM, SIGINT) before it was done. Raise `PrepareError`
    for errors that waiting does not fix, `SettingsError`, and `PortError` that names `setting`.
    """
    return asyncio.run(_until_stopped(load(PrepareSettings, environ), host, port, setting))


async def _until_stopped(settings: PrepareSettings, host: str, port: int, setting: str) -> bool:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    health = Health()
    health.component("preparation").down("waiting for Kafka and the databases")
    server = await serve_health(health, host, port, setting)
    preparing = asyncio.create_task(_retry_until_ready(settings), name="preparation")
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({preparing, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not preparing.done():
            return False
        preparing.result()
        return True
    finally:
        for task in (preparing, stopped):
            task.cancel()
        await asyncio.gather(preparing, stopped, return_exceptions=True)
        await server.close()


async def _retry_until_ready(settings: PrepareSettings) -> None:
    while True:
        try:
            await prepare_all(settings, wait_s=_WAIT_S)
        except NotReadyError as error:
            _log.warning("%s Trying again.", error)
            await asyncio.sleep(_PAUSE_S)
        else:
            return
