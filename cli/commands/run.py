"""`concord run SERVICE`: one service process."""

import gc
import os
from collections.abc import Callable
from contextlib import suppress

import click

from cli.config.data_folder import DataFolder
from cli.config.environment import complete_from_records
from cli.config.ports import free_port
from cli.config.secrets import DATABASES
from cli.config.settings import SERVICES, ListenSettings, RunSettings, read, read_settings
from cli.errors import ConcordError, readable_errors
from cli.launcher.service_process import gateway_address
from cli.launcher.start_gate import wait_until_open
from cli.processes.registry import COMMAND, own_record


@click.command()
@click.argument("service")
def run(service: str) -> None:
    """Run one process of SERVICE; several of the same may run at once."""
    if service not in SERVICES:
        raise ConcordError(f"There is no service {service!r}: there are {', '.join(SERVICES)}.")
    data = DataFolder(read_settings(os.environ).data_path)
    os.environ.update(complete_from_records(os.environ, data, {service} & {*DATABASES}))
    if service != "gateway":
        os.environ.setdefault("HEALTH_PORT", str(free_port()))
    with readable_errors():
        if not is_prepared(service):
            return
        entry = load(service)
        wait_until_open(os.environ)
        forget = remember(service, data)
        try:
            entry()
        finally:
            forget()


def load(service: str) -> Callable[[], None]:
    """Import a service and return its entry point.

    The garbage collector is off meanwhile: loading code makes no garbage, and start-up is quicker.
    """
    gc.disable()
    try:
        return entry_point(service)
    finally:
        gc.freeze()
        gc.enable()


def entry_point(service: str) -> Callable[[], None]:
    """Return the `main` of a service; import no other service. Raises KeyError for an unknown name."""
    if service == "gateway":
        from apps.gateway.main import main as gateway

        return gateway
    if service == "auth":
        from apps.auth.main import main as auth

        return auth
    if service == "server":
        from apps.server.main import main as server

        return server
    if service == "message":
        from apps.message.main import main as message

        return message
    if service == "file":
        from apps.file.main import main as file

        return file
    raise KeyError(service)


def is_prepared(service: str) -> bool:
    """Create topics and tables unless another process does so; return False if asked to stop meanwhile."""
    if read(RunSettings, os.environ).prepared == 1:
        return True
    from cli.provisioning.wait import provision_before_serving

    if service == "gateway":
        return provision_before_serving(os.environ, *gateway_address(os.environ), "GATEWAY_PORT")
    listen = read(ListenSettings, os.environ)
    return provision_before_serving(os.environ, listen.health_host, listen.health_port, "HEALTH_PORT")


def remember(service: str, data: DataFolder) -> Callable[[], None]:
    """Record this process for `concord status` unless `up` did; return a function that removes the record."""
    if os.environ.get("CONCORD_SUPERVISED") == "1":
        return lambda: None
    port = gateway_address(os.environ)[1] if service == "gateway" else int(os.environ["HEALTH_PORT"])
    name = f"{service}-{os.getpid()}"
    with suppress(OSError):  # without a data folder it runs as well, but `concord status` does not list it
        data.records.write(own_record(name, COMMAND, port, note=service))
    return lambda: data.records.remove(name)
