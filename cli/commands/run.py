"""`concord run SERVICE`: one service process."""

import gc
import os
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

import click

from cli.config.data_folder import DataFolder
from cli.config.environment import complete_from_records
from cli.config.ports import LOOPBACK, free_port
from cli.config.secrets import DATABASES
from cli.config.settings import read_settings, whole_number
from cli.errors import ConcordError, readable_errors
from cli.launcher.service_process import existing_services, gateway_address, service_module
from cli.launcher.start_gate import wait_at_gate
from cli.processes.registry import COMMAND, own_record


@click.command()
@click.argument("service")
def run(service: str) -> None:
    """Run one process of SERVICE; several of the same may run at once."""
    module = service_module(service)
    if module is None:
        raise ConcordError(f"There is no service {service!r}: there are {', '.join(existing_services())}.")
    data = DataFolder(read_settings(os.environ).data)
    os.environ.update(complete_from_records(os.environ, data, {service} & {*DATABASES}))
    if service != "gateway":
        os.environ.setdefault("HEALTH_PORT", str(free_port()))
    with readable_errors():
        if not prepared(service):
            return
        entry = load(module)
        wait_at_gate(os.environ)
        forget = remember(service, data)
        try:
            entry()
        finally:
            forget()


def load(module: str) -> Callable[[], None]:
    """The service's entry point. Nothing becomes garbage while code loads: not to look for it is quicker."""
    gc.disable()
    try:
        entry: Callable[[], None] = import_module(module).main
    finally:
        gc.freeze()
        gc.enable()
    return entry


def prepared(service: str) -> bool:
    """Create topics and tables, unless whoever started this process sees to it; False when asked to stop."""
    if os.environ.get("CONCORD_PREPARED") == "1":
        return True
    from cli.provisioning.wait import provision_before_serving

    if service == "gateway":
        return provision_before_serving(os.environ, *gateway_address(os.environ), "GATEWAY_PORT")
    host = os.environ.get("HEALTH_HOST") or LOOPBACK
    port = whole_number(os.environ, "HEALTH_PORT", 0, 0, 65535)
    return provision_before_serving(os.environ, host, port, "HEALTH_PORT")


def remember(service: str, data: DataFolder) -> Callable[[], None]:
    """Record this process for `concord status` unless `up` did; returns what removes the record."""
    if os.environ.get("CONCORD_SUPERVISED") == "1":
        return lambda: None
    port = gateway_address(os.environ)[1] if service == "gateway" else int(os.environ["HEALTH_PORT"])
    name = f"{service}-{os.getpid()}"
    with suppress(OSError):  # without a data folder of its own it runs as well, only unseen
        data.records.write(own_record(name, COMMAND, port, note=service))
    return lambda: data.records.remove(name)
