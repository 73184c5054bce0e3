"""What is uploaded for a job, when, and what becomes of it if there is no job."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobyard.cli import run
from jobyard.client import BadRequest, Client
from jobyard.client.job import JobFields
from jobyard.client.uploads import PENDING, names
from tests.unit.jobyard.conftest import Answers

ID = "0198c5b0-0000-7000-8000-000000000001"
RAW: dict[str, Any] = dict.fromkeys(JobFields.__annotations__) | {
    "id": ID,
    "kind": "predict",
    "state": "succeeded",
    "spec": {},
    "result": {},
    "links": {"page": f"/jobs/{ID}"},
}
WRONG = {"title": "-", "status": 422, "detail": "spec.top: should be at least 1", "errors": []}


class Server:
    """Answers as a server that refuses what is in `refused`, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.bodies: list[Any] = []
        self.refused: set[str] = set()
        self.names: list[str] = []
        self.known: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        asked = f"{request.method} {request.url.path.removeprefix('/api/v1')}"
        self.asked.append(asked)
        if asked in self.refused and not (asked == "POST /files" and b"first" in content):
            return httpx.Response(422, json=WRONG)
        if asked == "POST /files":
            self.names += re.findall(r'filename="([^"]*)"', content.decode(errors="replace"))
            return httpx.Response(201, json={"id": f"file-{self.asked.count(asked)}"})
        if request.method == "DELETE":
            return httpx.Response(204)
        if request.method == "GET":
            return httpx.Response(200, json={"items": self.known, "next": None})
        self.bodies.append(json.loads(content))
        return httpx.Response(204) if asked.endswith("/check") else httpx.Response(202, json=RAW)


@pytest.fixture
def server(answer_with: Callable[[Answers], None]) -> Server:
    answers = Server()
    answer_with(answers)
    return answers


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client("http://127.0.0.1:1", "token") as client:
        yield client


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "first.jpg", tmp_path / "second.jpg"]
    for path in found:
        path.write_bytes(path.stem.encode())
    return found


def test_the_spec_is_checked_before_its_files_are_uploaded(
    server: Server, client: Client, images: list[Path]
) -> None:
    client.predict("cats", images, top=2)
    assert server.asked == ["POST /jobs/check", "POST /files", "POST /files", "POST /jobs"]
    checked, sent = server.bodies
    assert checked == {"kind": "predict", "spec": {"model": "cats", "images": [PENDING] * 2, "top": 2}}
    assert sent["spec"]["images"] == ["file-1", "file-2"]


def test_what_needs_no_upload_is_sent_at_once(server: Server, client: Client) -> None:
    client.predict("cats", dataset="pets")
    assert server.asked == ["POST /jobs"]


def test_nothing_is_uploaded_for_a_spec_that_is_wrong(
    server: Server, client: Client, images: list[Path]
) -> None:
    server.refused.add("POST /jobs/check")
    with pytest.raises(BadRequest, match="should be at least 1"):
        client.predict("cats", images, top=0)
    assert server.asked == ["POST /jobs/check"]


def test_nothing_is_asked_for_a_file_that_can_not_be_read(server: Server, client: Client) -> None:
    with pytest.raises(BadRequest, match=r"nowhere\.jpg can't be read: No such file"):
        client.predict("cats", ["nowhere.jpg"])
    assert server.asked == []


def test_nothing_is_asked_for_an_empty_file(server: Server, client: Client, images: list[Path]) -> None:
    images[1].write_bytes(b"")
    with pytest.raises(BadRequest, match=r"second\.jpg is empty"):
        client.score(files=images)
    assert server.asked == []


def test_a_job_that_is_refused_takes_its_uploads_with_it(
    server: Server, client: Client, images: list[Path]
) -> None:
    server.refused.add("POST /jobs")
    with pytest.raises(BadRequest, match="should be at least 1"):
        client.predict("cats", images)
    assert server.asked[-2:] == ["DELETE /files/file-1", "DELETE /files/file-2"]


def test_an_upload_that_is_refused_takes_those_before_it(
    server: Server, client: Client, images: list[Path]
) -> None:
    server.refused.add("POST /files")
    with pytest.raises(BadRequest):
        client.predict("cats", images)
    assert server.asked[1:] == ["POST /files", "POST /files", "DELETE /files/file-1"]


@pytest.mark.parametrize(
    ("command", "kind"),
    [(["train", "pets", "--epochs", "-1"], "train"), (["evaluate", "m", "pets"], "evaluate")],
)
def test_a_folder_is_not_imported_for_a_command_that_is_wrong(
    server: Server, tmp_path: Path, command: list[str], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pets" / "cats").mkdir(parents=True)
    server.refused.add("POST /jobs/check")
    assert run(command) == 2
    assert "should be at least 1" in capsys.readouterr().err
    assert server.asked == ["POST /jobs/check"]
    server.refused = {"POST /files"}
    assert run(command) == 2
    assert [one["kind"] for one in server.bodies] == [kind, "import", "import"]
    assert server.bodies[0]["spec"]["dataset"] == PENDING
    assert server.bodies[1]["spec"] == {"name": "pets", "file": PENDING}


def test_what_is_wrong_is_said_of_the_option_that_it_was_given_by(
    server: Server, images: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    server.refused.add("POST /jobs/check")
    assert run(["predict", "pets", *map(str, images)]) == 2
    assert "jobyard: --top: should be at least 1\n" in capsys.readouterr().err
    assert run(["train", str(images[0].parent)]) == 2  # which has no such option
    assert "jobyard: spec.top: should be at least 1\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x\n", "is not JSON (line 1): should be what model.to_json() of Keras 3 writes"),
        (b"\xff", "is not JSON: should be"),
        (b"[" * 100_000, "is not JSON: should be"),
        (b"[1]", "is no architecture, but a list as JSON"),
    ],
)
def test_an_architecture_that_is_none_is_not_uploaded(
    server: Server, tmp_path: Path, content: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.json").write_bytes(content)
    assert run(["train", "pets", "--architecture", "net.json"]) == 2
    assert said in capsys.readouterr().err
    assert server.asked == []


def test_nothing_is_packed_for_a_data_set_that_may_not_be_called_so(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pets").mkdir()  # packing it would say that there are no files
    server.refused.add("POST /jobs/check")
    assert run(["train", "pets", "--name", "no name"]) == 2
    assert "should be at least 1" in capsys.readouterr().err


def test_pictures_that_the_server_has_are_not_uploaded_again(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pets" / "cats").mkdir(parents=True)
    (tmp_path / "pets" / "cats" / "1.jpg").write_bytes(b"cat")
    server.known = [{"reference": "pets@3", "rejected_count": 2}]
    assert run(["train", "pets", "--json"]) == 0
    said = capsys.readouterr().err
    assert "pets@3 has these pictures already; not uploaded again (2 files were left out then)" in said
    assert server.asked == [*["POST /jobs/check"] * 2, "GET /datasets", "POST /jobs"]
    assert server.bodies[-1]["spec"]["dataset"] == "pets@3"


@pytest.mark.parametrize(
    ("given", "called"),
    [
        (["a.csv", "x/b.csv"], ["a.csv", "b.csv"]),
        (["x/p.csv", "y/p.csv", "y/z.csv"], ["x-p.csv", "y-p.csv", "z.csv"]),
        (["d=1/h=0/p", "d=1/h=1/p", "d=2/h=0/p"], ["d=1-h=0-p", "d=1-h=1-p", "d=2-h=0-p"]),
        (["x/p", "x/p", "./x/p"], ["p", "p", "p"]),
        ([], []),
    ],
)
def test_files_of_one_name_are_told_apart_by_their_folders(given: list[str], called: list[str]) -> None:
    found = names(Path(one) for one in given)
    assert [found[Path(one)] for one in given] == called


def test_a_folder_that_is_not_there_is_no_data_set_whatever_separates_folders(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    for data in ("photos/pets", "photos\\pets"):
        assert run(["train", data]) == 2
        assert capsys.readouterr().err == f"jobyard: there is no folder {data} (see `jobyard train --help`)\n"
    assert server.asked == []


def test_files_that_can_not_be_told_apart_keep_a_name() -> None:
    assert set(names([Path("/p"), Path("/x/../p")]).values()) == {"p"}


def test_several_files_are_uploaded_under_their_names(server: Server, client: Client, tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "p.csv").write_text("text\nfine\n")
    client.score(files=["x/p.csv", "y/p.csv"])
    assert server.names == ["x-p.csv", "y-p.csv"]
