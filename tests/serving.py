"""A server of a test, in a thread of its own."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# A server that is to end looks so often whether it is.
LOOK_SECONDS = 0.01


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    """It answers within the context; after it, its port is free."""
    thread = threading.Thread(target=server.serve_forever, args=(LOOK_SECONDS,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
