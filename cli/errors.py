"""Errors that a user can fix: one sentence instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager


class ConcordError(Exception):
    """A failure that its text explains; `cli.main` prints it and exits with code 1."""


@contextmanager
def readable_errors() -> Iterator[None]:
    """Raise the kit's errors about settings and ports as ConcordError."""
    try:
        yield
    except Exception as error:
        # Imported only now: most commands never load the HTTP part of the kit, and start faster.
        from shared.kit.config.env import SettingsError
        from shared.kit.http.sockets import PortError

        if isinstance(error, SettingsError | PortError):
            raise ConcordError(str(error)) from error
        raise
