"""A server of S3's protocol on this machine, found as a worker finds it: by its environment."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from jobyard.shared.storage import back_ends
from tests.ports import free_port

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing-word",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the server, which is empty, and known to this process."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL_S3": url}.items():
            monkeypatch.setenv(name, value)
        yield url
    finally:
        server.stop()


def put(bucket: str, key: str, content: bytes) -> None:
    """An object; its bucket is made if need be."""
    import botocore.session

    client: Any = botocore.session.get_session().create_client("s3")
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key=key, Body=content)


@dataclass(frozen=True)
class Answer:
    """What a server says to every request, in S3's words."""

    status: int
    code: str = ""

    def to_bytes(self, *, head: bool) -> bytes:
        body = f"<Error><Code>{self.code}</Code><Message>of the test</Message></Error>".encode()
        body = b"" if head or not self.code else body
        start = f"HTTP/1.1 {self.status} Said\r\nContent-Type: application/xml\r\nConnection: close\r\n"
        return f"{start}Content-Length: {len(body)}\r\n\r\n".encode() + body


PART = b"HTTP/1.1 206 Part\r\nContent-Length: 10\r\nConnection: close\r\nContent-Range: bytes %s/*\r\n\r\n"


class Faulty:
    """A server in front of a server of S3's protocol, with a fault that can be changed while it is used.

    None: passes everything on. `refuse`: nothing listens. `hang`: accepts and never answers. `cut`: breaks a
    connection once it has answered with CUT_BYTES. `short`: gives ten bytes of whatever part of an object is
    asked for. An Answer: to every request.
    """

    CUT_BYTES = 200_000

    def __init__(self, target: str) -> None:
        self._target = (urlsplit(target).hostname or "", urlsplit(target).port or 0)
        self._port = free_port()  # also while nothing listens on it, as `refuse` has it
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._fault: Answer | str | None = None
        self._open: list[socket.socket] = []
        self._accept()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def fail(self, fault: Answer | str | None) -> None:
        """From now on; open connections end."""
        before, self._fault = self._fault, fault
        if "refuse" in (before, fault) and before != fault:
            if fault == "refuse":
                self.close()
                return
            self._listener = socket.create_server(("127.0.0.1", self._port))
            self._accept()
        self._end()

    def close(self) -> None:
        with suppress(OSError):  # which wakes the thread
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._end()

    def _end(self) -> None:
        while self._open:
            with suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        def accept(listener: socket.socket) -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    self._open.append(client)
                    threading.Thread(target=self._serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, args=(self._listener,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            if self._fault in (None, "cut"):
                self._pass_on(client)
                return
            while head := _head(client):
                if self._fault == "hang":
                    continue
                asked = re.search(rb"Range: bytes=(\d+-\d+)", head, re.IGNORECASE)
                if self._fault == "short" and asked:
                    client.sendall(PART % asked[1] + bytes(10))
                elif isinstance(self._fault, Answer):
                    client.sendall(self._fault.to_bytes(head=head.startswith(b"HEAD")))
                else:
                    with socket.create_connection(self._target) as server:
                        server.sendall(re.sub(rb"(?i)connection: keep-alive", b"Connection: close", head))
                        _copy(server, client)
                with suppress(OSError):  # or the rest of the request would break the answer
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(1 << 16):
                        pass
                return

    def _pass_on(self, client: socket.socket) -> None:
        with socket.create_connection(self._target) as server:
            self._open.append(server)
            threading.Thread(target=_copy, args=(client, server), daemon=True).start()
            _copy(server, client, self.CUT_BYTES if self._fault == "cut" else None)
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


def _head(client: socket.socket) -> bytes:
    """A request whose body, if it has one, may follow; nothing once the client has closed."""
    head = b""
    while b"\r\n\r\n" not in head:
        if not (data := client.recv(1 << 16)):
            return b""
        head += data
    return head


def _copy(source: socket.socket, target: socket.socket, most: int | None = None) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
            most = None if most is None else most - len(data)
            if most is not None and most <= 0:
                return
        target.shutdown(socket.SHUT_WR)


# How long web waits for it, which is longer than in the product: machines may be slow.
READ_SECONDS = 5.0


@contextmanager
def faulty(monkeypatch: pytest.MonkeyPatch, bucket: str = "jobyard") -> Iterator[Faulty]:
    """A server of S3's protocol with an empty bucket, and what is in front of it, without a fault yet."""
    import botocore.session

    with serving(monkeypatch) as url:
        botocore.session.get_session().create_client("s3").create_bucket(Bucket=bucket)
        front = Faulty(url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", front.url)
        monkeypatch.setenv("FSSPEC_S3_CONFIG_KWARGS", json.dumps({"read_timeout": READ_SECONDS}))
        monkeypatch.setitem(back_ends.HURRIED, "read_timeout", READ_SECONDS)
        try:
            yield front
        finally:
            front.close()
