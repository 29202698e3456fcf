"""A fault: an S3 that accepts connections and requests and does not answer while it hangs."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class HangingS3:
    """A proxy in front of a real S3. While `hangs` is set, no response passes."""

    def __init__(self, behind: tuple[str, int]) -> None:
        self.hangs = threading.Event()
        self.url = ""
        self.connections = 0
        self._behind = behind

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        responses, requests = await asyncio.open_connection(*self._behind)
        try:
            await asyncio.gather(self._pass(reader, requests), self._pass(responses, writer, holds=True))
        except OSError:
            pass
        finally:
            requests.close()
            writer.close()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, holds: bool = False
    ) -> None:
        while piece := await reader.read(65_536):
            if holds and self.hangs.is_set():
                await asyncio.Event().wait()  # this response is lost
            writer.write(piece)
            await writer.drain()
        writer.write_eof()


@asynccontextmanager
async def hanging(url: str) -> AsyncIterator[HangingS3]:
    """Yield a proxy in front of the S3 at this URL; it does not hang yet."""
    host, _, port = url.removeprefix("http://").partition(":")
    proxy = HangingS3((host, int(port)))
    tasks: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(proxy._serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def hanging_in_thread(url: str) -> Iterator[HangingS3]:
    """Run the proxy in a thread, for tests without an event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    proxy = hanging(url)
    try:
        yield asyncio.run_coroutine_threadsafe(proxy.__aenter__(), loop).result(5)
    finally:
        asyncio.run_coroutine_threadsafe(proxy.__aexit__(None, None, None), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
