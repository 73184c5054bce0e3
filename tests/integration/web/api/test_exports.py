"""A model's files in other formats over HTTP, by the client, on the command line and on the model's page."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from jobyard.cli import run
from jobyard.client import BadRequest, Client, NotFound
from jobyard.shared import registry
from jobyard.shared.registry import exports, models
from jobyard.shared.storage import Objects
from tests.conftest import TOKEN, served
from tests.integration.web.world import World

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

CONTENT = b"an onnx file"
FACTS = {
    "input": "pixels: float32",
    "output": "probability",
    "precision": "float32",
    "largest_difference": 1e-7,
}


@pytest.fixture
def client(app: "Flask", monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Client]:
    """Of the app behind a real socket, where the command line finds it too."""
    monkeypatch.setenv("JOBYARD_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    with served(app) as url, Client(url, TOKEN) as opened:
        monkeypatch.setenv("JOBYARD_URL", url)
        yield opened


def exported(world: World, format_: exports.Format = "onnx", quantize: exports.Quantize = "none") -> None:
    """The model pets@1 with such a file."""
    path = world.backend.storage.folder
    assert path is not None
    draft = path.parent / "draft"
    draft.write_bytes(CONTENT)
    stored = world.backend.storage.put_file("exports", draft)
    with world.backend.database.write() as session:
        model = registry.find(session, registry.Model, "pets@1")
        models.hold(session, model.id)
        exports.add_export(session, model.id, format_, quantize, stored, dict(FACTS), replace=False)


def test_a_file_comes_with_its_name_type_etag_and_in_parts(world: World, api: "FlaskClient") -> None:
    world.model()
    exported(world), exported(world, "tflite", "float16"), exported(world, "savedmodel")
    for query, name, media_type in (
        ("format=onnx", "pets-1.onnx", "application/octet-stream"),
        ("format=tflite&quantize=float16", "pets-1-float16.tflite", "application/octet-stream"),
        ("format=savedmodel", "pets-1-savedmodel.zip", "application/zip"),
        ("format=keras", "pets-1.keras", "application/zip"),
    ):
        with api.get(f"/api/v1/models/pets@best/file?{query}") as whole:
            assert whole.status_code == 200
            assert name in whole.headers["Content-Disposition"]
            assert whole.mimetype == media_type
            seen = {"If-None-Match": whole.headers["ETag"]}
        assert api.get(f"/api/v1/models/pets/file?{query}", headers=seen).status_code == 304
    with api.get("/api/v1/models/pets/file?format=onnx", headers={"Range": "bytes=3-6"}) as part:
        assert (part.status_code, part.data) == (206, CONTENT[3:7])
    past = api.get("/api/v1/models/pets/file?format=onnx", headers={"Range": "bytes=99-"})
    assert past.status_code == 416


@pytest.mark.parametrize("query", ["", "?format=onnx"])
def test_no_connection_of_the_database_waits_for_the_storage(
    world: World, api: "FlaskClient", monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    world.model()
    exported(world)
    pool, open_key = world.backend.database.engine.pool, Objects.open
    taken = []

    def opened(storage: Objects, key: str) -> IO[bytes]:
        taken.append(pool.checkedout())  # type: ignore[attr-defined]
        return open_key(storage, key)

    monkeypatch.setattr(Objects, "open", opened)
    with api.get(f"/api/v1/models/pets/file{query}") as response:
        assert response.status_code == 200
    assert taken == [0]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        (
            "format=onnx",
            404,
            'submit a job of kind export with the spec {"model": "pets@1", "format": "onnx"}',
        ),
        ("format=tflite&quantize=dynamic", 404, '"format": "tflite", "quantize": "dynamic"'),
        ("format=onxn", 422, "format: should be 'keras', 'onnx', 'tflite' or 'savedmodel'"),
        ("format=tflite&quantize=int4", 422, "quantize: should be 'none', 'float16' or 'dynamic'"),
        ("format=onnx&quantize=dynamic", 422, "quantize: should be 'none' for the format 'onnx'"),
        ("quantize=dynamic", 422, "quantize: should be 'none' for the format 'keras'"),
        ("fromat=onnx", 422, "fromat"),
    ],
)
def test_what_is_not_there_or_wrong_is_one_line(
    world: World, api: "FlaskClient", query: str, status: int, words: str
) -> None:
    world.model()
    response = api.get(f"/api/v1/models/pets/file?{query}")
    assert response.status_code == status
    assert words in response.json["detail"]


def test_model_list_and_card_say_what_there_is(world: World, api: "FlaskClient") -> None:
    world.model()
    assert api.get("/api/v1/models/pets").json["exports"] == []
    exported(world), exported(world, "tflite", "float16")
    onnx, tflite = api.get("/api/v1/models/pets").json["exports"]
    assert (onnx["format"], onnx["file"], onnx["bytes"]) == ("onnx", "pets-1.onnx", len(CONTENT))
    assert tflite["link"] == "/api/v1/models/pets@1/file?format=tflite&quantize=float16"
    with api.get(tflite["link"]) as response:
        assert response.data == CONTENT
    assert api.get("/api/v1/models").json["items"][0]["exports"] == [onnx, tflite]
    card = api.get("/api/v1/models/pets/card").json["exports"]
    assert [(one["format"], one["largest_difference"]) for one in card] == [("onnx", 1e-7), ("tflite", 1e-7)]


def test_the_page_offers_what_there_is_and_makes_what_is_not(world: World, web: "FlaskClient") -> None:
    world.model()
    exported(world)
    page = web.get("/models/pets@1").text
    assert "file?format=onnx" in page
    assert "file?format=tflite" not in page
    form = web.get("/new/export?model=pets@1").text
    for name in ("model", "format", "quantize", "force"):
        assert f'name="{name}"' in form
    made = web.post("/new/export", data={"model": "pets@1", "format": "tflite"})
    assert made.status_code == 303
    assert "pets@1 as TFLite" in web.get(made.headers["Location"]).text
    refused = web.post("/new/export", data={"model": "pets@1", "format": "onnx", "quantize": "dynamic"})
    assert refused.status_code == 422
    assert "ith quantize, format should be" in refused.text


def test_a_deleted_model_takes_its_files_along(world: World, api: "FlaskClient") -> None:
    world.model()
    exported(world)
    folder = world.backend.storage.folder
    assert folder is not None
    assert len(list((folder / "exports").iterdir())) == 1
    assert api.delete("/api/v1/models/pets@1").status_code == 204
    assert list((folder / "exports").iterdir()) == []


def test_the_client_makes_a_job_and_downloads(world: World, client: Client, tmp_path: Path) -> None:
    world.model()
    job = client.export_model("pets@best", "tflite", quantize="float16")
    assert (job.kind, job.spec["model"], job.spec["quantize"]) == ("export", "pets@1", "float16")
    with pytest.raises(BadRequest, match="should be 'onnx', 'tflite' or 'savedmodel'"):
        client.export_model("pets", "h5")
    with pytest.raises(NotFound, match="submit a job of kind export"):
        client.download_model("pets", tmp_path / "x", format="onnx")
    exported(world, "tflite", "float16")
    saved = client.download_model("pets", tmp_path / "x", format="tflite", quantize="float16")
    assert saved.read_bytes() == CONTENT
    with pytest.raises(BadRequest, match="quantize: should be 'none' for the format 'keras'"):
        client.download_model("pets", tmp_path / "y", quantize="float16")
    assert not (tmp_path / "y").exists()


def test_the_command_downloads_what_there_is_with_the_card(
    world: World, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.model()
    exported(world)
    assert run(["models", "download", "pets@best", "--format", "onnx", "--card", "card.json"]) == 0
    assert (tmp_path / "pets-1.onnx").read_bytes() == CONTENT
    assert "pets-1.onnx: pets@1, SHA-256" in capsys.readouterr().out
    assert json.loads((tmp_path / "card.json").read_text())["exports"][0]["format"] == "onnx"
    assert list(client.jobs(kind="export")) == []
