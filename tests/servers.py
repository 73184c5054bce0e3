"""Servers of Redis' protocol on TCP: alone, watched by Sentinel, as a cluster's node, behind TLS."""

import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import redis
import trustme

from jobyard.up.redis import find_binary
from tests.ports import free_port
from tests.waiting import wait_for


@dataclass
class Server:
    """A real server on a port of its own, empty after each start."""

    port: int
    arguments: tuple[str, ...]
    folder: Path
    password: str | None = None
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> "redis.Redis":
        return redis.Redis(port=self.port, password=self.password)

    def start(self) -> None:
        """Until it answers."""
        self.process = subprocess.Popen(
            [find_binary(), *self.arguments, "--port", str(self.port), "--bind", "127.0.0.1"],
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
        )
        wait_for(self._answers)

    def _answers(self) -> bool:
        with suppress(redis.ConnectionError), self.client() as client:
            return bool(client.ping())
        return False

    def stop(self) -> None:
        """At once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def serving(*arguments: str, password: str | None = None) -> Iterator[Server]:
    """A server with these arguments."""
    with tempfile.TemporaryDirectory(prefix="jy-") as folder:
        login = ("--requirepass", password) if password is not None else ()
        server = Server(free_port(), ("--save", "", *arguments, *login), Path(folder), password)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def watched(name: str) -> Iterator[tuple[Server, Server, Server]]:
    """A primary, its replica, and a Sentinel that knows them by this name and acts within seconds."""
    with ExitStack() as stack:
        primary = stack.enter_context(serving("--repl-diskless-sync-delay", "0"))
        replica = stack.enter_context(serving("--replicaof", "127.0.0.1", str(primary.port)))
        with replica.client() as client:  # Sentinel looks for replicas at its start, and then every 10 s
            wait_for(lambda: client.info("replication")["master_link_status"] == "up")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jy-")))
        settings = folder / "sentinel.conf"
        settings.write_text(
            f"sentinel monitor {name} 127.0.0.1 {primary.port} 1\n"
            f"sentinel down-after-milliseconds {name} 1000\n"
            f"sentinel failover-timeout {name} 5000\n"
        )
        sentinel = Server(free_port(), (str(settings), "--sentinel"), folder)
        stack.callback(sentinel.stop)
        sentinel.start()

        def is_ready() -> bool:
            with sentinel.client() as client:
                return bool(client.sentinel_master(name)["num-slaves"])

        wait_for(is_ready)
        yield primary, replica, sentinel


@contextmanager
def behind_tls(target: int, folder: Path, name: str) -> Iterator[tuple[int, Path]]:
    """A port where TLS ends before a server's, with a certificate for this name, and who vouches for it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):  # closed, at the end
            while True:
                accepted, _ = listener.accept()
                threading.Thread(target=join, args=(accepted,), daemon=True).start()

    def join(accepted: socket.socket) -> None:
        # A client that trusts nobody here ends the handshake.
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", target)) as server,
            context.wrap_socket(accepted, server_side=True) as client,
        ):
            threading.Thread(target=copy, args=(server, client), daemon=True).start()
            copy(client, server)

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1]), folder / "authority.pem"
    finally:
        listener.close()
