"""Models over HTTP, by the client and on the command line: aliases, files, cards, deletion."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobyard.cli import run
from jobyard.client import BadRequest, Client, Conflict, NotFound
from jobyard.shared import jobs, registry
from jobyard.shared.errors import NotFound as Gone
from jobyard.shared.errors import StorageAway
from jobyard.shared.storage import Objects
from tests import factories
from tests.conftest import TOKEN, served
from tests.integration.web.world import World

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def client(app: "Flask", monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Client]:
    """Of the app behind a real socket, where the command line finds it too."""
    monkeypatch.setenv("JOBYARD_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    with served(app) as url, Client(url, TOKEN) as opened:
        monkeypatch.setenv("JOBYARD_URL", url)
        yield opened


def said(api: "FlaskClient", method: str, path: str, status: int, **options: object) -> str:
    response = api.open(f"/api/v1{path}", method=method, **options)
    assert response.status_code == status, response.text
    return str(response.json["detail"]) if status >= 400 else response.text


def test_a_model_tells_its_aliases_and_where_its_file_and_card_are(world: World, api: "FlaskClient") -> None:
    world.model(), world.model()
    assert api.put("/api/v1/models/pets/aliases/prod", json={"version": 1}).json["aliases"] == ["prod"]
    found = api.get("/api/v1/models/pets@prod").json
    assert (found["reference"], found["aliases"], found["accuracy"]) == ("pets@1", ["prod"], 0.6875)
    assert found["links"]["file"] == "/api/v1/models/pets@1/file"
    for link in found["links"].values():
        with api.get(link) as response:
            assert response.status_code == 200
    newest, oldest = api.get("/api/v1/models").json["items"]
    assert (newest["aliases"], oldest["aliases"]) == (["latest", "best"], ["prod"])
    page = api.get("/api/v1/models?limit=1").json
    assert api.get(f"/api/v1/models?limit=1&cursor={page['next']}").json["items"][0]["reference"] == "pets@1"


def test_evaluations_of_a_model_are_listed_newest_first_and_are_in_its_card(
    world: World, api: "FlaskClient", client: Client
) -> None:
    jobs_ = [world.job("evaluate", "succeeded") for _ in range(3)]
    model = world.model()
    assert list(client.evaluations(model.reference)) == []
    with world.backend.database.write() as session:
        found = [registry.find(session, registry.Model, f"pets@{version}") for version in (1, 2, 3)]
        for one in found[1:]:
            for evaluation in registry.evaluations(session, one.id):
                evaluation.model_id = found[0].id
    listed = list(client.evaluations("pets@1"))
    assert [one["job_id"] for one in listed] == [str(job.id) for job in reversed(jobs_)]
    assert (listed[0]["dataset"], listed[0]["split"], listed[0]["pictures"]) == ("pets@3", "validation", 8)
    assert listed[0]["accuracy_interval"] == [0.8012, 0.9655]
    page = api.get("/api/v1/models/pets@1/evaluations?limit=2").json
    assert (len(page["items"]), page["next"]) == (2, listed[1]["id"])
    (last,) = api.get(f"/api/v1/models/pets@1/evaluations?limit=2&cursor={page['next']}").json["items"]
    assert last == listed[2]
    assert [one["dataset"] for one in client.model_card("pets@1")["evaluations"]] == [
        "pets@3",
        "pets@2",
        "pets@1",
    ]
    said(api, "GET", "/models/none/evaluations", 404)


def test_an_evaluation_names_a_split_that_is_there_and_classes_that_the_model_knows(
    world: World, client: Client
) -> None:
    world.model()
    known = factories.dataset("known", classes={"train": {"cats": 2}, "test": {"cats": 1}})
    strange = factories.dataset("strange", classes={"train": {"birds": 2, "cats": 1}})
    for made in (known, strange):
        factories.register(world.backend.database, made)
    job = client.evaluate("pets", "known", split="test", priority=7)
    assert (job.kind, job.queue, job.priority) == ("evaluate", "predict", 7)
    assert (job.spec["model"], job.spec["dataset"], job.spec["split"]) == ("pets@1", "known@1", "test")
    assert client.evaluate("pets", "known").spec["split"] == "auto"
    with pytest.raises(
        BadRequest, match=r"known@1 has no validation pictures; should be auto, all or one of"
    ):
        client.evaluate("pets", "known", split="validation")
    with pytest.raises(BadRequest, match=r"strange@1 has 'birds', of which pets@1 knows nothing"):
        client.evaluate("pets", "strange")
    with pytest.raises(Conflict):
        client.delete_model("pets@1")


def test_a_job_keeps_the_version_that_its_alias_had(world: World, api: "FlaskClient") -> None:
    world.model(), world.model(), world.dataset()
    api.put("/api/v1/models/pets/aliases/prod", json={"version": 1})
    spec = {"model": "pets@prod", "dataset": "pets@latest"}
    job = api.post("/api/v1/jobs", json={"kind": "predict", "spec": spec}).json
    assert (job["spec"]["model"], job["spec"]["dataset"]) == ("pets@1", "pets@1")
    api.put("/api/v1/models/pets/aliases/prod", json={"version": 2})
    assert api.get(f"/api/v1/jobs/{job['id']}").json["spec"]["model"] == "pets@1"
    assert f"job {job['id']} uses the model pets@1" in said(api, "DELETE", "/models/pets@1", 409)
    api.post(f"/api/v1/jobs/{job['id']}/cancel")
    assert said(api, "DELETE", "/models/pets@1", 204) == ""


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("PUT", "/models/pets/aliases/latest", {"version": 1}, 422, "alias: 'latest' is set by the server"),
        ("PUT", "/models/pets/aliases/best", {"version": 1}, 422, "alias: 'best' is set by the server"),
        ("PUT", "/models/pets/aliases/2nd", {"version": 1}, 422, "alias: should be a letter, then letters"),
        ("PUT", "/models/pets/aliases/prod", {"version": 9}, 404, "there is no model pets@9"),
        ("PUT", "/models/pets/aliases/prod", {"version": 0}, 422, "version: should be greater than"),
        ("PUT", "/models/pets/aliases/prod", {}, 422, "version: is missing"),
        ("PUT", "/models/pets/aliases/prod", {"versoin": 1}, 422, "versoin: there is no such field"),
        ("PUT", "/models/dogs/aliases/prod", {"version": 1}, 404, "there is no model dogs@1"),
        ("DELETE", "/models/pets/aliases/prod", None, 404, "pets has no alias 'prod'"),
        ("DELETE", "/models/pets/aliases/latest", None, 404, "pets has no alias 'latest'"),
        ("DELETE", "/models/pets", None, 422, "should name the version to delete, as pets@1"),
        ("DELETE", "/models/pets@latest", None, 422, "should name the version to delete, as pets@1"),
        ("DELETE", "/models/pets@2", None, 404, "no model 'pets@2'; there are: pets"),
        ("GET", "/models/pets@prod/file", None, 404, "no model 'pets@prod'; there are: pets"),
        ("GET", "/models/none/card", None, 404, "no model 'none'; there are: pets"),
    ],
)
def test_what_can_not_be_done_is_one_line(
    world: World, api: "FlaskClient", method: str, path: str, body: object, status: int, words: str
) -> None:
    world.model()
    detail = said(api, method, path, status, **({} if body is None else {"json": body}))
    assert words in detail
    assert "\n" not in detail
    assert api.get("/api/v1/models/pets@1").status_code == 200


def test_an_alias_without_json_is_refused(world: World, api: "FlaskClient") -> None:
    world.model()
    assert "should be JSON" in said(api, "PUT", "/models/pets/aliases/prod", 415, data="version=1")


def test_a_model_s_file_comes_whole_in_parts_and_only_once(world: World, api: "FlaskClient") -> None:
    world.model()
    with api.get("/api/v1/models/pets/file") as whole:
        assert whole.data == CONTENT
        assert "pets-1.keras" in whole.headers["Content-Disposition"]
        seen = {"If-None-Match": whole.headers["ETag"]}
    assert api.get("/api/v1/models/pets/file", headers=seen).status_code == 304
    with api.get("/api/v1/models/pets@1/file", headers={"Range": "bytes=2-4"}) as part:
        assert (part.status_code, part.data) == (206, CONTENT[2:5])


def test_a_model_outlives_its_job_with_file_card_and_page(world: World, api: "FlaskClient") -> None:
    job = world.job("train", "succeeded")
    with world.backend.database.write() as session:
        session.delete(session.get(jobs.Job, job.id))
    with api.get("/api/v1/models/pets@1/file") as response:
        assert response.data == CONTENT
    card = api.get("/api/v1/models/pets@1/card").json
    assert (card["sha256"], card["bytes"], card["image_size"]) == (SHA256, len(CONTENT), 64)
    assert card["evaluation"] is None
    assert "rescaling is inside the model" in card["preprocessing"]
    assert api.get("/models/pets@1").status_code == 200


def test_a_card_tells_what_the_network_began_with_and_what_classes_counted(
    world: World, api: "FlaskClient"
) -> None:
    backbone, weights = {"name": "efficientnet-lite0", "sha256": SHA256}, {"cats": 1.5, "dogs": 0.75}
    world.model(card={"backbone": backbone, "class_weight": weights}), world.model()
    card = api.get("/api/v1/models/pets@1/card").json
    assert (card["backbone"], card["class_weight"]) == (backbone, weights)
    card = api.get("/api/v1/models/pets@2/card").json
    assert (card["backbone"], card["class_weight"]) == (None, None)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("DELETE", "/api/v1/models/pets@1", 204), ("POST", "/models/pets@1/delete", 303)],
)
def test_a_model_whose_file_can_not_be_deleted_now_is_gone_all_the_same(
    world: World, api: "FlaskClient", monkeypatch: pytest.MonkeyPatch, method: str, path: str, status: int
) -> None:
    world.model()

    def refuse(_: Objects, key: str) -> None:
        raise StorageAway(f"{key}: the storage is away")

    monkeypatch.setattr(Objects, "delete", refuse)
    assert api.open(path, method=method).status_code == status
    said(api, "GET", "/models/pets@1", 404)


def test_a_deleted_model_is_gone_from_the_storage_and_from_its_job(world: World, api: "FlaskClient") -> None:
    job = world.job("train", "succeeded")
    with world.backend.database.read() as session:
        key = registry.find(session, registry.Model, "pets@1").storage_key
    assert said(api, "DELETE", "/models/pets@1", 204) == ""
    with pytest.raises(Gone):
        world.backend.storage.open(key)
    left = api.get(f"/api/v1/jobs/{job.id}/files").json["items"]
    assert [file["name"] for file in left] == ["last.keras"]  # which was never a model of the registry
    assert api.get(f"/jobs/{job.id}").status_code == 200
    for path in ("/models/pets@1", "/models/pets@1/file", "/models/pets@1/card"):
        assert "there are none yet" in said(api, "GET", path, 404)


# ---- the client and the command line


def test_the_client_does_what_the_routes_do(world: World, client: Client, tmp_path: Path) -> None:
    world.model(), world.model()
    assert client.set_alias("pets", "prod", 1)["aliases"] == ["prod"]
    assert client.model("pets@prod")["version"] == 1
    assert client.model_card("pets@prod")["aliases"] == ["prod"]
    assert client.download_model("pets@prod", tmp_path / "p.keras").read_bytes() == CONTENT
    client.remove_alias("pets", "prod")
    with pytest.raises(NotFound, match="no model 'pets@prod'"):
        client.model("pets@prod")
    with pytest.raises(BadRequest, match="should name the version to delete"):
        client.delete_model("pets")
    client.delete_model("pets@1")
    assert [model["reference"] for model in client.models()] == ["pets@2"]


@pytest.mark.parametrize(
    ("kind", "spec", "named"),
    [
        ("predict", {"model": "pets", "dataset": "pets"}, "models/pets@1"),
        ("predict", {"model": "pets@latest", "dataset": "pets"}, "datasets/pets@1"),
        ("train", {"dataset": "pets", "init_from": "pets@best"}, "models/pets@1"),
        ("train", {"dataset": "pets@1"}, "datasets/pets@1"),
    ],
)
def test_what_a_spec_names_stays_until_its_job_has_ended(
    world: World, api: "FlaskClient", kind: str, spec: dict[str, str], named: str
) -> None:
    world.model(), world.dataset()
    job = api.post("/api/v1/jobs", json={"kind": kind, "spec": spec}).get_json()
    refused = api.delete(f"/api/v1/{named}")
    assert refused.status_code == 409
    assert job["id"] in refused.get_json()["detail"]
    assert api.post(f"/api/v1/jobs/{job['id']}/cancel").status_code == 202
    assert api.delete(f"/api/v1/{named}").status_code == 204


def test_the_client_hears_which_job_needs_a_model(world: World, client: Client) -> None:
    world.model(), world.dataset()
    job = client.predict("pets", dataset="pets")
    with pytest.raises(Conflict, match=f"job {job.id} uses the model pets@1"):
        client.delete_model("pets@1")


def test_models_on_the_command_line(world: World, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models"]) == 0
    assert capsys.readouterr().out == "no models\n"
    world.model(), world.model()
    assert run(["models", "alias", "pets@1", "prod"]) == 0
    assert capsys.readouterr().out == "pets@prod is pets@1\n"
    assert run(["models"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("pets@1", "prod", "latest, best", "0.688", "classic, 64 px"))
    assert run(["models", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["aliases"] for line in lines] == [["latest", "best"], ["prod"]]

    assert run(["models", "download", "pets@prod", "--card", "card.json"]) == 0
    assert capsys.readouterr().out == f"pets-1.keras: pets@1, SHA-256 {SHA256}\n"
    assert Path("pets-1.keras").read_bytes() == CONTENT
    assert json.loads(Path("card.json").read_text())["reference"] == "pets@1"
    assert run(["models", "unalias", "pets@prod"]) == 0
    assert run(["models", "delete", "pets@1", "--yes"]) == 0
    assert capsys.readouterr().out == "pets@prod was removed\npets@1 was deleted\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["download", "dogs"], "no model 'dogs'; there are: pets"),
        (["download", "pets", "-o", "nowhere/x.keras"], "there is no folder nowhere"),
        (["alias", "pets@1", "best"], "'best' is set by the server"),
        (["alias", "pets@1", "a/b"], "there is no page or resource at"),
        (["unalias", "pets"], "pets: should be like name@alias"),
        (["unalias", "pets@prod"], "pets has no alias 'prod'"),
        (["delete", "pets", "--yes"], "should name the version to delete, as pets@1"),
    ],
)
def test_mistakes_with_models_are_one_line(
    world: World, client: Client, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    world.model()
    assert run(["models", *arguments]) == 2
    shown = capsys.readouterr()
    assert words in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""
