"""POST /models: a model from elsewhere is stored as it is, and its job says what it means."""

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from jobyard.cli import run
from jobyard.client import BadRequest, Client
from jobyard.shared import jobs, storage
from tests import foreign
from tests.conftest import TOKEN, served
from tests.integration.web.world import World, browser

CONTENT = foreign.keras_file()


def send(api: FlaskClient, content: bytes = CONTENT, file_name: str = "a.keras", **fields: Any) -> Any:
    given: dict[str, Any] = {"name": "pets", "classes": "cats,dogs", "rescale": "0..1"} | fields
    form = {key: value for key, value in given.items() if value is not None}
    return api.post("/api/v1/models", data={"file": (io.BytesIO(content), file_name), **form})


def test_a_job_is_accepted_with_what_the_form_says(world: World, api: FlaskClient) -> None:
    response = send(api, file_name="mine.keras")
    assert response.status_code == 202
    job = response.json
    assert response.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["kind"], job["state"], job["queue"]) == ("register", "queued", "predict")
    spec = job["spec"]
    assert (spec["name"], spec["classes"], spec["rescale"]) == ("pets", ["cats", "dogs"], "0..1")
    assert spec["image_size"] is None
    with world.backend.database.read() as session:
        (file,) = session.scalars(sa.select(storage.File)).all()
    assert (str(file.id), file.name, file.bytes) == (spec["file"], "mine.keras", len(CONTENT))


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        ({"name": "2024", "image_size": "96"}, {"name": "2024", "image_size": 96}),
        ({"classes": " 0 , 1,true"}, {"classes": ["0", "1", "true"]}),
        ({"classes": ["cats, or tigers", "[1]"]}, {"classes": ["cats, or tigers", "[1]"]}),
        ({"rescale": "", "image_size": ""}, {"rescale": None, "image_size": None}),
        ({"rescale": None}, {"rescale": None}),
    ],
)
def test_fields_are_taken_as_they_were_sent(
    world: World, api: FlaskClient, fields: dict[str, Any], changed: dict[str, Any]
) -> None:
    spec = send(api, **fields).json["spec"]
    assert {name: spec[name] for name in changed} == changed


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": None}, "name"),
    "a bad name": ({"name": "../pets"}, "name"),
    "no classes": ({"classes": None}, "classes"),
    "one class": ({"classes": "cats"}, "classes"),
    "an empty class": ({"classes": "cats,,dogs"}, "classes.1"),
    "a class of control characters": ({"classes": "cats,\x1b[2J"}, "classes.1"),
    "a class twice": ({"classes": "cats,cats"}, "classes"),
    "another scale": ({"rescale": "0..2"}, "rescale"),
    "a size of nothing": ({"image_size": "0"}, "image_size"),
    "a size in words": ({"image_size": "large"}, "image_size"),
    "an unknown field": ({"logits": "yes"}, "logits"),
}


@pytest.mark.parametrize(("fields", "named"), WRONG.values(), ids=WRONG)
def test_a_wrong_field_is_named_and_nothing_is_kept(
    world: World, api: FlaskClient, fields: dict[str, Any], named: str
) -> None:
    response = send(api, **fields)
    assert response.status_code == 422, response.text
    assert response.content_type == "application/problem+json"
    assert [error["field"] for error in response.json["errors"]] == [named]
    nothing_was_kept(world)


def nothing_was_kept(world: World) -> None:
    with world.backend.database.read() as session:
        assert session.scalars(sa.select(jobs.Job)).all() == []
        assert session.scalars(sa.select(storage.File)).all() == []
    objects = world.backend.storage.objects
    assert [one.key for one in objects.listing() if "identity" not in one.key] == []


def test_an_empty_file_and_no_file_are_refused(world: World, api: FlaskClient) -> None:
    none = {"data": {"name": "pets", "classes": "a,b"}, "content_type": "multipart/form-data"}
    for response in (send(api, b""), api.post("/api/v1/models", **none)):
        assert response.status_code == 422
        assert [error["field"] for error in response.json["errors"]] == ["file"]
    nothing_was_kept(world)


def test_web_stores_any_file_without_a_look(world: World, api: FlaskClient) -> None:
    """What is in it is for the job to find out."""
    assert send(api, b"\x80\x04cos\nsystem\n.", "evil.pkl").status_code == 202


def test_what_is_not_known_of_it_is_left_open(world: World, api: FlaskClient, app: Flask) -> None:
    world.job("register", "succeeded")
    model = api.get("/api/v1/models/pets").json
    assert (model["network"], model["accuracy"], model["metrics"]) == ("imported", None, {})
    card = api.get("/api/v1/models/pets/card").json
    assert (card["evaluation"], card["data"], card["source"]["layers"]) == (None, None, 156)
    assert card["outputs"].startswith("a probability for each class")
    page = browser(app).get("/models/pets").text
    assert "Made elsewhere" in page
    assert "2,257,984" in page
    assert ">Metrics<" not in page
    # It is the best one only where none has a known accuracy.
    world.model(card={"evaluation": {"accuracy": 0.5}})
    assert api.get("/api/v1/models/pets@best").json["version"] == 2


def test_a_training_begins_with_its_weights_and_architecture(world: World, api: FlaskClient) -> None:
    world.dataset()
    world.job("register", "succeeded")
    spec = {"dataset": "pets", "init_from": "pets"}
    response = api.post("/api/v1/jobs", json={"kind": "train", "spec": spec})
    assert response.status_code == 202
    assert (response.json["spec"]["network"], response.json["spec"]["init_from"]) == ("custom", "pets@1")
    predict = {"model": "pets", "dataset": "pets"}
    assert api.post("/api/v1/jobs", json={"kind": "predict", "spec": predict}).status_code == 202


@pytest.fixture
def client(app: Flask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Client]:
    """Of the app behind a real socket, where the command line finds it too."""
    monkeypatch.setenv("JOBYARD_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    with served(app) as url, Client(url, TOKEN) as opened:
        monkeypatch.setenv("JOBYARD_URL", url)
        yield opened


def test_the_client_uploads_and_submits(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "pets.keras"
    path.write_bytes(CONTENT)
    job = client.add_model(path, name="pets", classes=("cats", "dogs"), rescale="-1..1", priority=7)
    assert (job.kind, job.raw["priority"]) == ("register", 7)
    assert (job.spec["classes"], job.spec["rescale"]) == (["cats", "dogs"], "-1..1")
    with pytest.raises(BadRequest, match="rescale"):
        client.add_model(path, name="pets", classes=["cats", "dogs"], rescale="half")


@pytest.mark.parametrize("classes", ["cats, dogs", "@names.txt"])
def test_the_command_line_follows_the_job(
    client: Client, capsys: pytest.CaptureFixture[str], classes: str
) -> None:
    Path("pets.keras").write_bytes(CONTENT)
    Path("names.txt").write_text("\ufeffcats\n\n dogs \n")

    def cancel() -> None:
        found: list[Any] = []
        while not found and not ended.wait(0.01):
            found = list(client.jobs(kind="register"))
        for job in found:
            job.cancel()

    ended = threading.Event()
    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        status = run(["models", "add", "pets.keras", "--name", "pets", "--classes", classes, "--json"])
    finally:
        ended.set()
        thread.join()
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (status, shown["state"]) == (1, "cancelled")
    assert shown["spec"]["classes"] == ["cats", "dogs"]


def test_the_command_line_says_what_is_missing(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    Path("pets.keras").write_bytes(CONTENT)
    assert run(["models", "add", "pets.keras", "--name", "pets", "--classes", "@none"]) == 2
    assert "--classes: none can't be read" in capsys.readouterr().err
    assert run(["models", "add", "none.keras", "--name", "pets", "--classes", "a,b"]) == 2
    assert "none.keras" in capsys.readouterr().err
