"""Ports for servers that can't be given a socket, and have to be told where to listen."""

import random
import socket
from contextlib import suppress

# Below those that Linux gives to whoever asks for any: one of these would soon be somebody else's.
_PORTS = range(15_000, 32_000)
_given: set[int] = set()


def free_port() -> int:
    """A port that nothing listens on, and that nobody gets by chance before it is used."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        if port not in _given:
            _given.add(port)
            with suppress(OSError), socket.create_server(("127.0.0.1", port)):
                return port
