"""Catalogue of all operations, events and errors."""

from shared.contracts import account, file, message, server
from shared.contracts.errors import CATALOGUE as ERRORS
from shared.contracts.event import CATALOGUE as EVENTS
from shared.contracts.operation import Operation

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (*account.OPERATIONS, *server.OPERATIONS, *message.OPERATIONS, *file.OPERATIONS)
}
SERVICES = ("auth", "server", "message", "file")


def operations_of(service: str) -> tuple[Operation, ...]:
    """Return the operations of a service, in the order of its contract."""
    return tuple(operation for operation in OPERATIONS.values() if operation.service == service)


__all__ = ["ERRORS", "EVENTS", "OPERATIONS", "SERVICES", "operations_of"]
