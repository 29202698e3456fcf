"""The HTTP server of the file service, as a part of the process."""

import asyncio
import logging

from litestar import Litestar

from shared.contracts.file import UPLOAD_PATH
from shared.kit.health import Part
from shared.kit.http_protocol import HttpBounds
from shared.kit.http_server import make_server
from shared.kit.sockets import listen

log = logging.getLogger(__name__)

_KEEP_ALIVE_MS = 30_000
_CONNECTIONS_MAX = 1_000


class HttpPort:
    """Listens from `open` to `close`."""

    def __init__(
        self,
        app: Litestar,
        place: tuple[str, int],
        part: Part,
        *,
        upload_timeout_ms: int,
        drain_timeout_ms: int,
    ) -> None:
        self._host, self._port = place
        self._part = part
        bounds = HttpBounds(
            connections_max=_CONNECTIONS_MAX,
            upload_path=UPLOAD_PATH.encode(),
            upload_timeout_ms=upload_timeout_ms,
        )
        self._server = make_server(
            app, bounds, keep_alive_ms=_KEEP_ALIVE_MS, drain_timeout_ms=drain_timeout_ms
        )
        self._serving: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to listen. Raises `PortError`."""
        sock = listen(self._host, self._port, "FILE_PORT")
        self._serving = asyncio.create_task(self._server.serve(sockets=[sock]), name="http")
        self._serving.add_done_callback(lambda _: self._part.down("stopped"))
        self._part.ready()
        log.info("listening on %s port %d", self._host, sock.getsockname()[1])

    async def close(self) -> None:
        """Take no more; what is under way gets the drain time."""
        self._server.should_exit = True
        if self._serving is not None:
            await asyncio.gather(self._serving, return_exceptions=True)
