"""One address behind which the server is exchanged, as behind HAProxy or a virtual address."""

import asyncio
import contextlib
import threading

CHUNK_BYTES = 64 << 10


class Relay:
    """Passes bytes on from its port to another; in a thread of its own."""

    def __init__(self, target: int) -> None:
        """`target`: the port that connections go to, on this machine."""
        self.port = 0
        self._target = target
        self._open: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._is_ready = threading.Event()

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._is_ready.wait()

    def stop(self) -> None:
        """Close everything."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def point_to(self, target: int) -> None:
        """From now on, connections go to another port; those that are open are closed."""
        self._target = target
        self._loop.call_soon_threadsafe(self._close_all)

    def _run(self) -> None:
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._is_ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        self._close_all()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _close_all(self) -> None:
        for task in self._open:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.CancelledError):
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._target)
            with contextlib.closing(other_writer):
                ways = [_pass_on(reader, other_writer), _pass_on(other_reader, writer)]
                tasks = [asyncio.ensure_future(way) for way in ways]
                try:
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for one in tasks:
                        one.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
        self._open.discard(task)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
