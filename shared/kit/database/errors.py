"""Translation of transient database errors to `mesh.busy`."""

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy import exc

from shared.contracts.errors import MESH_BUSY, ServiceError

_log = logging.getLogger(__name__)

_BUSY_CLASSES = ("08", "28", "53", "57", "58")
"""Connection, authorization (to connect), insufficient resources, operator intervention, system error."""
_BUSY_STATES = frozenset(
    {
        "25006",  # read only: the primary became a replica
        "25P03",  # idle in transaction for too long
        "25P04",  # transaction took too long
        "3D000",  # no such database: being restored
        "40001",  # serialization failure
        "40P01",  # deadlock
        "55P03",  # lock not available in time
    }
)

_warned_s = float("-inf")
_NETWORK = (ConnectionError, TimeoutError, socket.gaierror)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise `mesh.busy` for transient errors; other errors pass unchanged.

    For code that uses a pool directly; `transaction()`, `snapshot()` and `connection()` include it.
    """
    try:
        yield
    except ServiceError:
        raise
    except Exception as error:
        if not is_busy(error):
            raise
        _warn(error)
        raise MESH_BUSY.exception("The database cannot take this now.") from error


def is_busy(error: BaseException) -> bool:
    """Return True if an error of the database or of its network is transient."""
    if isinstance(error, exc.DBAPIError):
        return error.connection_invalidated or _is_busy_cause(error.orig)
    if isinstance(error, exc.TimeoutError):  # no connection of the pool was free in time
        return True
    return _is_busy_cause(error)


def _is_busy_cause(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, _NETWORK) or type(error) is OSError:  # asyncio raises bare OSErrors too
            return True
        # A migration ran meanwhile; the server closed the connection during a query.
        if isinstance(error, (asyncpg.InvalidCachedStatementError, asyncpg.InternalClientError)):
            return True
        state = getattr(error, "sqlstate", None)
        if isinstance(state, str):
            return state in _BUSY_STATES or state.startswith(_BUSY_CLASSES)
        if isinstance(error, asyncpg.InterfaceError) and _is_closed(error):
            return True
        error = error.__cause__
    return False


def _is_closed(error: Exception) -> bool:
    """Return True for asyncpg's error of a lost connection; its class is shared with programming errors."""
    return not isinstance(error, asyncpg.DataError) and "clos" in str(error)


def _warn(error: BaseException) -> None:
    """Log a warning, at most once a second: while a database is unavailable every request fails."""
    global _warned_s
    now_s = time.monotonic()
    if now_s - _warned_s > 1:
        _warned_s = now_s
        _log.warning("database busy or unavailable: %s", _first_line(error))


def _first_line(error: BaseException) -> str:
    """Return the first line: statement and parameters follow in later lines of SQLAlchemy's text."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
