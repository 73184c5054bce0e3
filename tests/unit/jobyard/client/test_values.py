"""What is given instead of what is meant is an error of the client before anything is sent."""

import asyncio
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from jobyard.client import AsyncClient, BadRequest, Client, ConnectionFailed, JobyardClientError, Refused

ITSELF: dict[str, Any] = {}
ITSELF["spec"] = ITSELF


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Client]:
    """A client of a server that nothing may be sent to."""

    def send(*_: object, **__: object) -> None:
        raise AssertionError("something was sent")

    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("text\nfine\n")
    Path("empty.csv").touch()
    Path("folder").mkdir()
    with Client("http://127.0.0.1:9", "token") as client:
        monkeypatch.setattr(client._transport._http, "send", send)
        yield client


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda c: c.score(files="a.csv"), "files: should be a list, as ['a.csv'], but is 'a.csv'"),
        (lambda c: c.score(files=Path("a.csv")), "files: should be a list, as ['a.csv']"),
        (lambda c: c.score(files=5), "files: is an int; should be a list"),
        (
            lambda c: c.score(files=["a.csv", None]),
            "files: is None, and no file; should be a path, or the id of",
        ),
        (lambda c: c.score(file="a.csv", null_values="NA"), "null_values: should be a list, as ['NA']"),
        (lambda c: c.score(file=["a.csv"]), "file: is a list, and no file"),
        (lambda c: c.score(file="empty.csv"), "file: empty.csv is empty"),
        (lambda c: c.score(file="a\0.csv"), "file: a\\x00.csv can't be read: embedded null"),
        (lambda c: c.upload("empty.csv"), "path: empty.csv is empty"),
        (lambda c: c.predict("pets", "a.jpg"), "images.0: a.jpg can't be read: No such file"),
        (
            lambda c: c.predict("pets", {"a.jpg"}),
            "images: is a set; should be one or several of a path, bytes,",
        ),
        (lambda c: c.predict("pets", ["a.csv", 5]), "images[1]: is 5; should be a path, bytes, an open file"),
        (lambda c: c.predict("pets", "folder"), "images: there are no files in folder"),
        (lambda c: c.predict("pets", archive=Path("folder")), "archive: there are no files in folder"),
        (lambda c: c.preview(io.BytesIO()), "path: there is nothing to read in the BytesIO"),
        (lambda c: c.download_model("pets", "folder"), "path: 'folder' is a folder or a device"),
        (lambda c: c.download_model("pets", os.devnull), "is a folder or a device; should be that of a file"),
        (lambda c: c.add_model("a.csv", name="x", classes="cat"), "classes: should be a list, as ['cat']"),
        (lambda c: c.import_pictures("pets", "folder"), "source: there are no files in folder"),
        (lambda c: c.score("fine", wait="soon"), "wait: should be a number of seconds, but is 'soon'"),
        (lambda c: c.score("fine", wait=float("nan")), "wait: should be a number of seconds, but is nan"),
        (lambda c: c.dataset(None), "reference: should be a name, but is None"),
        (lambda c: c.model("\ud83d"), "reference: should be a name, but is "),
        (lambda c: c.submit("sentiment", ITSELF), "spec: is nested too deep, or holds itself"),
    ],
)
def test_a_value_that_is_not_meant_is_named(
    client: Client, call: Callable[[Client], object], said: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        call(client)
    assert said in str(refused.value)


def test_a_server_and_a_token_that_are_not_there_are_said() -> None:
    missing: Any = 5
    with pytest.raises(ConnectionFailed, match=r"^url: should be the address of a server, but is 5"):
        Client(missing, "token")
    with pytest.raises(Refused, match="the token should be a text, but is an int"):
        Client("http://127.0.0.1:9", missing)


def test_a_client_that_was_closed_says_so() -> None:
    with Client("http://127.0.0.1:9", "token") as client:
        pass
    with pytest.raises(JobyardClientError, match="the client is closed; make another one"):
        client.score("fine")


def test_a_client_of_another_event_loop_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def send(*_: object, **__: object) -> None:  # of a connection that the loop has closed
        raise RuntimeError("Event loop is closed")

    client = AsyncClient("http://127.0.0.1:9", "token")
    monkeypatch.setattr(client._transport._http, "send", send)
    with pytest.raises(
        JobyardClientError, match="can't be sent: Event loop is closed; make the client in the"
    ):
        asyncio.run(client.queues())


def test_an_address_with_a_password_is_refused_and_not_shown() -> None:
    with pytest.raises(ConnectionFailed, match="should have no user and password") as raised:
        Client("http://ann:secret@127.0.0.1:9", "token")
    assert "secret" not in str(raised.value)


def test_numbers_of_numpy_are_sent_as_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []

    def send(request: httpx.Request, **_: object) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(422, json={"detail": "seen"})

    with Client("http://127.0.0.1:9", "token") as client:
        monkeypatch.setattr(client._transport._http, "send", send)
        with pytest.raises(BadRequest, match="seen"):
            client.train("pets", epochs=np.int64(3), learning_rate=np.float32(0.5))
    assert sent == [{"kind": "train", "spec": {"dataset": "pets", "epochs": 3, "learning_rate": 0.5}}]


@pytest.mark.parametrize("url", ["http://a..b", f"http://{'a' * 70}.example", "http://127.0.0.1:65536"])
@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_an_address_that_no_server_can_have_is_said(client: type, url: str) -> None:
    with pytest.raises(ConnectionFailed, match="is not the address of a server: "):
        client(url, "token")
